//! The kinds of job of the tests. All run the program `test-tool`, as real kinds run theirs.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use executor_api::{
    Executor, ExecutorError, ExecutorPlugin, Input, Job, JobContext, LossPolicy, Outcome, inventory, params_of,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::steps::Step;

/// The payload of `ledger`: some steps that only look, then the commit point, then the ones that change the world.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LedgerParams {
    /// Where the ledger and the files that steps wait for are.
    folder: PathBuf,
    /// Before the commit point.
    #[serde(default)]
    plan: Vec<Step>,
    /// After it.
    #[serde(default)]
    apply: Vec<Step>,
    /// An archive that is fetched before the start, and not looked at.
    #[serde(default)]
    source: Option<String>,
}

struct Ledger;

#[async_trait]
impl Executor for Ledger {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let LedgerParams { folder, plan, apply, .. } = job.params()?;
        let emitted = plan.iter().map(|step| if let Step::Emit(count) = step { *count } else { 0 }).sum();
        run(job, &folder, 0, "start", plan).await?;
        job.commit_point().await?;
        run(job, &folder, emitted, "apply", apply).await?;
        Ok(Outcome::success().with("applied", true))
    }

    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let LedgerParams { source, .. } = params_of(job)?;
        Ok(source.into_iter().map(Input::Source).collect())
    }
}

/// The payload of `reads-only`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadsOnlyParams {
    /// Where the ledger and the files that steps wait for are.
    folder: PathBuf,
    /// What to do.
    #[serde(default)]
    steps: Vec<Step>,
}

struct ReadsOnly;

#[async_trait]
impl Executor for ReadsOnly {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let ReadsOnlyParams { folder, steps } = job.params()?;
        run(job, &folder, 0, "start", steps).await?;
        Ok(Outcome::success())
    }
}

async fn run(
    job: &JobContext,
    folder: &Path,
    next: u64,
    mark: &str,
    mut steps: Vec<Step>,
) -> Result<(), ExecutorError> {
    steps.insert(0, Step::Mark(mark.to_owned()));
    let own = std::env::current_exe().map_err(ExecutorError::io("cannot find the test's programs"))?;
    let steps = serde_json::to_string(&steps).map_err(|error| ExecutorError::Other(error.to_string()))?;
    let command = job.command(own.with_file_name("test-tool"));
    let finished = job.run(command.arg(folder).arg(next.to_string()).arg(steps)).await?;
    if finished.exit.is_success() {
        return Ok(());
    }
    let (exit, message) = (finished.exit, finished.stderr_tail);
    Err(ExecutorError::ToolFailed { tool: "test-tool".to_owned(), exit, message })
}

/// The payload of `panics`, `blocks` and `probe`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoParams {}

struct Panics;

#[async_trait]
impl Executor for Panics {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let NoParams {} = job.params()?;
        job.log().system("about to panic");
        panic!("this kind always panics");
    }
}

struct Blocks;

/// Waits in a thread for what never comes, as for a lock that somebody holds.
#[async_trait]
impl Executor for Blocks {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let NoParams {} = job.params()?;
        let mut stop = job.stop();
        let forever = tokio::task::spawn_blocking(|| {
            loop {
                std::thread::park();
            }
        });
        job.log().system("waiting in a thread");
        tokio::select! {
            ended = forever => unreachable!("it never ends: {ended:?}"),
            stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
        }
    }
}

struct Probe;

/// The variables of a process, one per line; why not, if they cannot be read.
fn environment_of(pid: &str) -> String {
    match fs::read(format!("/proc/{pid}/environ")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).replace('\0', "\n"),
        Err(error) => error.to_string(),
    }
}

fn parent_of(pid: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().to_owned();
    (parent != "0").then_some(parent)
}

/// Prints all that a job can see of its own and its parents' variables.
#[async_trait]
impl Executor for Probe {
    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let NoParams {} = job.params()?;
        let ancestors = std::iter::successors(Some("self".to_owned()), |pid| parent_of(pid));
        for pid in ancestors {
            job.log().system(format!("process {pid}:\n{}", environment_of(&pid)));
        }
        job.run(job.command(job.tool("env")?)).await?.succeeded("env")?;
        Ok(Outcome::success())
    }
}

inventory::submit! { ExecutorPlugin::new::<LedgerParams>("ledger", &Ledger).summary("Keeps a ledger of what it does") }
inventory::submit! {
    ExecutorPlugin::new::<ReadsOnlyParams>("reads-only", &ReadsOnly).summary("Only reads").loss(LossPolicy::Requeue)
}
inventory::submit! { ExecutorPlugin::new::<NoParams>("panics", &Panics).summary("Panics") }
inventory::submit! { ExecutorPlugin::new::<NoParams>("blocks", &Blocks).summary("Waits in a thread") }
inventory::submit! { ExecutorPlugin::new::<NoParams>("probe", &Probe).summary("Looks for secrets") }
