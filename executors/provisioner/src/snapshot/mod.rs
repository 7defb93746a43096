//! What somebody wants of an environment, whichever form it came in.
//!
//! The form of the user interface nests (`network.cidr_block`), the one of the command line is flat (`cidr_block`). Both
//! are read into the same [`Snapshot`]; nothing behind this module knows of forms, `null`, or older spellings. Each file
//! holds one block: what it is, how a payload says it, and what of that is refused.

mod bucket;
mod cache;
mod cluster;
mod database;
mod dns;
mod field;
mod flat;
mod hidden;
mod naming;
mod network;
mod nosql_table;
mod params;
mod place;
mod queue;
mod read;
mod registry;
mod secret;
mod software;
mod topic;
mod words;

use rust_decimal::Decimal;
use serde::Serialize;

pub use crate::after_apply::{ApplicationsOptions, ArgoCdOptions};
pub use bucket::{BucketParams, BucketProviderParams, EncryptionAlgorithm, StorageBucket};
pub use cache::{Cache, CacheEngine, CacheParams};
pub use cluster::{AdminParams, Cluster, ClusterAdmin, ClusterParams, ClusterProviderParams};
pub use database::{Database, DatabaseEngine, DatabaseParams};
pub use dns::{Dns, DnsParams, DnsProviderParams};
pub use flat::FlatParams;
pub use hidden::Hidden;
pub use network::{Network, NetworkParams};
pub use nosql_table::{CapacityMode, KeyType, NosqlTable, NosqlTableParams, TableType};
pub use params::{NestedParams, RepositoriesParams, SnapshotParams};
pub use place::{PlaceParams, Provider, Stage};
pub use queue::{Queue, QueueParams, QueueProviderParams};
pub use registry::{ContainerRegistry, RegistryParams, RegistryProviderParams};
pub use secret::{Secret, SecretParams};
pub use software::{ApplicationsParams, ArgocdChartParams, ArgocdParams, Money, Software};
pub use topic::{Subscription, SubscriptionParams, Topic, TopicParams};

/// An environment as it is wanted. Defaults are filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// Groups environments; part of the state's key. `default` where the payload says none.
    pub zone_id: String,
    /// At most 25 of `a-z 0-9 -`.
    pub project_name: String,
    /// What it is for.
    pub environment_stage: Stage,
    /// For example `eu-central-1`.
    pub region: String,
    /// Which cloud.
    pub provider: Provider,
    /// Account (AWS, where it is known), project (GCP) or subscription (Azure).
    pub account_id: String,
    /// The version of terraform that is wanted, where one is.
    pub terraform_version: Option<String>,
    /// A DEPLOY that would cost more a month stops before it changes anything.
    pub cost_ceiling_monthly: Option<Decimal>,
    /// The network.
    pub network: Network,
    /// The cluster.
    pub cluster: Cluster,
    /// Names and certificates.
    pub dns: Dns,
    /// The git repository with the applications of the environment's owner.
    pub apps_destination_repo: Option<String>,
    /// The token for that repository, where the snapshot brings one. A secret.
    #[serde(skip)]
    pub git_access_token: Option<Hidden>,
    /// How Argo CD comes into the cluster.
    #[serde(skip)]
    pub argocd: ArgoCdOptions,
    /// What Argo CD brings into the cluster.
    #[serde(skip)]
    pub applications: ApplicationsOptions,
    /// Databases, all of them.
    pub databases: Vec<Database>,
    /// Caches, all of them.
    pub caches: Vec<Cache>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Topics.
    pub topics: Vec<Topic>,
    /// Tables.
    pub nosql_tables: Vec<NosqlTable>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Registries of container images.
    pub container_registries: Vec<ContainerRegistry>,
    /// Buckets.
    pub storage_buckets: Vec<StorageBucket>,
}
