//! The control plane, as the runner sees it: one method per endpoint, in both dialects.

mod error;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use wire::{
    AppendAnswer, AttemptNo, Claim, ClaimRequest, ErrorBody, GitTokenAnswer, GitTokenRequest, Heartbeat,
    HeartbeatAnswer, Job, JobId, LogAppended, LogPost, OidcTokenAnswer, OidcTokenRequest, ReportAnswer, RunnerId,
    StatusReport, Timestamp, paths,
};

use crate::origin;

pub(crate) use error::{ClientError, Verdict};

const EVENT_STREAM: &str = "text/event-stream";

const REQUEST: Duration = Duration::from_secs(30);
/// Jobs depend on it. On a way that swallows what is sent the next one may be the one that arrives.
const HEARTBEAT: Duration = Duration::from_secs(6);
/// Artifacts may be large; what must not happen is that nothing moves.
const STALLED: Duration = Duration::from_secs(60);
/// The slowest way up on which something is said to move.
const SLOWEST_BYTES_PER_S: u64 = 32 * 1024;
/// A result does not wait longer because somebody asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// For what has another limit.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A connection to the control plane. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    origin: String,
    headers: HeaderMap,
    runner_id: RunnerId,
}

type Answer<T> = Result<T, ClientError>;

impl Client {
    pub(crate) fn new(origin: &str, runner_id: &RunnerId, token: &SecretString) -> Result<Self, reqwest::Error> {
        let http = origin::client(origin).user_agent(concat!("alethia-runner/", env!("CARGO_PKG_VERSION")));
        // Who looks for idle connections to close wakes an idle runner for that; the system sees to it that they live.
        let http = http.pool_idle_timeout(None).build()?;
        let mut headers = HeaderMap::new();
        let id = HeaderValue::from_str(runner_id.as_str());
        let token = HeaderValue::from_str(token.expose_secret()).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        if let (Ok(id), Ok(token)) = (id, token) {
            // Both families: a plane of either dialect finds its own.
            for (name, value) in [
                (paths::WORKER_ID, &id),
                (paths::WORKER_TOKEN, &token),
                (paths::RUNNER_ID, &id),
                (paths::RUNNER_TOKEN, &token),
            ] {
                headers.insert(name, value.clone());
            }
        }
        Ok(Self { http, origin: origin.to_owned(), headers, runner_id: runner_id.clone() })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.origin)).headers(self.headers.clone()).timeout(REQUEST)
    }

    fn write(&self, method: Method, path: &str, attempt: AttemptNo) -> RequestBuilder {
        self.request(method, path).header(paths::JOB_ATTEMPT, attempt.0)
    }

    /// Says that we live. A plane that knows only the later family of routes answers 404 to the first.
    pub(crate) async fn heartbeat(&self, heartbeat: &Heartbeat) -> Answer<HeartbeatAnswer> {
        // With the kinds and their schemas it is large.
        let patience = if heartbeat.kinds.is_some() { REQUEST } else { HEARTBEAT };
        let call = |path| self.request(Method::POST, path).timeout(patience).json(heartbeat);
        let first = json(call(paths::HEARTBEAT)).await;
        let answer: HeartbeatAnswer = match first {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => json(call(paths::HEARTBEAT_RUNNERS)).await?,
            answer => answer?,
        };
        if answer.success { Ok(answer) } else { Err(no_success()) }
    }

    /// Asks for a job; protocol 2 where there is a request.
    pub(crate) async fn claim(&self, request: Option<&ClaimRequest>) -> Answer<Claim> {
        let call = self.request(Method::POST, paths::CLAIM);
        let call = match request {
            Some(request) => call.timeout(Duration::from_secs(request.wait_s + 15)).json(request),
            None => call,
        };
        let answer = accepted(send(call).await?).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Claim::default());
        }
        let bytes = bytes(answer).await?;
        // In a claim anything may be left out, so that any page in JSON would be one.
        read::<Given>(&bytes)?;
        read(&bytes)
    }

    /// The stream of orders; to be read until it ends or is silent.
    pub(crate) async fn events(&self) -> Answer<Response> {
        let call = self.request(Method::GET, &paths::runner_events(self.runner_id.as_str()));
        let call = call.timeout(FOR_EVER).header(ACCEPT, EVENT_STREAM);
        let answer = accepted(send(call).await?).await?;
        let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.starts_with(EVENT_STREAM) {
            return Err(ClientError::Nonsense(format!("{media_type:?} in place of events")));
        }
        Ok(answer)
    }

    /// Reports a job. The answer to an end may bring the next one.
    pub(crate) async fn report(&self, job: &JobId, attempt: AttemptNo, report: &StatusReport) -> Answer<Option<Claim>> {
        let said = Bytes::from(serde_json::to_vec(report).expect("names are strings"));
        let call = self.write(Method::PUT, &paths::job_status(job.as_str()), attempt).timeout(REQUEST + moving(&said));
        let answer = send(call.header(CONTENT_TYPE, "application/json").body(said)).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Err(ClientError::LogBehind(body::<LogAppended>(answer).await?.offset));
        }
        acknowledged(answer).await
    }

    pub(crate) async fn append_log(
        &self,
        job: &JobId,
        attempt: AttemptNo,
        offset: u64,
        frames: Bytes,
    ) -> Answer<AppendAnswer> {
        let path = format!("{}?offset={offset}", paths::job_log(job.as_str()));
        let call = self.write(Method::POST, &path, attempt).timeout(REQUEST + moving(&frames));
        let answer = send(call.header(CONTENT_TYPE, paths::LOG_FRAMES).body(frames)).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(AppendAnswer::Wanted(body::<LogAppended>(answer).await?.offset));
        }
        Ok(AppendAnswer::Durable(body::<LogAppended>(accepted(answer).await?).await?.offset))
    }

    pub(crate) async fn post_log(&self, job: &JobId, attempt: AttemptNo, post: &LogPost) -> Answer<()> {
        let call = self.write(Method::POST, &paths::job_logs(job.as_str()), attempt).json(post);
        acknowledged(send(call).await?).await.map(drop)
    }

    pub(crate) async fn put_artifact(&self, job: &JobId, attempt: AttemptNo, artifact: Upload<'_>) -> Answer<()> {
        let path = paths::artifact(job.as_str(), artifact.name);
        let call = self.write(Method::PUT, &path, attempt).timeout(STALLED + moving(&artifact.bytes));
        let call = call.header(CONTENT_TYPE, artifact.media_type).header(paths::CONTENT_SHA256, artifact.sha256);
        let stored: Stored = json(call.body(artifact.bytes)).await?;
        if stored.sha256 != artifact.sha256 {
            return Err(ClientError::Nonsense(format!("it has stored {}, which was not sent", stored.sha256)));
        }
        Ok(())
    }

    pub(crate) async fn post_plan(&self, job: &JobId, attempt: AttemptNo, bytes: Bytes) -> Answer<()> {
        let path = paths::plan_artifact(job.as_str());
        let call = self.write(Method::POST, &path, attempt).timeout(STALLED + moving(&bytes));
        let call = call.header(CONTENT_TYPE, "application/octet-stream").body(bytes);
        json::<StoredPlan>(call).await.map(drop)
    }

    pub(crate) async fn job(&self, job: &JobId) -> Answer<Job> {
        json(self.request(Method::GET, &paths::job(job.as_str()))).await
    }

    /// The bytes of an artifact, and the digest that the plane names. The seed's plane knows only plans.
    pub(crate) async fn artifact(&self, job: &JobId, name: &str) -> Answer<(Bytes, Option<String>)> {
        match self.download(&paths::artifact(job.as_str(), name)).await {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) && name == paths::PLAN_ARTIFACT => {
                self.download(&paths::plan_artifact(job.as_str())).await
            }
            answer => answer,
        }
    }

    pub(crate) async fn source(&self, id: &str) -> Answer<Bytes> {
        Ok(self.download(&paths::source(id)).await?.0)
    }

    async fn download(&self, path: &str) -> Answer<(Bytes, Option<String>)> {
        let answer = async { accepted(send(self.request(Method::GET, path).timeout(FOR_EVER)).await?).await };
        let answer = timeout(STALLED, answer).await.map_err(|_| ClientError::Stalled)??;
        let digest =
            answer.headers().get(paths::CONTENT_SHA256).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok((as_it_comes(answer).await?, digest))
    }

    /// None if there is none for this host. A token that the plane does not name a host for may be another host's, and
    /// is not used: the one that a payload names would be sent it.
    pub(crate) async fn git_token(&self, job: &JobId, attempt: AttemptNo, host: &str) -> Answer<Option<SecretString>> {
        let request = GitTokenRequest { host: Some(host.to_owned()) };
        let call = self.write(Method::POST, &paths::git_token(job.as_str()), attempt).json(&request);
        let answer: GitTokenAnswer = json(call).await?;
        let is_for_it = answer.host.as_deref() == Some(host);
        Ok(answer.token.filter(|_| is_for_it).map(SecretString::from))
    }

    /// None if the plane vouches for nobody, or says that it does not know how.
    pub(crate) async fn oidc_token(
        &self,
        job: &JobId,
        attempt: AttemptNo,
        audience: &str,
    ) -> Answer<Option<OidcToken>> {
        let request = OidcTokenRequest { audience: audience.to_owned() };
        let call = self.write(Method::POST, &paths::oidc_token(job.as_str()), attempt).json(&request);
        let answer = match accepted(send(call).await?).await {
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => return Ok(None),
            answer => answer?,
        };
        let now = date(&answer);
        let OidcTokenAnswer { token, expires_at } = body(answer).await?;
        let life = expires_at.map(|until| life(now, until));
        Ok(token.map(|token| OidcToken { token: token.into(), life }))
    }
}

/// The plane's word for who a job is.
pub(crate) struct OidcToken {
    pub(crate) token: SecretString,
    /// How long it is good from now on, if the plane says so.
    pub(crate) life: Option<Duration>,
}

/// From one answer's clock to the same clock: ours may be wrong.
fn life(now: Timestamp, until: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(until.as_micros() - now.as_micros()).unwrap_or_default())
}

/// What time it is where an answer comes from.
fn date(answer: &Response) -> Timestamp {
    let said = answer.headers().get(DATE).and_then(|value| DateTime::parse_from_rfc2822(value.to_str().ok()?).ok());
    said.map_or_else(Timestamp::now, |said| Timestamp::from_micros(said.with_timezone(&Utc).timestamp_micros()))
}

/// An artifact on its way.
pub(crate) struct Upload<'a> {
    pub(crate) name: &'a str,
    pub(crate) media_type: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) bytes: Bytes,
}

/// What the plane says of an artifact that it has.
#[derive(Deserialize)]
struct Stored {
    sha256: String,
}

/// The same in the seed's contract.
#[derive(Deserialize)]
struct StoredPlan {
    #[serde(rename = "key")]
    _key: String,
}

/// How long so many bytes may be on their way up.
fn moving(bytes: &Bytes) -> Duration {
    Duration::from_secs(bytes.len() as u64 / SLOWEST_BYTES_PER_S)
}

async fn send(call: RequestBuilder) -> Answer<Response> {
    call.send().await.map_err(|error| ClientError::Unreachable(error.without_url()))
}

async fn json<T: DeserializeOwned>(call: RequestBuilder) -> Answer<T> {
    body(accepted(send(call).await?).await?).await
}

async fn accepted(answer: Response) -> Answer<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let pause = pause(&answer);
    let text = answer.text().await.unwrap_or_default();
    let shorten = |text: &str| text.chars().take(500).collect();
    // Planes of either dialect say no in this form, and in no other.
    Err(match serde_json::from_str::<ErrorBody>(&text) {
        Ok(body) => ClientError::Refused { status, text: shorten(&body.error), pause },
        Err(_) => ClientError::Stranger { status, text: shorten(&text), pause },
    })
}

/// How long who is busy asks to be left alone, in seconds. A date would be by another's clock.
fn pause(answer: &Response) -> Duration {
    let is_busy = matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let said = answer.headers().get(RETRY_AFTER).filter(|_| is_busy).and_then(|said| said.to_str().ok()?.parse().ok());
    Duration::from_secs(said.unwrap_or_default()).min(LONGEST_PAUSE)
}

/// Not every 200 is a yes: what stands between us and the plane may answer with a page of its own.
async fn acknowledged(answer: Response) -> Answer<Option<Claim>> {
    let said: ReportAnswer = body(accepted(answer).await?).await?;
    if said.success { Ok(said.claim) } else { Err(no_success()) }
}

fn no_success() -> ClientError {
    ClientError::Nonsense("200 without success".to_owned())
}

/// What the answer to a claim must have, be it null.
#[derive(Deserialize)]
struct Given {
    #[serde(rename = "job")]
    _job: IgnoredAny,
}

async fn body<T: DeserializeOwned>(answer: Response) -> Answer<T> {
    read(&bytes(answer).await?)
}

async fn bytes(answer: Response) -> Answer<Bytes> {
    answer.bytes().await.map_err(|error| ClientError::Unreachable(error.without_url()))
}

/// However long it takes, as long as something comes.
async fn as_it_comes(answer: Response) -> Answer<Bytes> {
    let mut pieces = pin!(answer.bytes_stream().timeout(STALLED));
    let mut bytes = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| ClientError::Stalled)?;
        bytes.extend_from_slice(&piece.map_err(|error| ClientError::Unreachable(error.without_url()))?);
    }
    Ok(bytes.freeze())
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    serde_json::from_slice(bytes).map_err(|error| ClientError::Nonsense(error.to_string()))
}
