//! Where `init` gets the providers from: the operator's mirror, a cache that jobs share, or the registry.

use std::io;
use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, JobContext};

use crate::{files, provider_cache};

/// Where providers come from.
pub(crate) enum Providers {
    /// From the operator's folder and from nowhere else: the file that says so to the program. Jobs only read the
    /// folder, so any number of them may at once.
    Mirror(PathBuf),
    /// From the registry; what a stack's lock file names, from a folder that jobs share.
    Cache(PathBuf),
    /// From the registry.
    Registry,
}

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
            Self::Cache(_) | Self::Registry => command,
        }
    }

    /// Before `init` in a stack's folder: brings what the cache has for it.
    pub(crate) async fn bring(&self, stack: &Path) -> Result<(), ExecutorError> {
        let brought = self.with_cache(stack, provider_cache::bring).await;
        brought.map_err(ExecutorError::io("cannot use the cache of providers"))
    }

    /// After it: keeps what it has fetched. Where that fails the next job fetches it again.
    pub(crate) async fn keep(&self, job: &JobContext, stack: &Path) {
        if let Err(error) = self.with_cache(stack, provider_cache::keep).await {
            job.log().system(format!("the cache cannot keep the providers: {error}"));
        }
    }

    async fn with_cache(&self, stack: &Path, work: fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
        let Self::Cache(cache) = self else { return Ok(()) };
        let (cache, stack) = (cache.clone(), stack.to_owned());
        tokio::task::spawn_blocking(move || work(&cache, &stack)).await.map_err(io::Error::other)?
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
