//! A client that knows only the seed's contract, in either of its dialects. Nothing here comes from `wire`: it is
//! written from the contract alone.

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::seed_plane::SeedDialect;

/// One runner as the seed has it: a handful of calls, no attempts, no offsets, no events.
pub struct SeedClient {
    http: Client,
    origin: String,
    dialect: SeedDialect,
    id: String,
    token: String,
}

impl SeedClient {
    /// A registered runner's client.
    ///
    /// # Panics
    /// If there is no TLS, as in all of this: a test wants to end.
    #[must_use]
    pub fn new(origin: &str, dialect: SeedDialect, id: &str, token: &str) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { http, origin: origin.to_owned(), dialect, id: id.to_owned(), token: token.to_owned() }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let [id, token] = self.dialect.headers();
        self.http.request(method, format!("{}/api{path}", self.origin)).header(id, &self.id).header(token, &self.token)
    }

    /// A call that carries JSON or nothing, and what came back.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let call = self.call(method, path).header("content-type", "application/json");
        let call = if let Some(body) = body { call.body(body.to_string()) } else { call };
        read(call.send().await.expect("the plane answers")).await
    }

    /// Says that the runner lives.
    pub async fn heartbeat(&self, body: &Value) -> (StatusCode, Value) {
        self.send(Method::POST, &format!("/{}/heartbeat", self.dialect.family()), Some(body)).await
    }

    /// The next job, if there is one now.
    pub async fn claim(&self) -> Option<Value> {
        let (status, answer) = self.send(Method::POST, "/jobs/claim", None).await;
        assert!(status == StatusCode::OK || status == StatusCode::NO_CONTENT, "{status}: {answer}");
        Some(answer["job"].clone()).filter(|job| !job.is_null())
    }

    /// Reports a status.
    pub async fn report(&self, job: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::PUT, &format!("/jobs/{job}/status"), Some(body)).await
    }

    /// Sends a piece of log; without a stream it is standard output.
    pub async fn log(&self, job: &str, chunk: &str, stream: Option<&str>) -> (StatusCode, Value) {
        let mut body = json!({ "log_chunk": chunk });
        if let Some(stream) = stream {
            body["stream_type"] = json!(stream);
        }
        self.send(Method::POST, &format!("/jobs/{job}/logs"), Some(&body)).await
    }

    /// The log entries after an id.
    pub async fn logs(&self, job: &str, after: u64) -> Vec<Value> {
        let (status, answer) = self.send(Method::GET, &format!("/jobs/{job}/logs?after={after}"), None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["logs"].as_array().cloned().expect("a list of logs")
    }

    /// Keeps a plan.
    pub async fn put_plan(&self, job: &str, plan: &'static [u8]) -> (StatusCode, Value) {
        let call = self.call(Method::POST, &format!("/jobs/{job}/plan-artifact"));
        let call = call.header("content-type", "application/octet-stream").body(plan);
        read(call.send().await.expect("the plane answers")).await
    }

    /// A plan that was kept, its content type, and how a browser would save it.
    pub async fn plan(&self, job: &str) -> (StatusCode, [String; 2], Vec<u8>) {
        let call = self.call(Method::GET, &format!("/jobs/{job}/plan-artifact"));
        let answer = call.send().await.expect("the plane answers");
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let headers = [header("content-type").to_owned(), header("content-disposition").to_owned()];
        (answer.status(), headers, answer.bytes().await.expect("the plan").to_vec())
    }

    /// A job as the plane has it.
    pub async fn job(&self, job: &str) -> Value {
        let (status, answer) = self.send(Method::GET, &format!("/jobs/{job}"), None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
}

async fn read(answer: Response) -> (StatusCode, Value) {
    (answer.status(), serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
}
