//! How the program is called, whoever asks for it.

use executor_api::Environment;

use crate::params::{Engine, TerraformParams};

/// What may be said about the program and its calls. All of it was checked before.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which program; whichever the runner has if missing, terraform first.
    pub engine: Option<Engine>,
    /// The versions that will do, as a semver requirement.
    pub version: Option<String>,
    /// Only these resources and what they need.
    pub targets: Vec<String>,
    /// How many resources are worked on at once.
    pub parallelism: Option<u16>,
    /// How long to wait for a lock that another holds, for example `5m`; not at all if missing.
    pub lock_timeout: Option<String>,
    /// More environment for the program.
    pub env: Environment,
}

impl From<&TerraformParams> for Options {
    fn from(params: &TerraformParams) -> Self {
        Self {
            engine: params.engine,
            version: params.version.clone(),
            targets: params.targets.clone(),
            parallelism: params.parallelism,
            lock_timeout: params.lock_timeout.clone(),
            env: params.environment(),
        }
    }
}
