//! Who is calling, and what they may do: the one place where headers become people and runners.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;
use wire::{AttemptNo, JobId, JobStatus, RunnerMode, paths};

use crate::access::{Access, JobWrite, Progress, Refusal, SecretReaders, StateUser, User};
use crate::artifacts::Digest;
use crate::directory::{Directory, Runner};
use crate::error::PlaneError;
use crate::plane::Plane;
use crate::queue::{Queue, Row};
use crate::state::Actor;

/// The runner that calls. A handler that takes this cannot forget to ask.
pub(crate) struct AuthenticatedRunner(pub(crate) Runner);

/// The runner that calls about the jobs that it holds. It may have been registered again since it was given them: its token of
/// before is good for them until they have ended.
pub(crate) struct WorkingRunner(pub(crate) Runner);

/// The user that calls.
pub(crate) struct AuthenticatedUser(pub(crate) User);

/// Somebody who runs the plane.
pub(crate) struct PlatformUser(pub(crate) User);

/// A runner that asks for itself, or somebody who runs the plane and asks for all.
pub(crate) enum RunnerOrPlatform {
    Runner(Box<Runner>),
    Platform,
}

/// The attempt that a runner's write belongs to.
pub(crate) struct Attempt(pub(crate) AttemptNo);

impl FromRequestParts<Plane> for AuthenticatedRunner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Plane) -> Result<Self, Refusal> {
        runner(&plane.directory, &parts.headers).map(Self)
    }
}

impl FromRequestParts<Plane> for WorkingRunner {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Plane) -> Result<Self, Refusal> {
        working_runner(&plane.queue, &plane.directory, &parts.headers).await.map(Self)
    }
}

impl FromRequestParts<Plane> for AuthenticatedUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Plane) -> Result<Self, Refusal> {
        user(&plane.directory, &parts.headers).map(Self)
    }
}

impl FromRequestParts<Plane> for PlatformUser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Plane) -> Result<Self, Refusal> {
        let user = user(&plane.directory, &parts.headers)?;
        let refused = || Refusal::new(StatusCode::FORBIDDEN, "only who runs the control plane may do that");
        if user.is_platform { Ok(Self(user)) } else { Err(refused()) }
    }
}

impl FromRequestParts<Plane> for RunnerOrPlatform {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, plane: &Plane) -> Result<Self, Refusal> {
        if claims_to_be_runner(&parts.headers) {
            return runner(&plane.directory, &parts.headers).map(|runner| Self::Runner(Box::new(runner)));
        }
        PlatformUser::from_request_parts(parts, plane).await.map(|_| Self::Platform)
    }
}

impl FromRequestParts<Plane> for Attempt {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Plane) -> Result<Self, Refusal> {
        attempt(&parts.headers).map(Self)
    }
}

fn text<'a>(headers: &'a HeaderMap, names: [&str; 2]) -> Option<&'a str> {
    names.iter().find_map(|name| headers.get(*name)).and_then(|value| value.to_str().ok())
}

pub(crate) fn claims_to_be_runner(headers: &HeaderMap) -> bool {
    [paths::WORKER_TOKEN, paths::RUNNER_TOKEN].iter().any(|name| headers.contains_key(*name))
}

fn named_runner(headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
    (text(headers, [paths::WORKER_ID, paths::RUNNER_ID]), text(headers, [paths::WORKER_TOKEN, paths::RUNNER_TOKEN]))
}

async fn working_runner(queue: &Queue, directory: &Directory, headers: &HeaderMap) -> Result<Runner, Refusal> {
    if let (Some(id), Some(token)) = named_runner(headers)
        && let Some((runner, jobs)) = directory.runner_by_earlier_token(id, token)
    {
        for job in jobs {
            if queue.holding(&runner, &job).await?.is_held_by(&runner.id) {
                return Ok(runner);
            }
        }
    }
    runner(directory, headers)
}

fn runner(directory: &Directory, headers: &HeaderMap) -> Result<Runner, Refusal> {
    let (id, token) = named_runner(headers);
    // One text for all of it: which half was wrong is nobody's business.
    id.zip(token).and_then(|(id, token)| directory.runner_by_token(id, token)).ok_or_else(|| {
        // What is no runner's id may be its token, in the wrong header.
        let known = id.and_then(|id| directory.runner(&id.parse().ok()?)).map(|runner| runner.id.to_string());
        tracing::warn!(runner.id = known, "refused a runner: unknown, or with a wrong token");
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "unknown runner or wrong token; register the runner or give it its new token",
        )
    })
}

fn user(directory: &Directory, headers: &HeaderMap) -> Result<User, Refusal> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.and_then(|token| directory.user_by_token(token)).ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "missing or unknown token; send a user's token as `Authorization: Bearer`",
        )
    })
}

fn attempt(headers: &HeaderMap) -> Result<AttemptNo, Refusal> {
    let Some(value) = headers.get(paths::JOB_ATTEMPT) else { return Ok(AttemptNo::FIRST) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{} must be a whole number from 1", paths::JOB_ATTEMPT))
    })
}

/// The rules, for the routes over files.
pub(crate) struct Gate {
    pub(crate) queue: Queue,
    pub(crate) directory: Directory,
    pub(crate) secret_readers: SecretReaders,
}

impl Gate {
    pub(crate) fn shared(queue: Queue, directory: Directory, secret_readers: SecretReaders) -> Arc<dyn Access> {
        Arc::new(Self { queue, directory, secret_readers })
    }

    async fn holds_a_job_naming(&self, runner: &Runner, digest: &Digest) -> Result<Option<String>, PlaneError> {
        for held in self.queue.held_by(&runner.id).await? {
            let row = self.queue.get(&held.id).await?;
            let texts = wire::texts(&row.job.config_snapshot);
            if texts.iter().any(|text| text.eq_ignore_ascii_case(digest.as_str())) {
                return Ok(Some(row.org().to_owned()));
            }
        }
        Ok(None)
    }
}

/// Whether a person may drain, remove or give a new token to a runner.
pub(crate) fn manages(user: &User, runner: &Runner) -> bool {
    match runner.mode {
        RunnerMode::SelfHosted => runner.org == user.org,
        RunnerMode::CloudHosted => user.is_platform,
    }
}

/// Whether a person of the job's organisation may see its secrets, or have the same work done with them again.
pub(crate) fn may_see_secrets(readers: SecretReaders, user: &User, row: &Row) -> bool {
    readers == SecretReaders::Organisation || row.job.user_id.as_ref() == Some(&user.id)
}

/// Whose runner this is, for a call of a user or of the runner itself.
pub(crate) fn runner_of_caller(directory: &Directory, headers: &HeaderMap, id: &str) -> Result<Runner, Refusal> {
    let found = if claims_to_be_runner(headers) {
        Some(runner(directory, headers)?).filter(|itself| itself.id.as_str() == id)
    } else {
        let user = user(directory, headers)?;
        id.parse().ok().and_then(|id| directory.runner(&id)).filter(|runner| manages(&user, runner))
    };
    found.ok_or_else(|| Refusal::not_found("runner"))
}

/// A job that a caller may read.
pub(crate) async fn readable(
    plane_queue: &Queue,
    directory: &Directory,
    headers: &HeaderMap,
    job: &JobId,
) -> Result<Row, Refusal> {
    if claims_to_be_runner(headers) {
        let runner = working_runner(plane_queue, directory, headers).await?;
        let row = plane_queue.get(job).await?;
        return match plane_queue.runner_may_read(&runner, &row).await? {
            true => Ok(row),
            false => Err(Refusal::not_found("job")),
        };
    }
    let user = user(directory, headers)?;
    let row = plane_queue.get(job).await?;
    if row.org() == user.org { Ok(row) } else { Err(Refusal::not_found("job")) }
}

#[async_trait]
impl Access for Gate {
    async fn writing(&self, headers: &HeaderMap, job: &JobId) -> Result<JobWrite, Refusal> {
        let runner = working_runner(&self.queue, &self.directory, headers).await?;
        let attempt = attempt(headers)?;
        let mut holding = self.queue.holding(&runner, job).await?;
        holding.check(&runner.id, attempt)?;
        if holding.status == JobStatus::Claimed {
            holding = self.queue.first_line(&runner.id, job, attempt).await?.holding();
        }
        self.queue.sign_of_life(job);
        let not_begun = || PlaneError::Conflict("the attempt has not begun; claim again".to_owned());
        let log_base = holding.log_base.ok_or_else(not_begun)?;
        Ok(JobWrite { attempt, log_base, is_over: holding.status.is_terminal() })
    }

    async fn reading(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal> {
        readable(&self.queue, &self.directory, headers, job).await.map(drop)
    }

    async fn reading_secrets(&self, headers: &HeaderMap, job: &JobId) -> Result<(), Refusal> {
        let user = user(&self.directory, headers)?;
        let row = self.queue.get(job).await?;
        if row.org() != user.org {
            return Err(Refusal::not_found("job"));
        }
        if may_see_secrets(self.secret_readers, &user, &row) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::FORBIDDEN, "only who submitted the job may see its secrets"))
    }

    async fn user(&self, headers: &HeaderMap) -> Result<User, Refusal> {
        user(&self.directory, headers)
    }

    async fn source_organisation(&self, headers: &HeaderMap, digest: &Digest) -> Result<String, Refusal> {
        if !claims_to_be_runner(headers) {
            return Ok(user(&self.directory, headers)?.org);
        }
        let runner = working_runner(&self.queue, &self.directory, headers).await?;
        self.holds_a_job_naming(&runner, digest).await?.ok_or_else(|| Refusal::not_found("source"))
    }

    async fn state_user(&self, headers: &HeaderMap) -> Result<StateUser, Refusal> {
        let refused = || Refusal::new(StatusCode::UNAUTHORIZED, "missing or unknown state token");
        let Some((name, password)) = basic(headers) else { return Ok(self.user(headers).await?.into()) };
        if let Some(user) = self.directory.user_by_token(&password) {
            return Ok(user.into());
        }
        let job: JobId = name.parse().map_err(|_| refused())?;
        let found = self.queue.attempt_of_state_token(&job, &password).await?;
        let (holding, attempt) = found.ok_or_else(refused)?;
        let is_current = holding.attempt == attempt && !holding.status.is_terminal() && holding.runner.is_some();
        let runner = holding.runner.filter(|_| is_current);
        let org = holding.org.unwrap_or_default();
        Ok(StateUser { org, actor: Actor::Attempt { job, attempt, runner, is_current } })
    }

    async fn is_at_work(&self, job: &JobId, attempt: AttemptNo) -> Result<bool, Refusal> {
        let row = self.queue.get(job).await?;
        Ok(row.job.attempt_no() == attempt && matches!(row.job.status, JobStatus::Claimed | JobStatus::Processing))
    }

    fn departures(&self) -> watch::Receiver<()> {
        self.directory.departures()
    }

    async fn progress(&self, job: &JobId) -> Result<watch::Receiver<Progress>, Refusal> {
        Ok(self.queue.follow(job).await?)
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

impl From<PlaneError> for Refusal {
    fn from(error: PlaneError) -> Self {
        let status = match &error {
            PlaneError::NotFound(_) => StatusCode::NOT_FOUND,
            PlaneError::Conflict(_) | PlaneError::LeaseLost { .. } => StatusCode::CONFLICT,
            PlaneError::NotYours => StatusCode::FORBIDDEN,
            PlaneError::Invalid { .. } => StatusCode::BAD_REQUEST,
            PlaneError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            PlaneError::LogBehind(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            PlaneError::Database(error) => return Self::internal(error),
            PlaneError::Commit(_) | PlaneError::Vault(_) => return Self::internal(&error),
            PlaneError::Log(_) => match error {
                PlaneError::Log(error) => return error.into(),
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        let mut refusal = Self::new(status, error.to_string());
        if let PlaneError::Invalid { pointer, .. } = error {
            refusal.body.pointer = pointer;
        }
        refusal
    }
}
