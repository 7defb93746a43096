//! The program: finding it, what it is always called with, and what may be asked of it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{Command, Environment, ExecutorError, Finished, JobContext};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::HELM;
use crate::diagnostics;
use crate::fetch::FetchedChart;
use crate::release::Release;
use crate::retry::{Failure, patiently};

/// `version` must answer within this time.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// So must every look at a release, once the job is to stop.
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

/// An upgrade, or an install where there is no release yet.
#[derive(Debug)]
pub struct UpgradeOptions<'c> {
    /// Which release.
    pub release: Release,
    /// What to install.
    pub chart: &'c FetchedChart,
    /// Objects with the chart's values; a later one wins.
    pub values: Vec<Value>,
    /// Return when all is ready.
    pub wait: bool,
    /// Wait, and undo it if it fails.
    pub atomic: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
    /// Make the namespace if it is missing.
    pub create_namespace: bool,
    /// Mend a release that a dead attempt of this job left pending.
    pub recover_pending: bool,
}

impl<'c> UpgradeOptions<'c> {
    /// Without values, without waiting, with helm's five minutes.
    #[must_use]
    pub fn new(release: Release, chart: &'c FetchedChart) -> Self {
        Self {
            release,
            chart,
            values: Vec::new(),
            wait: false,
            atomic: false,
            timeout: Duration::from_secs(300),
            create_namespace: false,
            recover_pending: true,
        }
    }
}

/// Going back.
#[derive(Clone, Debug)]
pub struct RollbackOptions {
    /// Which release.
    pub release: Release,
    /// Where to; the last revision before the current one that was deployed if missing.
    pub revision: Option<u32>,
    /// Return when all is ready.
    pub wait: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
    /// Bring it into a known state if it is cut off.
    pub recover_pending: bool,
}

/// Taking away.
#[derive(Clone, Debug)]
pub struct UninstallOptions {
    /// Which release.
    pub release: Release,
    /// Keep its history, so that it can be rolled back to.
    pub keep_history: bool,
    /// Return when all is gone.
    pub wait: bool,
    /// How long helm waits for any one thing.
    pub timeout: Duration,
}

/// Whether a request to stop ends a command, or it belongs to putting things in order after one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Working,
    Settling,
}

impl<'a> Helm<'a> {
    /// Finds the program and asks for its version.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find(job: &'a JobContext, cluster: &ClusterAccess) -> Result<Self, ExecutorError> {
        let program = job.tool(HELM.name)?;
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
        let found = Self { job, program, cluster: cluster.clone(), env };
        found.check_version().await?;
        Ok(found)
    }

    /// A program with other flags would do something else than we mean.
    async fn check_version(&self) -> Result<(), ExecutorError> {
        let missing = |why: String| Err(ExecutorError::ToolMissing(why));
        let asked = self.job.capture(self.bare_command(&["version"]).arg("--template={{.Version}}"));
        let Ok(answer) = tokio::time::timeout(VERSION_LIMIT, asked).await else {
            return missing("`helm version` did not answer within 10 s; is it the real program?".to_owned());
        };
        let answer = answer?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let version = semver::Version::parse(text.trim().trim_start_matches('v'));
        let (true, Ok(version)) = (answer.exit.is_success(), version) else {
            return missing("`helm version` does not answer as helm does; is it the real program?".to_owned());
        };
        let wanted = semver::VersionReq::parse(HELM.versions).expect("the range is a constant");
        // A pre-release fits where its release would.
        if wanted.matches(&semver::Version::new(version.major, version.minor, version.patch)) {
            return Ok(());
        }
        missing(format!("the runner has helm {version}, needed is {}; install another there", HELM.versions))
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
        let command = self.bare_command(verb).arg(format!("--namespace={}", release.namespace()));
        self.cluster.point(command)
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

/// The end of a command line: names that cannot be taken for options.
pub(crate) fn names<'n>(command: Command, names: impl IntoIterator<Item = &'n str>) -> Command {
    command.arg("--").args(names)
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
