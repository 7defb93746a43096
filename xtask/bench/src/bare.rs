//! The least that can run a job of this plane: claim, spawn, send the output, report.
//!
//! It has no job directory, no job process, no retry, and loses everything when it dies. It stands beside the runner as the
//! peer without promises: the difference is what they cost.

use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wire::{
    Claim, ClaimRequest, FrameHeader, Heartbeat, Job, JobStatus, KindInfo, LogStream, LogSummary, LossPolicy, PROTOCOL,
    StatusReport, Timestamp, paths,
};

use crate::programs::command;
use crate::system::Identity;

/// One slot.
#[derive(Clone)]
pub(crate) struct BareRunner {
    http: reqwest::Client,
    origin: String,
    id: String,
    token: String,
}

impl BareRunner {
    /// Says that it lives and that it runs programs.
    pub(crate) async fn connect(origin: String, who: &Identity) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let runner = Self { http, origin, id: who.id.clone(), token: who.token.clone() };
        let kind = KindInfo {
            kind: "program".to_owned(),
            summary: String::new(),
            schema: Value::Bool(true),
            loss: LossPolicy::Requeue,
            timeout_s: 3600,
            grace_s: 30,
            tools: Vec::new(),
            exclusive: None,
        };
        let beat = Heartbeat { protocol: Some(PROTOCOL), kinds: Some(vec![kind]), ..Heartbeat::default() };
        runner.send(runner.http.post(runner.url(paths::HEARTBEAT)).json(&beat)).await?;
        Ok(runner)
    }

    /// Runs jobs until it is dropped.
    pub(crate) async fn serve(self) -> anyhow::Result<()> {
        loop {
            let ask = ClaimRequest { wait_s: 60, free_slots: 1, ..ClaimRequest::default() };
            let answer = self.send(self.http.post(self.url(paths::CLAIM)).json(&ask)).await?;
            if let Some(job) = answer.json::<Claim>().await?.job {
                self.run(&job).await?;
            }
        }
    }

    async fn run(&self, job: &Job) -> anyhow::Result<()> {
        let program = job.config_snapshot["program"].as_str().context("no program")?.to_owned();
        let args: Vec<String> = serde_json::from_value(job.config_snapshot["args"].clone())?;
        let output = tokio::task::spawn_blocking(move || {
            command(program.as_ref()).args(args).stdout(Stdio::piped()).spawn()?.wait_with_output()
        });
        let output = output.await??;
        let attempt = job.attempt_no().0.to_string();
        if !output.stdout.is_empty() {
            let header = FrameHeader::describe(LogStream::Stdout, 0, Timestamp::now(), &output.stdout);
            let url = format!("{}?offset=0", self.url(&paths::job_log(job.id.as_str())));
            let post = self.http.post(url).header("content-type", paths::LOG_FRAMES);
            let frame = [&header.encode()[..], &output.stdout].concat();
            self.send(post.header(paths::JOB_ATTEMPT, &attempt).body(frame)).await?;
        }
        let sha256 = hex::encode(Sha256::digest(&output.stdout));
        let report = StatusReport {
            log: Some(LogSummary { length: output.stdout.len() as u64, sha256, dropped_bytes: 0 }),
            ..StatusReport::of(if output.status.success() { JobStatus::Success } else { JobStatus::Failed })
        };
        let put = self.http.put(self.url(&paths::job_status(job.id.as_str()))).header(paths::JOB_ATTEMPT, &attempt);
        self.send(put.json(&report)).await.map(drop)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let request = request.header(paths::WORKER_ID, &self.id).header(paths::WORKER_TOKEN, &self.token);
        let answer = request.send().await?;
        let (status, path) = (answer.status(), answer.url().path().to_owned());
        if status.is_success() {
            return Ok(answer);
        }
        bail!("{path} answered {status}: {}", answer.text().await.unwrap_or_default())
    }
}
