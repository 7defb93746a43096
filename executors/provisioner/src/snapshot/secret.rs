//! Secrets of an environment: their names, never what they hold.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::naming::{self, Thing};
use super::place::Provider;

const MOST: usize = 100;

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

/// A secret, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct SecretParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// Make it at random; true if missing. Else somebody puts a value in by hand.
    pub generate: Option<bool>,
    /// How many characters; 32 if missing.
    #[schemars(range(min = 8, max = 1024))]
    pub length: Option<i64>,
    /// Whether there are characters beside letters and digits; true if missing.
    pub special_chars: Option<bool>,
}

pub(super) fn read(params: Option<Vec<SecretParams>>, provider: Provider) -> Result<Vec<Secret>, ExecutorError> {
    let secrets = Field::at("/secrets", params).at_most(MOST)?.each(|at, params| read_one(at, params, provider))?;
    naming::refuse_twins(naming::places("/secrets", &secrets, |secret| &secret.name))?;
    Ok(secrets)
}

fn read_one(at: &str, params: SecretParams, provider: Provider) -> Result<Secret, ExecutorError> {
    let length = Field::at(format!("{at}/length"), params.length).within(8..=1024)?;
    Ok(Secret {
        name: naming::name(Thing::Secret, provider, at, params.name)?,
        generate: params.generate.unwrap_or(true),
        length: length.or(32),
        special_chars: params.special_chars.unwrap_or(true),
    })
}
