//! Relational databases of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::{Field, Given};
use super::flat::FlatParams;
use super::naming::{self, Thing};
use super::place::Provider;
use super::words;

const MOST: usize = 20;

/// A relational database.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Database {
    /// Unique in the environment.
    pub name: String,
    /// The provider's own PostgreSQL where missing.
    pub engine: Option<DatabaseEngine>,
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

/// What a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseEngine {
    /// PostgreSQL.
    Postgres,
    /// The same.
    Postgresql,
    /// MySQL.
    Mysql,
    /// Aurora with the protocol of PostgreSQL; PostgreSQL where there is no Aurora.
    AuroraPostgresql,
    /// Aurora with the protocol of MySQL; MySQL where there is no Aurora.
    AuroraMysql,
}

impl DatabaseEngine {
    /// Whether it speaks the protocol of MySQL.
    #[must_use]
    pub fn is_mysql(self) -> bool {
        matches!(self, Self::Mysql | Self::AuroraMysql)
    }
}

impl Given for DatabaseEngine {}

impl Database {
    /// Whether it speaks the protocol of MySQL rather than that of PostgreSQL.
    #[must_use]
    pub fn is_mysql(&self) -> bool {
        self.engine.is_some_and(DatabaseEngine::is_mysql)
    }
}

/// A relational database, as a payload says it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct DatabaseParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// What it is; PostgreSQL if missing.
    pub engine: Option<DatabaseEngine>,
    /// For example `16.6`.
    pub engine_version: Option<String>,
    /// AWS: Aurora capacity units; 0.5 if missing.
    #[schemars(range(min = 0.0, max = 256.0))]
    pub min_capacity: Option<f64>,
    /// AWS: Aurora capacity units; 4 if missing.
    #[schemars(range(min = 1.0, max = 256.0))]
    pub max_capacity: Option<f64>,
    /// 5432 if missing; 3306 for MySQL.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i64>,
    /// 7 if missing.
    #[schemars(range(min = 1, max = 35))]
    pub backup_retention_days: Option<i64>,
    /// Sign in with the cloud's identity; false if missing.
    pub iam_auth: Option<bool>,
}

pub(super) fn read(
    nested: Option<Vec<DatabaseParams>>,
    flat: &FlatParams,
    provider: Provider,
) -> Result<Vec<Database>, ExecutorError> {
    let has_database = Field::at("/has_database", flat.has_database);
    let Some(list) = nested else {
        return if has_database.or(false) { Ok(vec![flat_one(flat)?]) } else { Ok(Vec::new()) };
    };
    if has_database.get().is_some_and(|has| *has == list.is_empty()) {
        return Err(has_database.refuse("says something else than /databases; give one of the two"));
    }
    let databases =
        Field::at("/databases", Some(list)).at_most(MOST)?.each(|at, params| read_one(at, params, provider))?;
    naming::refuse_twins(naming::places("/databases", &databases, |database| &database.name))?;
    Ok(databases)
}

/// The one that the flat form can tell of.
fn flat_one(flat: &FlatParams) -> Result<Database, ExecutorError> {
    let (min_capacity, max_capacity) = capacities(
        Field::at("/db_min_capacity", flat.db_min_capacity),
        Field::at("/db_max_capacity", flat.db_max_capacity),
    )?;
    Ok(Database {
        name: "main".to_owned(),
        engine: None,
        engine_version: None,
        min_capacity,
        max_capacity,
        port: 5432,
        backup_retention_days: 7,
        iam_auth: false,
    })
}

fn read_one(at: &str, params: DatabaseParams, provider: Provider) -> Result<Database, ExecutorError> {
    let place = |field: &str| format!("{at}/{field}");
    let default_port = if params.engine.is_some_and(DatabaseEngine::is_mysql) { 3306 } else { 5432 };
    let version =
        Field::at(place("engine_version"), params.engine_version).text(|text| words::word(text, 48, "._-"))?;
    let (min_capacity, max_capacity) = capacities(
        Field::at(place("min_capacity"), params.min_capacity),
        Field::at(place("max_capacity"), params.max_capacity),
    )?;
    let port = Field::at(place("port"), params.port).check(|number| {
        let port = u16::try_from(number).ok().filter(|port| *port > 0);
        port.ok_or_else(|| "give a port: 1 to 65535".to_owned())
    })?;
    let retention = Field::at(place("backup_retention_days"), params.backup_retention_days);
    Ok(Database {
        name: naming::name(Thing::Database, provider, at, params.name)?,
        engine: params.engine,
        engine_version: version.optional(),
        min_capacity,
        max_capacity,
        port: port.or(default_port),
        backup_retention_days: retention.within(1..=35)?.or(7),
        iam_auth: params.iam_auth.unwrap_or(false),
    })
}

/// A default gives way to what is said.
fn capacities(min: Field<f64>, max: Field<f64>) -> Result<(f64, f64), ExecutorError> {
    let (min, max) = (min.within(0.0..=256.0)?.check(half_unit)?, max.within(1.0..=256.0)?.check(half_unit)?);
    if let (Some(less), Some(more)) = (min.get(), max.get())
        && less > more
    {
        return Err(min.refuse(format!("is {less}, more than {} ({more}); give no more", max.pointer())));
    }
    let settled_min = min.get().copied().unwrap_or(0.5);
    Ok((settled_min, max.or(settled_min.max(4.0))))
}

fn half_unit(number: f64) -> Result<f64, String> {
    let fits = (number * 2.0).fract() == 0.0;
    if fits { Ok(number) } else { Err("give whole or half units, for example 0.5".to_owned()) }
}
