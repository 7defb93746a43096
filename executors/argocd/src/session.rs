//! What Argo CD's program cannot do as it should, asked of the server over HTTP: logging in and adding a repository
//! without the password on a command line, and a rollback that does not wait.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use reqwest::{Certificate, Client, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Credentials, Server};
use crate::failure::{Failure, is_about_certificates};
use crate::output;
use crate::repository::Repository;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Argo CD tries a repository before it answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const LONGEST_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A server, and who we are to it.
pub(crate) struct Session {
    http: Client,
    server: Server,
    token: String,
}

/// How its server says no.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    code: u32,
}

impl Session {
    /// With the token that there is, or a fresh one. The token is masked before anybody can print it.
    pub(crate) async fn open(job: &JobContext, server: &Server, who: Credentials<'_>) -> Result<Self, Failure> {
        let mut session = Self { http: client(server)?, server: server.clone(), token: String::new() };
        session.token = match who {
            Credentials::Token(token) => token.to_owned(),
            Credentials::Password { username, password } => session.log_in(username, password).await?,
        };
        job.mask(&session.token);
        Ok(session)
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    async fn log_in(&self, username: &str, password: &str) -> Result<String, Failure> {
        let request = self.post("api/v1/session", &json!({ "username": username, "password": password }));
        let answer = self.send("login", request).await?;
        match answer["token"].as_str() {
            Some(token) if !token.is_empty() && !token.contains(char::is_control) => Ok(token.to_owned()),
            _ => {
                Err(ExecutorError::Other("/server does not answer as Argo CD does: it gives no token".to_owned())
                    .into())
            }
        }
    }

    pub(crate) async fn upsert_repository(&self, repository: &Repository) -> Result<(), Failure> {
        let request = self.post("api/v1/repositories", &repository.request()).query(&[("upsert", "true")]);
        self.send("repo add", request.bearer_auth(&self.token)).await.map(drop)
    }

    pub(crate) async fn roll_back(&self, name: &str, namespace: &str, id: u64, prune: bool) -> Result<(), Failure> {
        let body = json!({ "id": id, "prune": prune, "appNamespace": namespace });
        let request = self.post(&format!("api/v1/applications/{name}/rollback"), &body);
        self.send("app rollback", request.bearer_auth(&self.token)).await.map(drop)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.server.url)).json(body)
    }

    async fn send(&self, what: &str, request: RequestBuilder) -> Result<Value, Failure> {
        let mut response = request.send().await.map_err(|error| unreachable(what, &error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(what, &error))? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER_BYTES {
                return Err(ExecutorError::Other(format!("the answer to {what:?} has no end")).into());
            }
        }
        if status.is_success() {
            let strange = |error| ExecutorError::Other(format!("/server does not answer as Argo CD does: {error}"));
            return Ok(serde_json::from_slice(&body).map_err(strange)?);
        }
        let Refusal { error, code } = serde_json::from_slice(&body).unwrap_or_default();
        let text = if error.is_empty() { format!("the server answers {status}") } else { error };
        if code == 0 && (status.is_server_error() || status.as_u16() == 429) {
            return Err(Failure::Transient(failed(what, &text)));
        }
        Err(output::sort(code_name(code), &text, |message| failed(what, &message)))
    }
}

fn client(server: &Server) -> Result<Client, ExecutorError> {
    let mut client = Client::builder()
        .user_agent(concat!("alethia-runner/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        .timeout(ANSWER_LIMIT)
        // What is meant for this server goes nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(server.tls.insecure);
    if server.is_local {
        client = client.no_proxy();
    }
    if let Some(text) = &server.tls.ca_certificate {
        let wrong = |error| ExecutorError::invalid("/tls/ca_certificate", format!("this is no certificate: {error}"));
        client = client.tls_certs_merge(Certificate::from_pem_bundle(text.as_bytes()).map_err(wrong)?);
    }
    client.build().map_err(|error| ExecutorError::Other(format!("cannot use HTTPS: {error}")))
}

/// Without the address, which is the payload's, and with all that led to it.
fn unreachable(what: &str, error: &reqwest::Error) -> Failure {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        causes.push(one.to_string());
        cause = one.source();
    }
    let text = causes.join(": ");
    if is_about_certificates(&text) {
        let hint = "give the certificate of the server's authority in `tls.ca_certificate`";
        return Failure::Final(failed(what, &format!("{text}\n{hint}")));
    }
    let hint = "the runner cannot reach /server; is the address right, and Argo CD up?";
    Failure::Transient(failed(what, &format!("{text}\n{hint}")))
}

fn failed(what: &str, text: &str) -> ExecutorError {
    ExecutorError::Unsuccessful(format!("argocd {what} failed: {text}"))
}

/// gRPC's numbers, as far as they mean something here.
fn code_name(code: u32) -> &'static str {
    match code {
        3 => "InvalidArgument",
        4 => "DeadlineExceeded",
        5 => "NotFound",
        6 => "AlreadyExists",
        7 => "PermissionDenied",
        8 => "ResourceExhausted",
        9 => "FailedPrecondition",
        10 => "Aborted",
        11 => "OutOfRange",
        12 => "Unimplemented",
        14 => "Unavailable",
        16 => "Unauthenticated",
        _ => "",
    }
}
