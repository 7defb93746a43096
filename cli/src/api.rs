//! The control plane as a user's client sees it: one method per thing to ask.

mod artifacts;
mod identities;
mod states;
mod users;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use runner_host::origin;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::{
    DeployRunnerAnswer, DeployRunnerRequest, ErrorBody, Job, JobId, JobList, LogPage, RegisterAnswer, RegisterRequest,
    RunnerInfo, SourceAnswer, SubmitAnswer, SubmitRequest, UpdateRunnerRequest, paths,
};

/// A client with an origin and a token.
pub(crate) struct Api {
    http: Client,
    origin: String,
    token: SecretString,
}

/// Why the control plane did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// It answered, and said no.
    #[error("{}{error}", pointer.as_ref().map(|at| format!("{at}: ")).unwrap_or_default())]
    Refused {
        /// With this status.
        status: StatusCode,
        /// For this reason.
        error: String,
        /// This place of the request.
        pointer: Option<String>,
    },
    /// It does not know us.
    #[error(
        "the control plane at {origin} does not accept the token; set ALETHIA_TOKEN or give --token-file FILE (its \
         first start wrote one to DIR/admin-token)"
    )]
    Unauthorized {
        /// The control plane.
        origin: String,
    },
    /// There was no answer.
    #[error(
        "the control plane at {origin} does not answer{}; is it running? start one with `alethia server`, or name \
         another with --origin or ALETHIA_WEB_ORIGIN",
        proxy.as_ref().map(|proxy| format!(" through {proxy}")).unwrap_or_default()
    )]
    Unreachable {
        /// The control plane.
        origin: String,
        /// Who stands between.
        proxy: Option<String>,
        /// What the network says.
        #[source]
        source: reqwest::Error,
    },
    /// There was an answer that makes no sense.
    #[error("what answers at {origin} does not speak as a control plane does; check --origin or ALETHIA_WEB_ORIGIN")]
    Nonsense {
        /// What we took for a control plane.
        origin: String,
        /// Why it makes no sense.
        #[source]
        source: serde_json::Error,
    },
}

impl ApiError {
    /// As the control plane says it of a job that there is not.
    pub(crate) fn not_found(error: String) -> Self {
        Self::Refused { status: StatusCode::NOT_FOUND, error, pointer: None }
    }

    /// Whether the same call may work a moment later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized { .. } | Self::Nonsense { .. } => false,
        }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobQuery {
    /// Only those with this status.
    pub(crate) status: Option<String>,
    /// Only those of this kind.
    pub(crate) kind: Option<String>,
    /// At most so many.
    pub(crate) limit: u32,
    /// Without so many of the newest.
    pub(crate) offset: u64,
}

/// Why a job stands where it stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Explanation {
    /// One sentence.
    pub(crate) summary: String,
    /// What each runner has to say to a job that waits.
    #[serde(default)]
    pub(crate) runners: Vec<Verdict>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        self.runners.iter().try_for_each(|runner| write!(f, "\n  {}: {}", runner.name, runner.verdict))
    }
}

/// What one runner has to say.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Verdict {
    /// Its name.
    pub(crate) name: String,
    /// Why it has not taken the job.
    pub(crate) verdict: String,
}

impl Api {
    /// A client.
    pub(crate) fn new(origin: String, token: SecretString) -> anyhow::Result<Self> {
        let http = origin::client(&origin).user_agent(concat!("alethia/", env!("CARGO_PKG_VERSION"))).build()?;
        Ok(Self { http, origin, token })
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) async fn submit(&self, request: &SubmitRequest) -> Result<Job, ApiError> {
        let answer: SubmitAnswer = self.json(self.request(Method::POST, paths::JOBS).json(request)).await?;
        Ok(answer.job)
    }

    pub(crate) async fn upload_source(&self, archive: Vec<u8>) -> Result<SourceAnswer, ApiError> {
        let upload = self.request(Method::POST, paths::SOURCES).timeout(Duration::from_secs(600));
        self.json(upload.header(CONTENT_TYPE, "application/gzip").body(archive)).await
    }

    pub(crate) async fn job(&self, id: &JobId) -> Result<Job, ApiError> {
        self.json(self.request(Method::GET, &paths::job(id.as_str()))).await
    }

    pub(crate) async fn jobs(&self, query: &JobQuery) -> Result<JobList, ApiError> {
        let (limit, offset) = (query.limit.to_string(), query.offset.to_string());
        let mut pairs = vec![("limit", limit.as_str()), ("offset", &offset)];
        pairs.extend(query.status.as_deref().map(|status| ("status", status)));
        pairs.extend(query.kind.as_deref().map(|kind| ("kind", kind)));
        self.json(self.request(Method::GET, paths::JOBS).query(&pairs)).await
    }

    pub(crate) async fn cancel(&self, id: &JobId, force: bool) -> Result<Job, ApiError> {
        let path = paths::cancel(id.as_str());
        let answer: SubmitAnswer = self.json(self.request(Method::POST, &path).query(&[("force", force)])).await?;
        Ok(answer.job)
    }

    pub(crate) async fn retry(&self, id: &JobId) -> Result<Job, ApiError> {
        let answer: SubmitAnswer = self.json(self.request(Method::POST, &paths::retry(id.as_str()))).await?;
        Ok(answer.job)
    }

    pub(crate) async fn explain(&self, id: &JobId) -> Result<Value, ApiError> {
        self.json(self.request(Method::GET, &paths::explain(id.as_str()))).await
    }

    pub(crate) async fn register(&self, request: &RegisterRequest) -> Result<RegisterAnswer, ApiError> {
        self.json(self.request(Method::POST, paths::REGISTER).json(request)).await
    }

    pub(crate) async fn deploy_runner(&self, request: &DeployRunnerRequest) -> Result<DeployRunnerAnswer, ApiError> {
        self.json(self.request(Method::POST, paths::DEPLOY_RUNNER).json(request)).await
    }

    pub(crate) async fn update_runner(&self, id: &str, request: &UpdateRunnerRequest) -> Result<Job, ApiError> {
        let answer: SubmitAnswer =
            self.json(self.request(Method::POST, &paths::runner_update(id)).json(request)).await?;
        Ok(answer.job)
    }

    pub(crate) async fn runners(&self) -> Result<Vec<RunnerInfo>, ApiError> {
        #[derive(Deserialize)]
        struct Runners {
            runners: Vec<RunnerInfo>,
        }
        let answer: Runners = self.json(self.request(Method::GET, paths::RUNNERS)).await?;
        Ok(answer.runners)
    }

    pub(crate) async fn drain_runner(&self, id: &str) -> Result<Value, ApiError> {
        self.json(self.request(Method::POST, &paths::runner_drain(id))).await
    }

    pub(crate) async fn remove_runner(&self, id: &str, force: bool) -> Result<Value, ApiError> {
        self.json(self.request(Method::DELETE, &paths::runner(id)).query(&[("force", force)])).await
    }

    pub(crate) async fn rotate_token(&self, id: &str, force: bool) -> Result<RegisterAnswer, ApiError> {
        self.json(self.request(Method::POST, &paths::runner_rotate_token(id)).query(&[("force", force)])).await
    }

    /// A piece of the log, as entries.
    pub(crate) async fn log_page(&self, id: &JobId, after: u64) -> Result<LogPage, ApiError> {
        self.json(self.request(Method::GET, &paths::job_logs(id.as_str())).query(&[("after", after)])).await
    }

    /// The log so far, byte for byte.
    pub(crate) async fn raw_log(&self, id: &JobId) -> Result<Response, ApiError> {
        let answer = self.send(self.endless(&paths::job_log(id.as_str()))).await?;
        self.meant(answer, |headers| is_of(headers, "text/plain"))
    }

    /// The live log from an offset, as server-sent events.
    pub(crate) async fn log_events(
        &self,
        id: &JobId,
        after: u64,
    ) -> Result<impl Stream<Item = reqwest::Result<Bytes>> + use<>, ApiError> {
        let request = self.endless(&paths::job_logs_stream(id.as_str())).header(ACCEPT, "text/event-stream");
        let answer = self.send(request.header("last-event-id", after)).await?;
        Ok(self.meant(answer, |headers| is_of(headers, "text/event-stream"))?.bytes_stream())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.begin(method, path).timeout(Duration::from_secs(30))
    }

    /// For what takes as long as it takes.
    fn endless(&self, path: &str) -> RequestBuilder {
        self.begin(Method::GET, path)
    }

    fn begin(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin)).bearer_auth(self.token.expose_secret())
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&body).map_err(|source| self.nonsense(source))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(ApiError::Unauthorized { origin: self.origin.clone() });
        }
        let body: Option<ErrorBody> = response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let ErrorBody { error, pointer } = body.unwrap_or_else(|| ErrorBody {
            error: format!("what answers at {} says {status}", self.origin),
            pointer: None,
        });
        Err(ApiError::Refused { status, error, pointer })
    }

    /// An answer that says what it is, where its bytes would not: a portal on the way answers everything with a page.
    fn meant(&self, answer: Response, is_meant: impl FnOnce(&HeaderMap) -> bool) -> Result<Response, ApiError> {
        if is_meant(answer.headers()) {
            return Ok(answer);
        }
        Err(self.nonsense(serde::de::Error::custom("something else came than was asked for")))
    }

    /// An answer that cannot be read.
    pub(crate) fn nonsense(&self, source: serde_json::Error) -> ApiError {
        ApiError::Nonsense { origin: self.origin.clone(), source }
    }

    fn unreachable(&self, source: reqwest::Error) -> ApiError {
        ApiError::Unreachable { origin: self.origin.clone(), proxy: origin::proxy(&self.origin), source }
    }
}

/// Whether it is of this media type, whatever its parameters.
fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|said| said.starts_with(media_type))
}
