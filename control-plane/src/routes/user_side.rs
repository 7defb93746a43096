//! What a user's client calls: jobs, kinds, runners.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{
    Job, JobList, JobStatus, KindInfo, RegisterAnswer, RegisterRequest, RunnerId, RunnerInfo, RunnerMode, RunnerStatus,
    SubmitAnswer, SubmitRequest, Timestamp,
};

use super::body;
use crate::access::{Refusal, User};
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::gate::{self, AuthenticatedUser};
use crate::plane::Plane;
use crate::queue::{ListFilter, Row};
use crate::tokens;

const JSON_BYTES: u64 = 2 << 20;

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    status: Option<String>,
    kind: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct CancelQuery {
    #[serde(default)]
    force: bool,
}

/// `POST /api/jobs`
pub(crate) async fn submit(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    request_body: Body,
) -> Result<(StatusCode, Json<SubmitAnswer>), Refusal> {
    let request: SubmitRequest = body::json(&body::read(request_body, JSON_BYTES).await?)?;
    let job = plane.queue.submit(&user, request).await?;
    Ok((StatusCode::CREATED, Json(SubmitAnswer { job })))
}

/// `GET /api/jobs`
pub(crate) async fn list(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Query(query): Query<ListQuery>,
) -> Result<Json<JobList>, Refusal> {
    let status = query.status.as_deref().map(str::parse::<JobStatus>).transpose();
    let status = status.map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("status: {error}")))?;
    let limit = number("limit", query.limit.as_deref(), 20)?.clamp(1, 100);
    let offset = number("offset", query.offset.as_deref(), 0)?;
    let filter = ListFilter { status, kind: query.kind, limit: u32::try_from(limit).unwrap_or(100), offset };
    Ok(Json(plane.queue.list(&user.org, filter).await?))
}

fn number(name: &str, text: Option<&str>, default: u64) -> Result<u64, Refusal> {
    text.map_or(Ok(default), str::parse).map_err(|_| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{name} must be a whole number, 0 or more"))
    })
}

/// `GET /api/jobs/{id}`, for a user or for a runner that needs it.
pub(crate) async fn show(
    State(plane): State<Plane>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Job>, Refusal> {
    let job = body::job_id(&job)?;
    let row = gate::readable(&plane.queue, &plane.directory, &headers, &job).await?;
    Ok(Json(plane.queue.shown(row).await?))
}

async fn own_job(plane: &Plane, user: &User, job: &str) -> Result<Row, Refusal> {
    let row = plane.queue.get(&body::job_id(job)?).await?;
    if row.org() == user.org { Ok(row) } else { Err(Refusal::not_found("job")) }
}

/// `POST /api/jobs/{id}/cancel`
pub(crate) async fn cancel(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(job): Path<String>,
    Query(query): Query<CancelQuery>,
) -> Result<Json<Value>, Refusal> {
    let row = own_job(&plane, &user, &job).await?;
    let job = plane.queue.cancel(&row.job.id, query.force).await?;
    Ok(Json(json!({ "success": true, "job": job })))
}

/// `POST /api/jobs/{id}/retry`
pub(crate) async fn retry(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(job): Path<String>,
) -> Result<Json<SubmitAnswer>, Refusal> {
    let row = own_job(&plane, &user, &job).await?;
    let job = plane.queue.retry(&user, &row).await?;
    Ok(Json(SubmitAnswer { job }))
}

/// `GET /api/jobs/{id}/explain`
pub(crate) async fn explain(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(job): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let row = own_job(&plane, &user, &job).await?;
    let explanation = plane.queue.explain(&row).await?;
    Ok(Json(json!({ "status": row.job.status, "summary": explanation.summary, "runners": explanation.runners })))
}

/// `GET /api/kinds`
pub(crate) async fn kinds(State(plane): State<Plane>, AuthenticatedUser(user): AuthenticatedUser) -> Json<Value> {
    Json(json!({ "kinds": plane.queue.kinds(&user.org) }))
}

/// `GET /api/kinds/{kind}/schema`
pub(crate) async fn schema(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(kind): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let kind: Option<KindInfo> = plane.queue.kinds(&user.org).into_iter().find(|known| known.kind == kind);
    Ok(Json(kind.ok_or_else(|| Refusal::not_found("kind"))?.schema))
}

/// `POST /api/workers/register`: the same in the seed's first words.
pub(crate) async fn register_worker(
    plane: State<Plane>,
    user: AuthenticatedUser,
    request_body: Body,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (status, Json(answer)) = register(plane, user, request_body).await?;
    Ok((status, Json(json!({ "worker": answer.runner, "worker_token": answer.runner_token }))))
}

/// `POST /api/runners/register`
pub(crate) async fn register(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    request_body: Body,
) -> Result<(StatusCode, Json<RegisterAnswer>), Refusal> {
    let request: RegisterRequest = body::json(&body::read(request_body, JSON_BYTES).await?)?;
    body::check_name("/name", &request.name)?;
    may_use_mode(&user, request.mode)?;
    if let Some(identity) = &request.cloud_identity_id {
        let missing = |_| PlaneError::invalid("/cloud_identity_id", "there is no such cloud identity");
        plane.identities.get(&user.org, identity).await.map_err(missing)?;
    }
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    let runner = Runner {
        id: RunnerId::generate(),
        org: user.org,
        name: request.name,
        mode: request.mode,
        token_hash: tokens::digest(&token),
        labels: request.labels,
        kinds: Vec::new(),
        version: None,
        said: RunnerStatus::Offline,
        last_heartbeat: None,
        instance_id: None,
        drain: false,
        cloud_identity_id: request.cloud_identity_id,
        metadata: None,
        created_at: Timestamp::now(),
    };
    plane.directory.add_runner(runner.clone()).await?;
    let answer = RegisterAnswer { runner: plane.shown(&runner).await?, runner_token: token };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// A cloud-hosted runner is given the jobs and identities of every organisation: only who runs the plane may say so.
fn may_use_mode(user: &User, mode: RunnerMode) -> Result<(), Refusal> {
    if mode == RunnerMode::SelfHosted || user.is_platform {
        return Ok(());
    }
    let error = "only who runs the control plane can register cloud-hosted runners; leave out the mode";
    let mut refusal = Refusal::new(StatusCode::FORBIDDEN, error);
    refusal.body.pointer = Some("/mode".to_owned());
    Err(refusal)
}

/// `GET /api/runners`
pub(crate) async fn runners(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
) -> Result<Json<Value>, Refusal> {
    let mut shown = Vec::new();
    for runner in plane.directory.runners_of(&user.org) {
        shown.push(plane.shown(&runner).await?);
    }
    Ok(Json(json!({ "runners": shown })))
}

/// `GET /api/runners/{id}`
pub(crate) async fn runner(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
) -> Result<Json<RunnerInfo>, Refusal> {
    let runner = own_runner(&plane, &user, &id)?;
    Ok(Json(plane.shown(&runner).await?))
}

fn own_runner(plane: &Plane, user: &User, id: &str) -> Result<Runner, Refusal> {
    let found = id.parse().ok().and_then(|id| plane.directory.runner(&id));
    found.filter(|runner| gate::manages(user, runner)).ok_or_else(|| Refusal::not_found("runner"))
}

/// `DELETE /api/runners/{id}`, by a user or by the runner itself.
pub(crate) async fn remove(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let runner = gate::runner_of_caller(&plane.directory, &headers, &id)?;
    let held = plane.queue.held_by(&runner.id).await?;
    if let Some(row) = held.first() {
        let error = format!("the runner holds job {}; drain it first", row.job.id);
        return Err(PlaneError::Conflict(error).into());
    }
    plane.directory.remove_runner(&runner.id).await?;
    plane.wake.runner_has_orders(&runner.id);
    Ok(Json(json!({ "success": true })))
}

/// `POST /api/runners/{id}/drain`
pub(crate) async fn drain(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let runner = own_runner(&plane, &user, &id)?;
    plane.directory.update(&runner.id, |runner| runner.drain = true, |_, _| true).await?;
    plane.wake.runner_has_orders(&runner.id);
    Ok(Json(json!({ "success": true })))
}

/// `POST /api/runners/{id}/rotate-token`, by a user or by the runner itself: the old token ends at once.
pub(crate) async fn rotate_token(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RegisterAnswer>, Refusal> {
    let runner = gate::runner_of_caller(&plane.directory, &headers, &id)?;
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    let hash = tokens::digest(&token);
    let runner = plane.directory.update(&runner.id, |runner| runner.token_hash = hash, |_, _| true).await?;
    plane.wake.runner_has_orders(&runner.id);
    Ok(Json(RegisterAnswer { runner: plane.shown(&runner).await?, runner_token: token }))
}

/// `GET /readyz`: the database answers.
pub(crate) async fn ready(State(plane): State<Plane>) -> Result<&'static str, Refusal> {
    plane.queue.list("", ListFilter { limit: 1, ..ListFilter::default() }).await?;
    Ok("ok")
}
