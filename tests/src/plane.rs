//! A plane as a process, on a folder and a port that outlive it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use control_plane::Timings;
use tempfile::TempDir;

use crate::client::Client;
use crate::process::{Process, program};

/// A plane.
pub struct Plane {
    /// Scheme, host and port; the same after a restart.
    pub origin: String,
    /// What it is started with besides folder and port.
    args: Vec<String>,
    // The process goes before its folder.
    process: Process,
    folder: TempDir,
}

impl Plane {
    /// On an empty folder and a free port.
    pub async fn start() -> Self {
        Self::start_with(Timings::default()).await
    }

    /// The same, less patient.
    ///
    /// # Panics
    /// If it does not start, as in all of this: a test wants to end.
    pub async fn start_with(timings: Timings) -> Self {
        Self::start_as(in_words(&timings)).await
    }

    /// One that the world knows as `public_url`, and that therefore vouches for jobs.
    pub async fn start_public(public_url: &str) -> Self {
        Self::start_as(vec![format!("public_url={public_url}")]).await
    }

    async fn start_as(args: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let process = start(&folder, "0", &args);
        let origin = address(&process).await;
        Self { origin, args, process, folder }
    }

    /// Timings with which a lost runner is noticed within a second.
    #[must_use]
    pub fn hasty() -> Timings {
        Timings {
            online: Duration::from_secs(2),
            lease: Duration::from_millis(700),
            silence: Duration::from_millis(1500),
            unacknowledged: Duration::from_millis(700),
            reap_every: Duration::from_millis(50),
            claim_wait: Duration::from_secs(60),
        }
    }

    /// Kills it as a power cut would.
    pub async fn kill9(&mut self) {
        self.process.kill9().await;
    }

    /// Starts it again, on the same folder and port.
    pub async fn restart(&mut self) {
        let port = self.origin.rsplit(':').next().unwrap_or_default().to_owned();
        self.process = start(&self.folder, &port, &self.args);
        assert_eq!(address(&self.process).await, self.origin);
    }

    /// Its first user.
    ///
    /// # Panics
    /// If it has not written down the user's token.
    #[must_use]
    pub fn client(&self) -> Client {
        let token = fs::read_to_string(self.data_dir().join("admin-token")).expect("the first start wrote it");
        Client::new(&self.origin, token.trim())
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn start(folder: &TempDir, port: &str, args: &[String]) -> Process {
    let data = folder.path().join("data").display().to_string();
    let args: Vec<_> = [data, port.to_owned()].into_iter().chain(args.iter().cloned()).collect();
    Process::start(&program("test-plane"), &args, &[])
}

fn in_words(timings: &Timings) -> Vec<String> {
    let Timings { online, lease, silence, unacknowledged, reap_every, claim_wait } = timings;
    let timings = [
        ("online", online),
        ("lease", lease),
        ("silence", silence),
        ("unacknowledged", unacknowledged),
        ("reap_every", reap_every),
        ("claim_wait", claim_wait),
    ];
    timings.map(|(name, time)| format!("{name}={}", time.as_millis())).into()
}

async fn address(process: &Process) -> String {
    let said = process.until_said("http://").await;
    said.lines().find(|line| line.starts_with("http://")).expect("the line is whole").to_owned()
}
