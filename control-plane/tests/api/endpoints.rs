//! All that a runner can ask of a job: one list for every test of who may. A new route belongs here.

use std::fmt;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wire::{FrameHeader, LogStream, SECRET_MEDIA_TYPE, Timestamp, paths};

use crate::plane::Runner;

/// What the runner may read that holds the job.
const READS: [&str; 10] = [
    "/api/jobs/{id}",
    "/api/cli/jobs/{id}",
    "/api/jobs/{id}/logs",
    "/api/cli/jobs/{id}/logs",
    "/api/jobs/{id}/logs/stream",
    "/api/jobs/{id}/log",
    "/api/jobs/{id}/artifacts",
    "/api/jobs/{id}/artifacts/x",
    "/api/jobs/{id}/artifacts/terraform.plan.out",
    "/api/jobs/{id}/plan-artifact",
];

/// What only a person may do.
const OF_PEOPLE: [(Method, &str); 5] = [
    (Method::GET, "/api/jobs/{id}/artifacts/hidden"),
    (Method::GET, "/api/jobs/{id}/explain"),
    (Method::POST, "/api/jobs/{id}/cancel"),
    (Method::POST, "/api/cli/jobs/{id}/cancel"),
    (Method::POST, "/api/jobs/{id}/retry"),
];

/// What only the runner may do that holds the job.
pub(crate) struct Write {
    method: Method,
    path: String,
    media_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Write {
    pub(crate) fn by(&self, runner: &Runner) -> RequestBuilder {
        let call = runner.call(self.method.clone(), &self.path).header("content-type", self.media_type);
        call.header(paths::JOB_ATTEMPT, 1).body(self.body.clone())
    }

    /// What it is sent with, beside who sends it.
    pub(crate) fn headers(&self) -> String {
        format!("content-type: {}\r\n{}: 1\r\n", self.media_type, paths::JOB_ATTEMPT)
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Each of them, with a body that is taken from who may. The last one ends the job.
pub(crate) fn writes(job: &str) -> Vec<Write> {
    const JSON: &str = "application/json";
    let frame = FrameHeader::describe(LogStream::Stdout, 0, Timestamp::now(), b"x\n");
    let frame = [&frame.encode()[..], b"x\n"].concat();
    let write = |method: Method, path: &str, media_type, body| {
        let path = format!("/api/jobs/{job}{path}");
        Write { method, path, media_type, body }
    };
    let text = |body: Value| body.to_string().into_bytes();
    vec![
        write(Method::POST, "/log?offset=0", paths::LOG_FRAMES, frame),
        write(Method::POST, "/logs", JSON, text(json!({ "log_chunk": "x\n" }))),
        write(Method::PUT, "/artifacts/x", "text/plain", b"x".to_vec()),
        write(Method::PUT, "/artifacts/hidden", SECRET_MEDIA_TYPE, b"secret".to_vec()),
        write(Method::POST, "/plan-artifact", "application/octet-stream", b"x".to_vec()),
        write(Method::POST, "/git-token", JSON, text(json!({}))),
        write(Method::POST, "/oidc-token", JSON, text(json!({ "audience": "a" }))),
        write(Method::PUT, "/status", JSON, text(json!({ "status": "PROCESSING" }))),
        write(Method::PUT, "/status", JSON, text(json!({ "status": "PROCESSING", "phase": "committed" }))),
        write(Method::PUT, "/status", JSON, text(json!({ "status": "SUCCESS" }))),
    ]
}

/// Asks all of it as a runner, in this order: what it may write that holds the job, what it may read then, and what it may not.
/// The end of the job comes last.
pub(crate) async fn ask_all(runner: &Runner, job: &str) -> Asked {
    let status = async |call: RequestBuilder| call.send().await.unwrap().status();
    let mut writes = writes(job);
    let end = writes.pop().expect("the last one ends the job");
    let mut asked = Asked { writes: vec![], reads: vec![], of_people: vec![], end: StatusCode::OK };
    for write in writes {
        asked.writes.push((write.to_string(), status(write.by(runner)).await));
    }
    let reads = READS.map(|path| (Method::GET, path));
    for (answers, calls) in [(&mut asked.reads, &reads[..]), (&mut asked.of_people, &OF_PEOPLE[..])] {
        for (method, path) in calls {
            let path = path.replace("{id}", job);
            answers.push((format!("{method} {path}"), status(runner.call(method.clone(), &path)).await));
        }
    }
    asked.end = status(end.by(runner)).await;
    asked
}

/// What was answered to each.
pub(crate) struct Asked {
    pub(crate) writes: Vec<(String, StatusCode)>,
    pub(crate) reads: Vec<(String, StatusCode)>,
    pub(crate) of_people: Vec<(String, StatusCode)>,
    pub(crate) end: StatusCode,
}

impl Asked {
    /// Nothing of it was allowed.
    pub(crate) fn is_refused(&self, case: &str) {
        assert!(self.end.is_client_error(), "{case}: its end: {}", self.end);
        for (name, status) in self.writes.iter().chain(&self.reads).chain(&self.of_people) {
            assert!(status.is_client_error(), "{case}: {name}: {status}");
        }
    }

    /// All of it was allowed that may be.
    pub(crate) fn is_allowed(&self, case: &str) {
        assert_eq!(self.end, StatusCode::OK, "{case}: its end");
        for (name, status) in self.writes.iter().chain(&self.reads) {
            assert!(status.is_success(), "{case}: {name}: {status}");
        }
        for (name, status) in &self.of_people {
            assert_eq!(*status, StatusCode::UNAUTHORIZED, "{case}: {name}");
        }
    }
}
