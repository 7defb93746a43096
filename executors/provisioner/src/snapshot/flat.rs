//! The flat form of a snapshot: what the other form nests, as the command line sends it. Its lists are those of the
//! other form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::{AdminParams, ClusterProviderParams};
use super::dns::DnsProviderParams;
use super::place::Provider;

/// The fields of the flat form.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct FlatParams {
    /// Flat form of `provider`.
    pub cloud_provider: Option<Provider>,
    /// Account (AWS), project (GCP) or subscription (Azure); that of the job's identity if missing.
    pub cloud_account_id: Option<String>,
    /// Flat form of `network.provision_network`.
    pub provision_network: Option<bool>,
    /// Flat form of `network.cidr_block`.
    pub cidr_block: Option<String>,
    /// Flat form of `network.network_id`.
    pub network_id: Option<String>,
    /// Flat form of `network.single_nat_gateway`.
    pub single_nat_gateway: Option<bool>,
    /// Flat form of `cluster.cluster_version`.
    pub cluster_version: Option<String>,
    /// Flat form of `cluster.instance_types`.
    pub instance_types: Option<Vec<String>>,
    /// Flat form of `cluster.node_min_size`.
    pub node_min_size: Option<i64>,
    /// Flat form of `cluster.node_max_size`.
    pub node_max_size: Option<i64>,
    /// Flat form of `cluster.node_desired_size`.
    pub node_desired_size: Option<i64>,
    /// Flat form of `cluster.cluster_admins`.
    pub cluster_admins: Option<Vec<AdminParams>>,
    /// Flat form of `cluster.provider_config`.
    pub cluster_provider_config: Option<ClusterProviderParams>,
    /// Flat form of `dns.enabled`.
    pub dns_enabled: Option<bool>,
    /// Flat form of `dns.zone_id`.
    pub dns_zone_id: Option<String>,
    /// Flat form of `dns.domain_name`.
    pub dns_domain_name: Option<String>,
    /// Flat form of `dns.provider_config`.
    pub dns_provider_config: Option<DnsProviderParams>,
    /// Flat form of `repositories.apps_destination_repo`.
    pub apps_destination_repo: Option<String>,
    /// A database of the name `main`, where there is no list of databases.
    pub has_database: Option<bool>,
    /// The `min_capacity` of that database.
    pub db_min_capacity: Option<f64>,
    /// The `max_capacity` of that database.
    pub db_max_capacity: Option<f64>,
    /// A cache of the name `main`, where there is no list of caches.
    pub has_cache: Option<bool>,
}
