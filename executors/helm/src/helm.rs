//! The program: finding it, what it is always called with, and what may be asked of it.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{Command, Environment, ExecutorError, Finished, JobContext};
use semver::{Version, VersionReq};
use serde::de::DeserializeOwned;

use crate::HELM;
use crate::diagnostics;
use crate::release::Release;
use crate::retry::{Failure, patiently};

/// A look at a release must be answered within this time, once the job is to stop.
const LOOK_LIMIT: Duration = Duration::from_secs(30);

/// What the runner's operator may tell helm. The rest of `HELM_*` says which cluster, which files, which plugins: that
/// is the job's.
const OPERATORS: [&str; 5] =
    ["HELM_DRIVER", "HELM_DRIVER_SQL_CONNECTION_STRING", "HELM_MAX_HISTORY", "HELM_BURST_LIMIT", "HELM_QPS"];

/// Helm on one cluster, with folders of the job's own.
pub struct Helm<'a> {
    pub(crate) job: &'a JobContext,
    program: PathBuf,
    cluster: ClusterAccess,
    env: Environment,
}

/// Whether a request to stop ends a command, or it belongs to putting things in order after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Working,
    Settling,
}

impl<'a> Helm<'a> {
    /// Finds the program: the runner's usual one, else one of its installed versions that we can use.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find(job: &'a JobContext, cluster: &ClusterAccess) -> Result<Self, ExecutorError> {
        Self::find_version(job, cluster, None).await
    }

    /// As [`Self::find`], of a version that is wanted, for example `>=3.18`.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find_version(
        job: &'a JobContext,
        cluster: &ClusterAccess,
        wanted: Option<&str>,
    ) -> Result<Self, ExecutorError> {
        let home = job.paths().home.join("helm");
        let mut env = Environment::default();
        // Without plugins nothing but helm itself runs, whatever a chart or an address asks for.
        env.set("HELM_NO_PLUGINS", "1");
        for (name, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("HELM_PLUGINS", "plugins"),
            // Where helm looks for credentials besides its own file.
            ("DOCKER_CONFIG", "docker"),
        ] {
            let folder = home.join(folder);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(ExecutorError::io("cannot make helm's folders"))?;
            env.set(name, folder);
        }
        let mut found = Self { job, program: job.tool(HELM.name)?, cluster: cluster.clone(), env };
        // A program with other flags would do something else than we mean.
        let ask = found.bare_command(&["version"]).arg("--template={{.Version}}");
        let wanted = wanted.map(version_req).transpose()?;
        found.program = job.fitting_program(&HELM, wanted.as_ref(), ask, version_in).await?;
        Ok(found)
    }

    /// Without a cluster: for what needs none.
    pub(crate) fn bare_command(&self, verb: &[&str]) -> Command {
        let mut command = self.job.command(&self.program).args(verb.iter().copied());
        let strange = |name: &str| name.starts_with("HELM_") && !OPERATORS.contains(&name);
        let names: Vec<_> = command.env.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
        for name in names.iter().filter(|name| strange(name)) {
            command.env.remove(name);
        }
        for (name, value) in self.env.iter() {
            command.env.set(name, value);
        }
        command
    }

    /// On the job's cluster. What follows `--` is never an option: see [`names`].
    pub(crate) fn command(&self, verb: &[&str], release: &Release) -> Command {
        let command = self.bare_command(verb).arg(self.cluster.flag());
        self.cluster.point(command).arg(format!("--namespace={}", release.namespace()))
    }

    /// Runs a command that only reads, up to three times, and parses what it prints. That does not reach the log.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        when: When,
        verb: &str,
        command: Command,
    ) -> Result<T, ExecutorError> {
        let finished = patiently(self.job, async || {
            let finished = match when {
                When::Working => self.job.capture(command.clone()).await,
                When::Settling => self.job.clean_up_capture(command.clone(), LOOK_LIMIT).await,
            };
            let finished = finished.map_err(Failure::Final)?;
            if finished.exit.is_success() { Ok(finished) } else { Err(failure(verb, &finished)) }
        })
        .await?;
        serde_json::from_slice(&finished.stdout).map_err(|error| {
            ExecutorError::Other(format!(
                "`helm {verb}` does not answer as helm does: {error}; is it the real program?"
            ))
        })
    }
}

/// What helm says of its version, with or without what it was built from.
#[must_use]
pub fn version_in(said: &str) -> Option<Version> {
    said.strip_prefix('v')?.parse().ok()
}

/// The versions of helm that a payload wants.
pub(crate) fn version_req(text: &str) -> Result<VersionReq, ExecutorError> {
    VersionReq::parse(text)
        .map_err(|error| ExecutorError::invalid("/helm_version", format!("{error}; give for example `>=3.18`")))
}

/// The end of a command line: names that cannot be taken for options.
pub(crate) fn names<N: Into<OsString>>(command: Command, names: impl IntoIterator<Item = N>) -> Command {
    command.arg("--").args(names)
}

/// `--flag=file`.
pub(crate) fn with_file(command: Command, flag: &str, file: &Path) -> Command {
    let mut arg = OsString::from(format!("--{flag}="));
    arg.push(file);
    command.arg(arg)
}

pub(crate) fn seconds(timeout: Duration) -> String {
    format!("--timeout={}s", timeout.as_secs())
}

/// What helm said, and whether to try again.
pub(crate) fn failure(verb: &str, finished: &Finished) -> Failure {
    let said = &finished.stderr_tail;
    let error = ExecutorError::ToolFailed {
        tool: format!("helm {verb}"),
        exit: finished.exit.clone(),
        message: diagnostics::explain(said),
    };
    if diagnostics::is_transient(said) { Failure::Transient(error) } else { Failure::Final(error) }
}
