//! The program: finding it, and what it is always called with.

use std::path::PathBuf;
use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{Command, ExecutorError, Finished, JobContext, is_label};
use serde_json::Value;

use crate::diagnostics;
use crate::version;

/// A single request that takes longer than this is not going to be answered.
const REQUEST_LIMIT: &str = "--request-timeout=60s";
/// A look at where things stand, once the job is to stop.
pub(crate) const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Kubectl on one cluster.
pub struct Kubectl<'a> {
    pub(crate) job: &'a JobContext,
    pub(crate) access: ClusterAccess,
    program: PathBuf,
    namespace: Option<String>,
}

/// What went wrong, and what is known of what was done by then.
#[derive(Debug)]
pub struct Interrupted<T> {
    /// What went wrong.
    pub error: ExecutorError,
    /// What was done.
    pub known: T,
}

impl<T> From<Interrupted<T>> for ExecutorError {
    fn from(interrupted: Interrupted<T>) -> Self {
        interrupted.error
    }
}

impl<'a> Kubectl<'a> {
    /// Finds the program.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub fn find(job: &'a JobContext, access: &ClusterAccess) -> Result<Self, ExecutorError> {
        let program = job.tool(crate::KUBECTL.name)?;
        Ok(Self { job, access: access.clone(), program, namespace: None })
    }

    /// As [`Self::find`], of a version that is wanted, for example `>=1.31`.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find_version(
        job: &'a JobContext,
        access: &ClusterAccess,
        wanted: Option<&str>,
    ) -> Result<Self, ExecutorError> {
        let mut found = Self::find(job, access)?;
        if let Some(wanted) = wanted {
            found.program = version::choose(job, &found.program, wanted).await?;
        }
        Ok(found)
    }

    /// Works in this namespace from now on; without it, in that of the kubeconfig.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/namespace` if it is no name of one.
    pub fn in_namespace(mut self, namespace: &str) -> Result<Self, ExecutorError> {
        if !is_label(namespace) {
            let error = "a namespace has 1 to 63 lower-case letters, digits and '-', and begins and ends with a letter or \
                         a digit";
            return Err(ExecutorError::invalid("/namespace", error));
        }
        self.namespace = Some(namespace.to_owned());
        Ok(self)
    }

    /// As this, in another namespace.
    ///
    /// # Errors
    /// As [`Self::in_namespace`].
    pub fn within(&self, namespace: &str) -> Result<Self, ExecutorError> {
        self.at(None).in_namespace(namespace)
    }

    /// As this, in a namespace that the cluster itself, or a manifest, has named.
    pub(crate) fn at(&self, namespace: Option<&str>) -> Self {
        let Self { job, access, program, .. } = self;
        let namespace = namespace.filter(|namespace| is_label(namespace)).map(str::to_owned);
        let namespace = namespace.or_else(|| self.namespace.clone());
        Self { job, access: access.clone(), program: program.clone(), namespace }
    }

    /// Where objects are that do not say it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().or(self.access.namespace()).unwrap_or("default")
    }

    /// A command of kubectl, for what this wrapper does not do itself. The verb comes first: kubectl would take an unknown
    /// first word for the name of a plugin. What follows must never be an option of somebody else's.
    #[must_use]
    pub fn command(&self, verb: &[&str]) -> Command {
        let command = self.job.command(&self.program).args(verb.iter().copied()).arg(self.access.flag());
        let mut cache = std::ffi::OsString::from("--cache-dir=");
        cache.push(self.job.paths().home.join("kubectl-cache"));
        let command = command.arg(cache).args(self.namespace.iter().map(|name| format!("--namespace={name}")));
        // Preferences of whoever runs the runner: they may add options and aliases.
        let mut command = command.env("KUBECTL_KUBERC", "false").env("KUBERC", "off");
        for name in ["KUBECTL_EXTERNAL_DIFF", "KUBECTL_APPLYSET", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"] {
            command.env.remove(name);
        }
        self.access.point(command)
    }

    /// As [`Self::command`], for verbs that only ask and answer: a watch would be cut off.
    #[must_use]
    pub fn request(&self, verb: &[&str]) -> Command {
        self.command(verb).arg(REQUEST_LIMIT)
    }

    /// `get` of something as JSON, as it is.
    pub(crate) async fn objects(&self, command: Command) -> Result<Vec<Value>, ExecutorError> {
        let finished = self.job.capture(command).await?;
        self.succeeded("get", &finished)?;
        read(&finished.stdout)
    }

    /// As [`Self::objects`], after a stop or a failure. None if it cannot be had.
    pub(crate) async fn objects_after(&self, command: Command) -> Option<Vec<Value>> {
        let finished = self.job.clean_up_capture(command, LOOK_LIMIT).await.ok()?;
        read(&finished.stdout).ok()
    }

    pub(crate) fn succeeded(&self, verb: &str, finished: &Finished) -> Result<(), ExecutorError> {
        if finished.exit.is_success() { Ok(()) } else { Err(self.failure(verb, finished)) }
    }

    pub(crate) fn failure(&self, verb: &str, finished: &Finished) -> ExecutorError {
        let message = diagnostics::explain(&finished.stderr_tail, self.access.server());
        self.failed_with(verb, finished, message)
    }

    pub(crate) fn failed_with(&self, verb: &str, finished: &Finished, message: String) -> ExecutorError {
        ExecutorError::ToolFailed { tool: format!("kubectl {verb}"), exit: finished.exit.clone(), message }
    }
}

/// One object, a list of them, or nothing.
pub(crate) fn read(stdout: &[u8]) -> Result<Vec<Value>, ExecutorError> {
    if stdout.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let odd = || ExecutorError::Other("kubectl did not answer as kubectl does; is it the real program?".to_owned());
    let mut answer: Value = serde_json::from_slice(stdout).map_err(|_| odd())?;
    if !answer["kind"].is_string() {
        return Err(odd());
    }
    let is_list = answer["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => Ok(items),
        _ => Ok(vec![answer]),
    }
}
