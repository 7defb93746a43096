//! What the loops of a runner share, and how it comes to be.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use executor_api::ExecutorRegistry;
use tokio::sync::{Notify, watch};
use wire::RunnerStatus;

use crate::client::Client;
use crate::command::{EXIT_CONFIG, EXIT_FAILURE};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::directory_watch::DirectoryWatch;
use crate::held_jobs::HeldJobs;
use crate::job_directory::NextDirectory;
use crate::known_versions::KnownVersions;
use crate::registry::Capabilities;
use crate::state_directory;
use crate::task_protection::TaskProtection;

/// Why a runner ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot work with what it was given; another start will not help.
    #[error("{0}")]
    Config(String),
    /// Something that another start may not meet again.
    #[error("{what}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// The documented exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => EXIT_CONFIG,
            Self::Failed { .. } => EXIT_FAILURE,
        }
    }

    pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Failed { what, source }
    }
}

/// What the loops share.
pub(crate) struct Runner {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) registry: ExecutorRegistry,
    /// The kinds that can run here, with the tools that were found.
    pub(crate) capabilities: Capabilities,
    pub(crate) instance_id: String,
    pub(crate) jobs_dir: PathBuf,
    pub(crate) next_directory: Arc<NextDirectory>,
    pub(crate) directory_watch: DirectoryWatch,
    /// Known after the first heartbeat.
    pub(crate) dialect: watch::Sender<Option<Dialect>>,
    /// Online or draining.
    pub(crate) status: watch::Sender<RunnerStatus>,
    /// The plane wants us to drain.
    pub(crate) plane_drains: Notify,
    /// Something changed that the next heartbeat should not wait for.
    pub(crate) beat_now: Notify,
    pub(crate) held: HeldJobs,
    /// What job processes are told to trust, so that they need not look; known a moment after the start.
    pub(crate) root_bundle: OnceLock<PathBuf>,
    /// Only in a task of ECS.
    pub(crate) task_protection: Option<TaskProtection>,
}

impl Runner {
    /// Whether it takes another job after those that it has.
    pub(crate) fn takes_more(&self) -> bool {
        *self.status.borrow() == RunnerStatus::Online && !self.config.once
    }

    /// While nothing is to do, and nobody waits for it: if it cannot be made now, the job that needs it makes it, and says why
    /// it cannot. Not where the next job may be another organisation's than the one that runs: it could put something there.
    pub(crate) fn make_next_directory(&self) {
        // Nor is a thread woken for nothing.
        if !self.config.job_settings.cloud.is_shared && !self.next_directory.is_made() {
            let next = Arc::clone(&self.next_directory);
            tokio::task::spawn_blocking(move || next.make());
        }
    }
}

pub(crate) async fn prepare(config: Config, registry: ExecutorRegistry, state_dir: &Path) -> Result<Runner, RunError> {
    let client = Client::new(&config.origin, &config.runner_id, &config.token)
        .map_err(|error| RunError::Config(format!("cannot make connections: {}", crate::chain(&error))))?;
    let jobs_dir = state_dir.join("jobs");
    state_directory::make_private(&jobs_dir)?;
    let capabilities =
        Capabilities::probe(&registry, &config.job_settings, &KnownVersions::open(state_dir.join("tools.json"))).await;
    let path = config.job_settings.env.get("PATH").map(String::as_str).unwrap_or_default();
    check_capabilities(&capabilities, path)?;
    let task_protection = config.ecs_agent.as_deref().map(TaskProtection::at).transpose();
    let task_protection = task_protection
        .map_err(|error| RunError::Config(format!("cannot make connections: {}", crate::chain(&error))))?;
    Ok(Runner {
        instance_id: state_directory::instance_id(state_dir)?,
        client,
        registry,
        capabilities,
        next_directory: Arc::new(NextDirectory::below(&jobs_dir)),
        jobs_dir,
        directory_watch: DirectoryWatch::start(),
        dialect: watch::Sender::new(None),
        status: watch::Sender::new(RunnerStatus::Online),
        plane_drains: Notify::new(),
        beat_now: Notify::new(),
        held: HeldJobs::default(),
        root_bundle: OnceLock::new(),
        task_protection,
        config,
    })
}

fn check_capabilities(capabilities: &Capabilities, path: &str) -> Result<(), RunError> {
    let missing: Vec<String> = capabilities.all_missing().map(|(kind, why)| format!("{kind}: {why}")).collect();
    if capabilities.kinds().is_empty() {
        return Err(RunError::Config(format!(
            "no kind of job can run here: {}; the PATH is {path}",
            missing.join("; ")
        )));
    }
    for kind in &missing {
        tracing::warn!("not offered: {kind}");
    }
    if !missing.is_empty() {
        tracing::warn!("the PATH is {path}");
    }
    Ok(())
}
