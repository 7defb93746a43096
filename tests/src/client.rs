//! A user of a plane: what a person, or a program of theirs, does over HTTP.

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sse_stream::SseStream;
use wire::{Job, JobStatus, RegisterAnswer, RunnerInfo, SubmitAnswer};

use crate::process::{TOO_LONG, eventually};
use crate::runner::Identity;

/// A user.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    origin: String,
    token: String,
}

impl Client {
    /// The user of this token.
    ///
    /// # Panics
    /// If something fails that cannot, as in all of this: a test wants to end.
    #[must_use]
    pub fn new(origin: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, origin: origin.to_owned(), token: token.to_owned() }
    }

    /// Any call.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin)).bearer_auth(&self.token)
    }

    /// Any call in a runner's name.
    pub fn call_as(&self, runner: &Identity, method: Method, path: &str) -> RequestBuilder {
        let call = self.http.request(method, format!("{}{path}", self.origin));
        call.header(wire::paths::WORKER_ID, &runner.id).header(wire::paths::WORKER_TOKEN, &runner.token)
    }

    /// Makes a runner known.
    pub async fn register(&self, name: &str) -> Identity {
        let call = self.call(Method::POST, wire::paths::REGISTER).json(&json!({ "name": name }));
        let answer: RegisterAnswer = json_of(call, StatusCode::CREATED).await;
        Identity { id: answer.runner.id.to_string(), token: answer.runner_token }
    }

    /// A runner, as the plane shows it.
    pub async fn runner(&self, id: &str) -> RunnerInfo {
        json_of(self.call(Method::GET, &wire::paths::runner(id)), StatusCode::OK).await
    }

    /// Submits a job; returns its id.
    pub async fn submit(&self, kind: &str, payload: &Value) -> String {
        self.submit_as(&json!({ "job_type": kind, "config_snapshot": payload })).await
    }

    /// The same with all that a submission may say.
    pub async fn submit_as(&self, body: &Value) -> String {
        let call = self.call(Method::POST, wire::paths::JOBS).json(body);
        let answer: SubmitAnswer = json_of(call, StatusCode::CREATED).await;
        answer.job.id.to_string()
    }

    /// A job.
    pub async fn job(&self, id: &str) -> Job {
        json_of(self.call(Method::GET, &wire::paths::job(id)), StatusCode::OK).await
    }

    /// Asks for a job's end.
    pub async fn cancel(&self, id: &str) {
        let _: Value = json_of(self.call(Method::POST, &wire::paths::cancel(id)), StatusCode::OK).await;
    }

    /// All of a job's log.
    pub async fn log(&self, id: &str) -> Bytes {
        let answer = self.call(Method::GET, &wire::paths::job_log(id)).send().await.expect("the plane answers");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect("all of it")
    }

    /// Waits until a job is such.
    pub async fn until(&self, id: &str, what: &str, reached: impl Fn(&Job) -> bool) -> Job {
        eventually(&format!("job {id}: {what}"), async || Some(self.job(id).await).filter(|job| reached(job))).await
    }

    /// Follows a job's log to its end, over restarts of the plane, and returns the job.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(&self, id: &str) -> Job {
        let followed = eventually("the end of a job", async || self.follow(id).await);
        match tokio::time::timeout(TOO_LONG, followed).await {
            Ok(()) => self.job(id).await,
            Err(_) => panic!("a job does not end: {:#?}", self.job(id).await),
        }
    }

    /// None if the stream was cut.
    async fn follow(&self, id: &str) -> Option<()> {
        let answer = self.call(Method::GET, &wire::paths::job_logs_stream(id)).send().await.ok()?;
        let mut events = SseStream::from_bytes_stream(answer.error_for_status().ok()?.bytes_stream());
        while let Some(Ok(event)) = events.next().await {
            if event.event.as_deref() == Some("end") {
                return Some(());
            }
        }
        None
    }

    /// Waits for a job's end, which must be this.
    ///
    /// # Panics
    /// If it is another.
    pub async fn ended_as(&self, id: &str, status: JobStatus) -> Job {
        let job = self.ended(id).await;
        assert_eq!(job.status, status, "{job:#?}");
        job
    }
}

async fn json_of<T: serde::de::DeserializeOwned>(call: RequestBuilder, expected: StatusCode) -> T {
    let answer = call.send().await.expect("the plane answers");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    assert_eq!(status, expected, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
