//! Argo CD's program: finding one that we can use, and the environment that it gets.

use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, JobContext};
use semver::VersionReq;

use crate::ARGOCD;

/// The program, with a folder of the job's own for its settings.
pub(crate) struct Program<'a> {
    job: &'a JobContext,
    program: PathBuf,
    config: PathBuf,
}

impl<'a> Program<'a> {
    /// The runner's usual one, else one of its installed versions that we can use and that is `wanted`.
    pub(crate) async fn find(job: &'a JobContext, config: &Path, wanted: Option<&str>) -> Result<Self, ExecutorError> {
        let program = job.tool(ARGOCD.name)?;
        let mut found = Self { job, program, config: config.to_owned() };
        // A program with other flags would do something else than we mean.
        let wanted = wanted.map(version_req).transpose()?;
        let ask = found.command(ARGOCD.version_args);
        let read = |said: &str| said.strip_prefix("argocd: v")?.parse().ok();
        found.program = job.fitting_program(&ARGOCD, wanted.as_ref(), ask, read).await?;
        Ok(found)
    }

    /// The settings of others are not ours: neither their options nor their folders nor their clusters.
    pub(crate) fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.job.command(&self.program).args(verb.iter().copied());
        let names: Vec<_> = command.env.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
        for name in names.iter().filter(|name| name.starts_with("ARGOCD_") || *name == "KUBECONFIG") {
            command.env.remove(name);
        }
        command.env("ARGOCD_CONFIG_DIR", &self.config)
    }
}

pub(crate) fn version_req(text: &str) -> Result<VersionReq, ExecutorError> {
    VersionReq::parse(text)
        .map_err(|error| ExecutorError::invalid("/argocd_version", format!("{error}; give for example `>=3.1`")))
}
