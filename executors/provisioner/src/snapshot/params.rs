//! The payload of the kinds that work on an environment, in both forms at once, for their schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::BucketParams;
use super::cache::CacheParams;
use super::cluster::ClusterParams;
use super::database::DatabaseParams;
use super::dns::DnsParams;
use super::flat::FlatParams;
use super::network::NetworkParams;
use super::nosql_table::NosqlTableParams;
use super::place::PlaceParams;
use super::queue::QueueParams;
use super::registry::RegistryParams;
use super::secret::SecretParams;
use super::software::{ApplicationsParams, ArgocdParams, Money};
use super::topic::TopicParams;

/// A config snapshot: an environment as it is wanted. Each field may be missing or `null`, unknown ones are ignored. The
/// nested form and the flat one may be mixed as long as they agree.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct SnapshotParams {
    /// Which environment.
    #[serde(flatten)]
    pub place: PlaceParams,
    /// The nested form, and what both have.
    #[serde(flatten)]
    pub nested: NestedParams,
    /// The flat form.
    #[serde(flatten)]
    pub flat: FlatParams,
}

/// The fields of the nested form, and those that both forms have.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct NestedParams {
    /// The versions of terraform that will do, for example `1.10.3`.
    pub terraform_version: Option<String>,
    /// A DEPLOY that would cost more a month stops before it changes anything.
    pub cost_ceiling_monthly: Option<Money>,
    /// What opens the repository with the applications.
    #[schemars(extend("writeOnly" = true))]
    pub git_access_token: Option<String>,
    /// The network.
    pub network: Option<NetworkParams>,
    /// The cluster.
    pub cluster: Option<ClusterParams>,
    /// Names and certificates.
    pub dns: Option<DnsParams>,
    /// Repositories of the environment's owner.
    pub repositories: Option<RepositoriesParams>,
    /// Databases.
    pub databases: Option<Vec<DatabaseParams>>,
    /// Caches.
    pub caches: Option<Vec<CacheParams>>,
    /// Queues.
    pub queues: Option<Vec<QueueParams>>,
    /// Topics.
    pub topics: Option<Vec<TopicParams>>,
    /// Tables.
    pub nosql_tables: Option<Vec<NosqlTableParams>>,
    /// Secrets: their names, not what they hold.
    pub secrets: Option<Vec<SecretParams>>,
    /// Registries of container images.
    pub container_registries: Option<Vec<RegistryParams>>,
    /// Buckets.
    pub storage_buckets: Option<Vec<BucketParams>>,
    /// Argo CD in the cluster.
    pub argocd: Option<ArgocdParams>,
    /// What Argo CD brings into every cluster.
    pub applications: Option<ApplicationsParams>,
}

/// Repositories of the environment's owner.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct RepositoriesParams {
    /// The git repository with the owner's applications, over https or ssh.
    pub apps_destination_repo: Option<String>,
}
