//! What a user's client does, as far as the benchmark needs it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sse_stream::SseStream;
use wire::{
    CloudIdentity, ConnectAnswer, ConnectRequest, InitAnswer, Job, JobList, LogEntry, RegisterAnswer, RegisterRequest,
    RunnerInfo, SubmitAnswer, SubmitRequest, paths,
};

use crate::clock;

/// A user of a plane.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    origin: String,
    token: String,
}

/// A job that has ended, and when each piece of its log came in.
pub(crate) struct Followed {
    /// Each piece with the [`clock::now_ns`] of its arrival.
    pub(crate) pieces: Vec<(String, i64)>,
    /// When the stream said that the job is over.
    pub(crate) ended_ns: i64,
}

impl Followed {
    /// All text.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(text, _)| text.as_str()).collect()
    }
}

impl Client {
    pub(crate) fn new(origin: String, token: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { http, origin, token })
    }

    /// The time of one request that the plane answers without work, in milliseconds.
    pub(crate) async fn round_trip(&self) -> anyhow::Result<f64> {
        let begun = clock::now_ns();
        self.http.get(format!("{}/healthz", self.origin)).send().await?.error_for_status()?.bytes().await?;
        Ok(clock::ms_since(begun))
    }

    pub(crate) async fn register(&self, name: &str) -> anyhow::Result<RegisterAnswer> {
        let body = RegisterRequest { name: name.to_owned(), ..RegisterRequest::default() };
        self.json(self.http.post(self.url(paths::REGISTER)).json(&body)).await
    }

    pub(crate) async fn runner(&self, id: &str) -> anyhow::Result<RunnerInfo> {
        let answer: Value = self.json(self.http.get(self.url(&paths::runner(id)))).await?;
        // Some answers wrap what they show.
        let info = answer.get("runner").unwrap_or(&answer).clone();
        Ok(serde_json::from_value(info)?)
    }

    pub(crate) async fn submit(&self, job_type: &str, config_snapshot: Value) -> anyhow::Result<Job> {
        let body = SubmitRequest { job_type: job_type.to_owned(), config_snapshot, ..SubmitRequest::default() };
        let answer: SubmitAnswer = self.json(self.http.post(self.url(paths::JOBS)).json(&body)).await?;
        Ok(answer.job)
    }

    /// A job that runs one of the benchmark's programs.
    pub(crate) async fn submit_program(&self, program: &std::path::Path, args: &[&str]) -> anyhow::Result<Job> {
        self.submit("program", json!({"program": program, "args": args})).await
    }

    /// The same under an identity.
    pub(crate) async fn submit_program_as(
        &self,
        program: &std::path::Path,
        args: &[&str],
        identity: &str,
    ) -> anyhow::Result<Job> {
        self.submit_as("program", json!({"program": program, "args": args}), identity).await
    }

    pub(crate) async fn submit_as(
        &self,
        job_type: &str,
        config_snapshot: Value,
        identity: &str,
    ) -> anyhow::Result<Job> {
        let body = SubmitRequest {
            job_type: job_type.to_owned(),
            config_snapshot,
            cloud_identity_id: Some(identity.to_owned()),
            ..SubmitRequest::default()
        };
        let answer: SubmitAnswer = self.json(self.http.post(self.url(paths::JOBS)).json(&body)).await?;
        Ok(answer.job)
    }

    /// An identity that is a role at AWS and has passed its connection test.
    pub(crate) async fn connect_role(&self, role_arn: &str) -> anyhow::Result<String> {
        let init = self.http.post(self.url(&paths::provider("aws", "init"))).json(&json!({}));
        let InitAnswer { identity_id, .. } = self.json(init).await?;
        let credentials = CloudIdentity { role_arn: role_arn.to_owned(), ..CloudIdentity::default() };
        let connect = self.http.post(self.url(&paths::provider("aws", "connect")));
        let connect = connect.json(&ConnectRequest { identity_id, credentials });
        let ConnectAnswer { identity_id, job_id, .. } = self.json(connect).await?;
        self.wait_for_end(&self.job(job_id.as_str()).await?).await?;
        Ok(identity_id)
    }

    pub(crate) async fn list(&self, query: &str) -> anyhow::Result<JobList> {
        self.json(self.http.get(format!("{}?{query}", self.url(paths::JOBS)))).await
    }

    pub(crate) async fn job(&self, id: &str) -> anyhow::Result<Job> {
        let answer: Value = self.json(self.http.get(self.url(&paths::job(id)))).await?;
        Ok(serde_json::from_value(answer.get("job").unwrap_or(&answer).clone())?)
    }

    /// Reads the live log to its end, and sees to it that the job succeeded.
    pub(crate) async fn follow(&self, job: &Job) -> anyhow::Result<Followed> {
        let id = job.id.as_str();
        let request = self.http.get(self.url(&paths::job_logs_stream(id))).bearer_auth(&self.token);
        let answer = request.send().await?.error_for_status()?;
        let mut events = SseStream::from_bytes_stream(answer.bytes_stream());
        let mut pieces = Vec::new();
        while let Some(event) = events.next().await {
            let (event, now_ns) = (event?, clock::now_ns());
            let data = event.data.unwrap_or_default();
            match event.event.as_deref() {
                Some("log") => pieces.push((serde_json::from_str::<LogEntry>(&data)?.log_chunk, now_ns)),
                Some("end") => {
                    let followed = Followed { pieces, ended_ns: now_ns };
                    ensure!(data.contains("SUCCESS"), "job {id} ended with {data}: {}", followed.text());
                    return Ok(followed);
                }
                _ => {}
            }
        }
        bail!("the live log of {id} broke off")
    }

    /// Waits for a job whose log does not matter; the text does not pass this process.
    pub(crate) async fn wait_for_end(&self, job: &Job) -> anyhow::Result<Job> {
        loop {
            let job = self.job(job.id.as_str()).await?;
            if job.status.is_terminal() {
                ensure!(job.status.as_str() == "SUCCESS", "job {} ended badly: {:?}", job.id, job.error_message);
                return Ok(job);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Length and SHA-256 of the stored log.
    pub(crate) async fn log_digest(&self, job: &Job) -> anyhow::Result<(u64, String)> {
        let request = self.http.get(self.url(&paths::job_log(job.id.as_str()))).bearer_auth(&self.token);
        let mut stream = request.send().await?.error_for_status()?.bytes_stream();
        let (mut digest, mut length) = (Sha256::new(), 0);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes?;
            length += bytes.len() as u64;
            digest.update(&bytes);
        }
        Ok((length, hex::encode(digest.finalize())))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    async fn json<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let answer = request.bearer_auth(&self.token).send().await?;
        let (status, url) = (answer.status(), answer.url().path().to_owned());
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{url} answered {status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).with_context(|| format!("{url} answered {}", String::from_utf8_lossy(&body)))
    }
}
