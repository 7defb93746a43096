//! A runner as a process, and what outlives it: who it is, its state directory, the jobs that it started.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::process::{Process, program, variable};

/// Who a runner is at its plane.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The plane's name for it.
    pub id: String,
    /// What it proves that with.
    pub token: String,
}

/// Where and as whom runners are started, one after another. Jobs that are still running end with this value.
pub struct RunnerHome {
    /// Who they are.
    pub identity: Identity,
    origin: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    state: PathBuf,
    _folder: TempDir,
}

impl RunnerHome {
    /// An empty one, for a plane (or a proxy before it).
    ///
    /// # Panics
    /// If there is no room.
    #[must_use]
    pub fn new(origin: &str, identity: Identity) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        Self { identity, origin: origin.to_owned(), args: vec![], env: vec![], state, _folder: folder }
    }

    /// Runners get this flag, too.
    #[must_use]
    pub fn with_args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Runners get this variable, too.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Another state directory than a fresh one.
    #[must_use]
    pub fn with_state_dir(mut self, state: &Path) -> Self {
        self.state = state.to_owned();
        self
    }

    /// The state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The directories of jobs that are there now.
    #[must_use]
    pub fn job_dirs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state.join("jobs")).into_iter().flatten().flatten();
        // A runner that waits for a job has its directory ready.
        let is_next = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"next-");
        entries.filter(|entry| !is_next(entry)).map(|entry| entry.path()).collect()
    }

    /// Starts a runner.
    #[must_use]
    pub fn start(&self) -> Process {
        self.run("start", &self.args)
    }

    /// Starts a check of what a runner needs.
    #[must_use]
    pub fn doctor(&self) -> Process {
        self.run("doctor", &[])
    }

    fn run(&self, verb: &str, args: &[String]) -> Process {
        let mut env = vec![
            ("PATH".to_owned(), variable("PATH").unwrap_or_default()),
            ("ALETHIA_WEB_ORIGIN".to_owned(), self.origin.clone()),
            ("ALETHIA_WORKER_ID".to_owned(), self.identity.id.clone()),
            ("ALETHIA_WORKER_TOKEN".to_owned(), self.identity.token.clone()),
            ("ALETHIA_STATE_DIR".to_owned(), self.state.display().to_string()),
        ];
        env.extend(self.env.iter().cloned());
        let args: Vec<_> = std::iter::once(verb.to_owned()).chain(args.iter().cloned()).collect();
        Process::start(&program("test-runner"), &args, &env)
    }

    /// Starts a runner and waits until it takes jobs.
    pub async fn started(&self) -> Process {
        let runner = self.start();
        runner.until_said("ready for jobs").await;
        runner
    }
}

impl Drop for RunnerHome {
    fn drop(&mut self) {
        let state = self.state.display().to_string();
        let mut left: Vec<i32> =
            processes().into_iter().filter(|(pid, _)| is_job_in(*pid, &state)).map(|p| p.0).collect();
        let mut next = 0;
        while let Some(&parent) = left.get(next) {
            left.extend(processes().into_iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
            next += 1;
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// A job process names its directory in its command line.
fn is_job_in(pid: i32, state: &str) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    words.contains("__job") && words.contains(state)
}

/// All processes and their parents.
fn processes() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat[stat.rfind(')')? + 1..].split_whitespace().nth(1)?.parse().ok()
    };
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}
