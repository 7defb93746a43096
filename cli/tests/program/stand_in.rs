//! A stand-in for a runner at a cloud: it claims connection tests and what else it is hired for, and ends them as the test wants. The real one needs
//! the cloud.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use system_tests::process::eventually;
use wire::{Claim, Job, JobId};

use crate::desk::Desk;

pub(crate) struct StandIn {
    http: Client,
    origin: String,
    id: String,
    token: String,
    kinds: Vec<String>,
}

impl StandIn {
    /// Registered with the program, and known for `CONNECTION_TEST`.
    pub(crate) async fn hire(desk: &Desk) -> Self {
        Self::hire_for(desk, &["CONNECTION_TEST"]).await
    }

    /// Registered with the program, and known for these kinds, whose payloads may be anything but for a secret token.
    pub(crate) async fn hire_for(desk: &Desk, kinds: &[&str]) -> Self {
        let registered = desk.document(&["runner", "register", "--name", "stand-in"]).await;
        let variable = |name: &str| registered["variables"][name].as_str().unwrap().to_owned();
        let stand_in = Self {
            http: Client::builder().no_proxy().build().unwrap(),
            origin: variable("ALETHIA_WEB_ORIGIN"),
            id: variable("ALETHIA_WORKER_ID"),
            token: variable("ALETHIA_WORKER_TOKEN"),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let schema = json!({ "properties": { "runner_token": { "writeOnly": true } } });
        let kind = |kind| {
            json!({ "kind": kind, "summary": "a stand-in", "schema": schema, "loss": "requeue",
                                  "timeout_s": 60, "grace_s": 1 })
        };
        let kinds: Vec<_> = kinds.iter().map(kind).collect();
        let heartbeat = json!({ "worker_id": stand_in.id, "status": "ONLINE", "kinds": kinds });
        stand_in.call(Method::POST, "/api/workers/heartbeat", &heartbeat).await;
        stand_in
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.origin));
        request.header("X-Worker-ID", &self.id).header("X-Worker-Token", &self.token)
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.request(method, path).json(body).send().await.unwrap();
        let (status, answer) = (answer.status(), answer.json().await.unwrap());
        assert!(status.is_success(), "{path}: {status}: {answer}");
        answer
    }

    /// Waits for a job.
    pub(crate) async fn claim(&self) -> Job {
        let claimed = eventually("a job", async || {
            let body = json!({ "request_id": JobId::generate(), "wait_s": 5, "kinds": self.kinds });
            let claim: Claim = serde_json::from_value(self.call(Method::POST, "/api/jobs/claim", &body).await).unwrap();
            claim.job
        });
        claimed.await
    }

    /// Ends a job, after a line of log.
    pub(crate) async fn end(&self, job: &Job, line: &str, report: &Value) {
        let log = json!({ "log_chunk": format!("{line}\n"), "stream_type": "SYSTEM" });
        self.call(Method::POST, &wire::paths::job_logs(job.id.as_str()), &log).await;
        self.call(Method::PUT, &wire::paths::job_status(job.id.as_str()), report).await;
    }

    /// The plane's word for a job.
    pub(crate) async fn oidc_token(&self, job: &Job, audience: &str) -> String {
        let path = wire::paths::oidc_token(job.id.as_str());
        let answer = self.call(Method::POST, &path, &json!({ "audience": audience })).await;
        answer["token"].as_str().expect("the plane vouches for it").to_owned()
    }

    /// What the plane says to everybody.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.origin)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }
}
