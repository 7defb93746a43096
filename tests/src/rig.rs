//! One plane, one runner and their user, for tests that look at a job from outside and as JSON.

use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use sse_stream::SseStream;

use crate::client::Client;
use crate::plane::Plane;
use crate::process::{Process, TOO_LONG};
use crate::runner::{Identity, RunnerHome};

/// The three.
pub struct Rig {
    /// The plane.
    pub plane: Plane,
    /// The user.
    pub user: Client,
    /// Where the runner lives.
    pub home: RunnerHome,
    runner: Option<Process>,
}

impl Rig {
    /// A plane, and a runner that has not been started.
    ///
    /// # Panics
    /// If anything fails that should not, as in all of this: a test wants to end.
    pub async fn plane() -> Self {
        Self::with(|home| home).await
    }

    /// The same with changes to where the runner lives.
    pub async fn with(change: impl FnOnce(RunnerHome) -> RunnerHome) -> Self {
        let plane = Plane::start().await;
        let user = plane.client();
        let home = change(RunnerHome::new(&plane.origin, user.register("one").await));
        Self { plane, user, home, runner: None }
    }

    /// The same, started.
    pub async fn started(mut self) -> Self {
        self.start_runner().await;
        self
    }

    /// Starts the runner.
    pub async fn start_runner(&mut self) {
        self.runner = Some(self.home.started().await);
    }

    /// Who the runner is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.home.identity
    }

    /// What the runner has said.
    #[must_use]
    pub fn messages(&self) -> String {
        self.runner.as_ref().map(Process::said).unwrap_or_default()
    }

    /// Asks the runner to leave and waits until it has.
    pub async fn stop_runner(&mut self) {
        let mut runner = self.runner.take().expect("it was started");
        runner.signal(Signal::TERM);
        assert!(runner.ended().await.success());
    }

    /// One call of the user API.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let call = self.user.call(method, path);
        let call = if let Some(body) = body { call.json(body) } else { call };
        let answer = call.send().await.expect("the plane answers");
        (answer.status(), serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
    }

    /// A job.
    pub async fn job(&self, job: &str) -> Value {
        self.call(Method::GET, &wire::paths::job(job), None).await.1
    }

    /// Waits for the job's end.
    pub async fn ended(&self, job: &str) -> Value {
        self.user.ended(job).await;
        self.job(job).await
    }

    /// Asks for a job's end without grace.
    pub async fn force(&self, job: &str) {
        let (status, answer) = self.call(Method::POST, &format!("{}?force=true", wire::paths::cancel(job)), None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// All of a job's log, as text.
    pub async fn log(&self, job: &str) -> String {
        String::from_utf8_lossy(&self.user.log(job).await).into_owned()
    }

    /// Waits for a text in a job's log, which is shown live.
    pub async fn log_has(&self, job: &str, text: &str) {
        let mut log = String::new();
        let follow = async {
            let answer = self.user.call(Method::GET, &wire::paths::job_logs_stream(job)).send().await;
            let mut events = SseStream::from_bytes_stream(answer.expect("the plane answers").bytes_stream());
            while let Some(Ok(event)) = events.next().await {
                if event.event.as_deref() == Some("log") {
                    let entry: Value = serde_json::from_str(&event.data.unwrap_or_default()).expect("an entry");
                    log.push_str(entry["log_chunk"].as_str().unwrap_or_default());
                }
                if log.contains(text) {
                    return true;
                }
            }
            false
        };
        let found = tokio::time::timeout(TOO_LONG, follow).await;
        assert_eq!(found, Ok(true), "{text:?} is not in the log:\n{log}");
    }

    /// The bytes of an artifact.
    pub async fn artifact(&self, job: &str, name: &str) -> Vec<u8> {
        let answer = self.user.call(Method::GET, &wire::paths::artifact(job, name)).send().await;
        let answer = answer.expect("the plane answers");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect("all of it").to_vec()
    }
}
