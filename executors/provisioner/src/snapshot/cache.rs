//! Caches of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::flat::FlatParams;
use super::naming::{self, Thing};
use super::place::Provider;
use super::words;

const MOST: usize = 20;
const MOST_RANGES: usize = 50;

/// A cache.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// Unique in the environment.
    pub name: String,
    /// `redis` or `valkey`.
    pub engine: CacheEngine,
    /// The template's default where missing.
    pub node_type: Option<String>,
    /// 1 by default; 2 in several zones.
    pub num_cache_nodes: u32,
    /// Nodes in several zones.
    pub multi_az: bool,
    /// Who may reach it beside the cluster.
    pub allowed_cidr_blocks: Vec<String>,
}

/// What a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheEngine {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// A cache, as a payload says it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct CacheParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// What it is; Redis if missing.
    pub engine: Option<CacheEngine>,
    /// For example `cache.t3.medium`.
    pub node_type: Option<String>,
    /// 1 if missing; 2 with `multi_az`.
    #[schemars(range(min = 1, max = 6))]
    pub num_cache_nodes: Option<i64>,
    /// Nodes in several zones; false if missing.
    pub multi_az: Option<bool>,
    /// Who may reach it beside the cluster.
    #[schemars(length(max = 50))]
    pub allowed_cidr_blocks: Option<Vec<String>>,
}

pub(super) fn read(
    nested: Option<Vec<CacheParams>>,
    flat: &FlatParams,
    provider: Provider,
) -> Result<Vec<Cache>, ExecutorError> {
    let has_cache = Field::at("/has_cache", flat.has_cache);
    let Some(list) = nested else {
        let main = CacheParams { name: Some("main".to_owned()), ..CacheParams::default() };
        return if has_cache.or(false) { Ok(vec![read_one("", main, provider)?]) } else { Ok(Vec::new()) };
    };
    if has_cache.get().is_some_and(|has| *has == list.is_empty()) {
        return Err(has_cache.refuse("says something else than /caches; give one of the two"));
    }
    let caches = Field::at("/caches", Some(list)).at_most(MOST)?.each(|at, params| read_one(at, params, provider))?;
    naming::refuse_twins(naming::places("/caches", &caches, |cache| &cache.name))?;
    Ok(caches)
}

fn read_one(at: &str, params: CacheParams, provider: Provider) -> Result<Cache, ExecutorError> {
    let place = |field: &str| format!("{at}/{field}");
    let node_type = Field::at(place("node_type"), params.node_type).text(|text| words::word(text, 64, "._-"))?;
    let multi_az = params.multi_az.unwrap_or(false);
    let nodes = Field::at(place("num_cache_nodes"), params.num_cache_nodes).within(1..=6)?;
    if multi_az && nodes.get() == Some(&1) {
        return Err(nodes.refuse("one node cannot be in several zones; give at least 2, or no multi_az"));
    }
    let ranges = Field::at(place("allowed_cidr_blocks"), params.allowed_cidr_blocks).at_most(MOST_RANGES)?;
    Ok(Cache {
        name: naming::name(Thing::Cache, provider, at, params.name)?,
        engine: params.engine.unwrap_or(CacheEngine::Redis),
        node_type: node_type.optional(),
        num_cache_nodes: nodes.or(if multi_az { 2 } else { 1 }),
        multi_az,
        allowed_cidr_blocks: ranges.texts(words::cidr)?,
    })
}
