//! Registries of container images of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::naming::{self, Thing};
use super::place::Provider;

const MOST: usize = 100;

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

/// A registry of container images, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct RegistryParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// What only some clouds have.
    pub provider_config: Option<RegistryProviderParams>,
}

/// What of a registry only some clouds have.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct RegistryProviderParams {
    /// Look through images for known weaknesses; true if missing.
    pub vulnerability_scanning: Option<bool>,
    /// A tag never moves; false if missing.
    pub immutable_tags: Option<bool>,
}

pub(super) fn read(
    params: Option<Vec<RegistryParams>>,
    provider: Provider,
) -> Result<Vec<ContainerRegistry>, ExecutorError> {
    let registries = Field::at("/container_registries", params).at_most(MOST)?.each(|at, params| {
        let config = params.provider_config.unwrap_or_default();
        Ok(ContainerRegistry {
            name: naming::name(Thing::Registry, provider, at, params.name)?,
            vulnerability_scanning: config.vulnerability_scanning.unwrap_or(true),
            immutable_tags: config.immutable_tags.unwrap_or(false),
        })
    })?;
    naming::refuse_twins(naming::places("/container_registries", &registries, |registry| &registry.name))?;
    Ok(registries)
}
