//! What somebody wants of an environment, whichever form it came in.
//!
//! The form of the user interface nests (`network.cidr_block`), the one of the command line is flat (`cidr_block`). Both
//! are read into the same [`Snapshot`]; nothing behind this module knows of forms, `null`, or older spellings.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use crate::after_apply::{ApplicationsOptions, ArgoCdOptions};

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

impl Provider {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }
}

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// `development`
    Development,
    /// `staging`
    Staging,
    /// `production`
    Production,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// An environment as it is wanted. Defaults are filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// Groups environments; part of the state's key.
    pub zone_id: String,
    /// At most 25 of `a-z 0-9 -`.
    pub project_name: String,
    /// What it is for.
    pub environment_stage: Stage,
    /// For example `eu-central-1`.
    pub region: String,
    /// Which cloud.
    pub provider: Provider,
    /// Account (AWS), project (GCP) or subscription (Azure).
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
    pub git_access_token: Option<String>,
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

/// The network of an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Network {
    /// Make one; else use `network_id`.
    pub provision: bool,
    /// For example `10.0.0.0/16`.
    pub cidr_block: String,
    /// The existing one.
    pub network_id: Option<String>,
    /// One gateway for all zones: cheaper, and a single point of failure.
    pub single_nat_gateway: bool,
}

/// The cluster of an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Make one; else `kubeconfig` says where it is, and without one nothing is installed.
    pub provision: bool,
    /// For example `1.32`; the template's default where it is missing.
    pub version: Option<String>,
    /// The template's default where it is empty.
    pub instance_types: Vec<String>,
    /// 2 by default.
    pub node_min_size: u32,
    /// 5 by default.
    pub node_max_size: u32,
    /// 2 by default.
    pub node_desired_size: u32,
    /// Who may do everything in it.
    pub admins: Vec<ClusterAdmin>,
    /// AWS: nodes by Karpenter.
    pub enable_karpenter: bool,
    /// GCP: nodes by Google.
    pub enable_autopilot: bool,
    /// Nodes by the cluster autoscaler.
    pub enable_cluster_autoscaler: bool,
    /// The way into a cluster that is there already. A secret.
    #[serde(skip)]
    pub kubeconfig: Option<String>,
}

/// Who may do everything in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterAdmin {
    /// On AWS the name of an IAM user or role.
    pub username: String,
    /// On AWS the path of it, `/` by default.
    pub path: String,
    /// Groups in the cluster.
    pub groups: Vec<String>,
}

/// Names and certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dns {
    /// Whether any of it is wanted.
    pub enabled: bool,
    /// The existing zone.
    pub zone_id: Option<String>,
    /// For example `shop.example.com`.
    pub domain_name: Option<String>,
    /// AWS: a certificate of ACM.
    pub acm_certificate: bool,
    /// GCP and Azure: a managed certificate.
    pub managed_certificate: bool,
    /// AWS: a web ACL for CloudFront.
    pub cloudfront_waf: bool,
    /// AWS: a web ACL for load balancers.
    pub application_waf: bool,
    /// GCP: Cloud Armor.
    pub cloud_armor: bool,
    /// Azure: Web Application Firewall.
    pub azure_waf: bool,
}

/// A relational database.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Database {
    /// Unique in the environment.
    pub name: String,
    /// As the snapshot says it, for example `aurora-postgresql`, `postgres`, `mysql`; the provider's default where missing.
    pub engine: Option<String>,
    /// The template's default where missing.
    pub engine_version: Option<String>,
    /// Aurora capacity units, 0.5 by default.
    pub min_capacity: f64,
    /// 4 by default.
    pub max_capacity: f64,
    /// 5432 by default; 3306 for MySQL.
    pub port: u16,
    /// 7 by default.
    pub backup_retention_days: u32,
    /// Sign in with the cloud's identity.
    pub iam_auth: bool,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// Unique in the environment.
    pub name: String,
    /// `redis` or `valkey`.
    pub engine: CacheEngine,
    /// The template's default where missing.
    pub node_type: Option<String>,
    /// 1 by default.
    pub num_cache_nodes: u32,
    /// Nodes in several zones.
    pub multi_az: bool,
    /// Who may reach it beside the cluster.
    pub allowed_cidr_blocks: Vec<String>,
}

/// What a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheEngine {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    /// Unique in the environment.
    pub name: String,
    /// First in, first out.
    pub ordered: bool,
    /// Seconds, 30 by default.
    pub visibility_timeout: u32,
    /// Seconds, 345600 by default.
    pub message_retention: u32,
    /// Seconds, where a delay is wanted.
    pub delay_seconds: Option<u32>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Topic {
    /// Unique in the environment.
    pub name: String,
    /// Who hears of a message.
    pub subscriptions: Vec<Subscription>,
}

/// Who hears of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// For example `sqs` or `https`.
    pub protocol: String,
    /// Where to.
    pub endpoint: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NosqlTable {
    /// Unique in the environment.
    pub name: String,
    /// Also spelled `hash_key`.
    pub partition_key: String,
    /// `S`, `N` or `B`.
    pub partition_key_type: KeyType,
    /// Also spelled `range_key`.
    pub sort_key: Option<String>,
    /// `S`, `N` or `B`.
    pub sort_key_type: KeyType,
    /// In several regions.
    pub global: bool,
    /// Capacity is reserved rather than paid per request.
    pub provisioned: bool,
    /// Can be restored to any second.
    pub point_in_time_recovery: bool,
}

/// What a key of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// Text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Secret {
    /// Unique in the environment.
    pub name: String,
    /// Made at random; else somebody puts a value in by hand.
    pub generate: bool,
    /// 32 by default.
    pub length: u32,
    /// Whether there are characters beside letters and digits.
    pub special_chars: bool,
}

/// A registry of container images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContainerRegistry {
    /// Unique in the environment.
    pub name: String,
    /// Images are looked through for known weaknesses.
    pub vulnerability_scanning: bool,
    /// A tag never moves.
    pub immutable_tags: bool,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StorageBucket {
    /// Unique in the environment.
    pub name: String,
    /// Old versions are kept.
    pub versioning: bool,
    /// Encrypted where it lies: always, whatever the snapshot says.
    pub encryption_enabled: bool,
    /// Everybody may read it.
    pub public_access: bool,
    /// Who may use it from a browser.
    pub cors_origins: Vec<String>,
    /// `AES256` or `aws:kms`; AWS only.
    pub encryption_algorithm: Option<String>,
    /// AWS only.
    pub kms_key: Option<String>,
}
