//! The processes under test: each in a group of its own, heard line by line, and gone with its value.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

pub use executor_api::testing::{aws_provider, find, infracost, missing, moto, tool, variable};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Longer than anything here takes, on a machine that has much else to do: a million lines have taken a minute.
pub const TOO_LONG: Duration = Duration::from_secs(300);

/// A process of the test's own.
pub struct Process {
    child: Child,
    pid: Pid,
    name: String,
    said: watch::Receiver<String>,
}

impl Process {
    /// Starts a program with exactly these variables.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(program: &Path, args: &[String], env: &[(String, String)]) -> Self {
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it was just started");
        let name = format!("{}[{}]", program.file_name().unwrap_or_default().display(), pid.as_raw_nonzero());
        let (heard, said) = watch::channel(String::new());
        listen(name.clone(), child.stdout.take(), heard.clone());
        listen(name.clone(), child.stderr.take(), heard);
        Self { child, pid, name, said }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the process itself, not to its group.
    ///
    /// # Panics
    /// If it has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        assert!(self.child.id().is_some(), "{} has ended", self.name);
        kill_process(self.pid, signal).expect("it is ours");
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub async fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn ended(&mut self) -> ExitStatus {
        match tokio::time::timeout(TOO_LONG, self.child.wait()).await {
            Ok(status) => status.expect("it is ours"),
            Err(_) => panic!("{} does not end; it said:\n{}", self.name, self.said()),
        }
    }

    /// All that it has said so far, on both streams.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Waits until it has said this, and returns all that it has said.
    ///
    /// # Panics
    /// If it ends before that, or does not say it.
    pub async fn until_said(&self, text: &str) -> String {
        self.until_said_times(text, 1).await
    }

    /// Waits until it has said this so often, and returns all that it has said.
    ///
    /// # Panics
    /// If it ends before that, or does not say it.
    pub async fn until_said_times(&self, text: &str, times: usize) -> String {
        let mut said = self.said.clone();
        let waited = tokio::time::timeout(TOO_LONG, said.wait_for(|said| said.matches(text).count() >= times)).await;
        match waited {
            Ok(Ok(said)) => said.clone(),
            Ok(Err(_)) => panic!("{} ended before it said {text:?}:\n{}", self.name, self.said()),
            Err(_) => panic!("{} does not say {text:?}; it said:\n{}", self.name, self.said()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once it was waited for, the number may be another's.
        if self.child.id().is_some() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

/// What it says is also part of what a failed test prints.
fn listen(name: String, stream: Option<impl AsyncRead + Unpin + Send + 'static>, heard: watch::Sender<String>) {
    let Some(stream) = stream else { return };
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            println!("{name}: {line}");
            heard.send_modify(|said| {
                said.push_str(&line);
                said.push('\n');
            });
        }
    });
}

/// A program of this package: Cargo puts them beside the folder of its tests.
///
/// # Panics
/// If this is no test.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    test.parent().and_then(Path::parent).expect("a target folder").join(name)
}

/// Waits for a condition that nobody announces.
///
/// # Panics
/// If it does not come true.
pub async fn eventually<T, W: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> W) -> T {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let found = async {
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(TOO_LONG, found).await.unwrap_or_else(|_| panic!("{what}: that never came"))
}
