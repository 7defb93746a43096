//! From a payload to a snapshot.

use executor_api::{CloudIdentity, ExecutorError, params_in};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::field::Field;
use super::flat::FlatParams;
use super::params::NestedParams;
use super::place::{Place, PlaceParams};
use super::software::Software;
use super::{
    Snapshot, bucket, cache, cluster, database, dns, network, nosql_table, queue, registry, secret, software, topic,
    words,
};

impl Snapshot {
    /// Reads a payload in the nested form, the flat one, or both as long as they agree. `identity` is the job's: it says
    /// which cloud and which account, and the payload may only repeat that.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong, in the form in which it was given.
    pub fn read(payload: &Value, identity: Option<&CloudIdentity>) -> Result<Self, ExecutorError> {
        if !payload.is_object() {
            return Err(ExecutorError::invalid("", "give a config snapshot: an object with project_name and the rest"));
        }
        // One after the other rather than flattened into one: only so an error of serde knows its place.
        let place: PlaceParams = typed(payload)?;
        let flat: FlatParams = typed(payload)?;
        let mut nested: NestedParams = typed(payload)?;
        let Place { zone_id, project_name, environment_stage, region, provider, account_id } =
            Place::read(place, &flat, identity)?;
        let Software { argocd, applications, apps_destination_repo, git_access_token } =
            Software::of(&mut nested, &flat)?;
        let queues = queue::read(nested.queues, provider)?;
        let topics = topic::read(nested.topics, provider, &queues)?;
        let version = Field::at("/terraform_version", nested.terraform_version).text(words::version_requirement)?;
        Ok(Self {
            zone_id,
            project_name,
            environment_stage,
            region,
            provider,
            account_id,
            terraform_version: version.optional(),
            cost_ceiling_monthly: software::read_ceiling(nested.cost_ceiling_monthly)?,
            network: network::read(nested.network.unwrap_or_default(), &flat, provider)?,
            cluster: cluster::read(nested.cluster.unwrap_or_default(), &flat, provider)?,
            dns: dns::read(nested.dns.unwrap_or_default(), &flat, provider)?,
            apps_destination_repo,
            databases: database::read(nested.databases, &flat, provider)?,
            caches: cache::read(nested.caches, &flat, provider)?,
            queues,
            topics,
            nosql_tables: nosql_table::read(nested.nosql_tables, provider)?,
            secrets: secret::read(nested.secrets, provider)?,
            container_registries: registry::read(nested.container_registries, provider)?,
            storage_buckets: bucket::read(nested.storage_buckets, provider)?,
            argocd,
            applications,
            git_access_token,
        })
    }
}

/// How much of what serde says is shown: it repeats what it found, whatever that is.
const MOST_SHOWN: usize = 300;

pub(super) fn typed<P: DeserializeOwned>(payload: &Value) -> Result<P, ExecutorError> {
    params_in(payload).map_err(|error| match error {
        ExecutorError::InvalidInput { pointer, message } => {
            let shown: String = message.chars().take(MOST_SHOWN).collect();
            ExecutorError::InvalidInput { pointer, message: shown.replace(char::is_control, "\u{fffd}") }
        }
        other => other,
    })
}
