//! What a user's client calls: jobs and kinds.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{Job, JobList, JobStatus, SubmitAnswer, SubmitRequest};

use super::body::{self, Asked};
use crate::access::{Refusal, User};
use crate::gate::{self, AuthenticatedUser};
use crate::plane::Plane;
use crate::queue::{ListFilter, Row};

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
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<SubmitAnswer>), Refusal> {
    let request: SubmitRequest = body::json(&said)?;
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
    if row.sealed.is_some() && !gate::may_see_secrets(plane.secret_readers, &user, &row) {
        let error = "the job has secrets that only who submitted it may use again; submit it anew with your own";
        return Err(Refusal::new(StatusCode::FORBIDDEN, error));
    }
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
    let kind = plane.queue.kind(&user.org, &kind).map_err(|_| Refusal::not_found("kind"))?;
    Ok(Json(kind.schema))
}

/// `GET /readyz`: the database answers.
pub(crate) async fn ready(State(plane): State<Plane>) -> Result<&'static str, Refusal> {
    plane.queue.list("", ListFilter { limit: 1, ..ListFilter::default() }).await?;
    Ok("ok")
}
