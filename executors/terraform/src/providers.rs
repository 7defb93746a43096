//! Where `init` gets the providers from: the operator's mirror, a cache that jobs share, or the registry.

use std::fs;
use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, JobContext};
use rustix::fs::{FlockOperation, flock};

use crate::files;

/// Where providers come from.
pub(crate) enum Providers {
    /// From the operator's folder and from nowhere else: the file that says so to the program. Jobs only read the
    /// folder, so any number of them may at once.
    Mirror(PathBuf),
    /// From the registry, by way of a folder that jobs share.
    Cache(PathBuf),
    /// From the registry.
    Registry,
}

/// A turn at the cache. Ends with the guard, and with the process.
pub(crate) struct Turn(#[expect(dead_code, reason = "held, and never read")] fs::File);

impl Providers {
    pub(crate) fn of(job: &JobContext) -> Result<Self, ExecutorError> {
        let settings = job.settings();
        match (&settings.provider_mirror, &settings.cache_dir) {
            (Some(mirror), _) => Ok(Self::Mirror(write_config(job, mirror)?)),
            (None, Some(cache)) => Ok(Self::Cache(cache.join("providers"))),
            (None, None) => Ok(Self::Registry),
        }
    }

    /// The command with what it has to know.
    pub(crate) fn told(&self, command: Command) -> Command {
        match self {
            Self::Mirror(config) => command.env("TF_CLI_CONFIG_FILE", config),
            Self::Cache(cache) => command.env("TF_PLUGIN_CACHE_DIR", cache),
            Self::Registry => command,
        }
    }

    /// Inits in parallel damage a cache that they share, so one at a time.
    pub(crate) async fn turn(&self, job: &JobContext) -> Result<Option<Turn>, ExecutorError> {
        let Self::Cache(cache) = self else { return Ok(None) };
        let cache = cache.clone();
        let waited = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&cache)?;
            let file = fs::File::create(cache.join(".lock"))?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        });
        let mut stop = job.stop();
        tokio::select! {
            waited = waited => {
                let waited = waited.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                waited.map(|file| Some(Turn(file))).map_err(ExecutorError::io("cannot use the cache of providers"))
            }
            stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
        }
    }
}

/// A method of installation that is not named is none: `direct` is left out, so nothing is asked of a registry.
fn write_config(job: &JobContext, mirror: &Path) -> Result<PathBuf, ExecutorError> {
    if !mirror.is_dir() {
        let remedy = "the runner's operator sets ALETHIA_PROVIDER_MIRROR to a folder of providers";
        return Err(ExecutorError::Other(format!("the provider mirror {} is no folder; {remedy}", mirror.display())));
    }
    let path = files::quoted(&mirror.display().to_string());
    let text = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {path}\n  }}\n}}\n");
    let file = job.paths().temp.join("terraform.tfrc");
    files::write_private(&file, &text).map_err(ExecutorError::io("cannot write where providers come from"))?;
    Ok(file)
}
