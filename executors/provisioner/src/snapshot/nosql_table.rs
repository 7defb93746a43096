//! Tables of an environment: DynamoDB, Firestore or Cosmos DB.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::{Field, Given};
use super::naming::{self, Thing};
use super::place::Provider;
use super::words;

const MOST: usize = 100;

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NosqlTable {
    /// Unique in the environment.
    pub name: String,
    /// Also spelled `hash_key`. On Azure a path without the first `/`.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyType {
    /// Text.
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableType {
    /// In the environment's region.
    Standard,
    /// In several regions.
    Global,
}

/// How a table is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CapacityMode {
    /// Per request.
    #[serde(rename = "on_demand", alias = "PAY_PER_REQUEST")]
    OnDemand,
    /// Reserved.
    #[serde(rename = "provisioned", alias = "PROVISIONED")]
    Provisioned,
}

impl Given for KeyType {}
impl Given for CapacityMode {}

/// A table, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct NosqlTableParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// The attribute that says where an item is. Required on AWS.
    pub partition_key: Option<String>,
    /// Older name of `partition_key`.
    pub hash_key: Option<String>,
    /// `S` if missing.
    pub partition_key_type: Option<KeyType>,
    /// Older name of `partition_key_type`.
    pub hash_key_type: Option<KeyType>,
    /// The attribute by which items of one partition are sorted.
    pub sort_key: Option<String>,
    /// Older name of `sort_key`.
    pub range_key: Option<String>,
    /// `S` if missing.
    pub sort_key_type: Option<KeyType>,
    /// Older name of `sort_key_type`.
    pub range_key_type: Option<KeyType>,
    /// `standard` if missing.
    pub table_type: Option<TableType>,
    /// `on_demand` if missing.
    pub capacity_mode: Option<CapacityMode>,
    /// Older name of `capacity_mode`.
    pub billing_mode: Option<CapacityMode>,
    /// Can be restored to any second; false if missing.
    pub point_in_time_recovery: Option<bool>,
}

pub(super) fn read(
    params: Option<Vec<NosqlTableParams>>,
    provider: Provider,
) -> Result<Vec<NosqlTable>, ExecutorError> {
    let read = |at: &str, params| read_one(at, params, provider);
    let tables = Field::at("/nosql_tables", params).at_most(MOST)?.each(read)?;
    naming::refuse_twins(naming::places("/nosql_tables", &tables, |table| &table.name))?;
    Ok(tables)
}

fn read_one(at: &str, params: NosqlTableParams, provider: Provider) -> Result<NosqlTable, ExecutorError> {
    let place = |field: &str| format!("{at}/{field}");
    let attribute = |text: &str| match provider {
        Provider::Azure => words::word(text.trim_start_matches('/'), 255, "_-./"),
        Provider::Aws | Provider::Gcp => words::word(text, 255, "_-."),
    };
    let partition_key = Field::at(place("partition_key"), params.partition_key)
        .or_at(place("hash_key"), params.hash_key)?
        .text(attribute)?;
    let partition_key = match provider {
        Provider::Aws => partition_key.required("name the attribute that says where an item is")?,
        Provider::Gcp | Provider::Azure => partition_key.or("id".to_owned()),
    };
    let sort_key =
        Field::at(place("sort_key"), params.sort_key).or_at(place("range_key"), params.range_key)?.text(attribute)?;
    if sort_key.get() == Some(&partition_key) {
        return Err(sort_key.refuse("is the partition key already; name another attribute, or none"));
    }
    let partition_key_type = Field::at(place("partition_key_type"), params.partition_key_type)
        .or_at(place("hash_key_type"), params.hash_key_type)?;
    let sort_key_type = Field::at(place("sort_key_type"), params.sort_key_type)
        .or_at(place("range_key_type"), params.range_key_type)?;
    let capacity_mode =
        Field::at(place("capacity_mode"), params.capacity_mode).or_at(place("billing_mode"), params.billing_mode)?;
    Ok(NosqlTable {
        name: naming::name(Thing::Table, provider, at, params.name)?,
        partition_key,
        partition_key_type: partition_key_type.or(KeyType::S),
        sort_key: sort_key.optional(),
        sort_key_type: sort_key_type.or(KeyType::S),
        global: params.table_type == Some(TableType::Global),
        provisioned: capacity_mode.or(CapacityMode::OnDemand) == CapacityMode::Provisioned,
        point_in_time_recovery: params.point_in_time_recovery.unwrap_or(false),
    })
}
