//! Runners, for those who look after them: made known, shown, drained, removed.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{RegisterAnswer, RegisterRequest, RunnerInfo, RunnerMode, RunnerStatus, Timestamp};

use super::body::{self, Asked};
use crate::access::{Refusal, User};
use crate::detached::detached;
use crate::directory::{Directory, OldToken, Runner};
use crate::error::PlaneError;
use crate::gate::{self, AuthenticatedUser};
use crate::plane::Plane;
use crate::tokens;

const JSON_BYTES: u64 = 2 << 20;

#[derive(Deserialize)]
pub(crate) struct ForceQuery {
    #[serde(default)]
    force: bool,
}

/// `POST /api/workers/register`: the same in the seed's first words.
pub(crate) async fn register_worker(
    plane: State<Plane>,
    asked: Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (status, Json(answer)) = register(plane, asked).await?;
    Ok((status, Json(json!({ "worker": answer.runner, "worker_token": answer.runner_token }))))
}

/// `POST /api/runners/register`
pub(crate) async fn register(
    State(plane): State<Plane>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<RegisterAnswer>), Refusal> {
    let request: RegisterRequest = body::json(&said)?;
    body::check_name("/name", &request.name)?;
    may_use_mode(&user, request.mode)?;
    if let Some(identity) = &request.cloud_identity_id {
        let missing = |_| PlaneError::invalid("/cloud_identity_id", "there is no such cloud identity");
        plane.identities.get(&user.org, identity).await.map_err(missing)?;
    }
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    // The contract's platform registers its own again and again, under the same name.
    let known = plane.directory.cloud_hosted(&request.name).filter(|_| request.mode == RunnerMode::CloudHosted);
    if let Some(known) = known {
        let (new, labels) = (token.clone(), request.labels);
        let change = |directory: Directory, id| async move {
            directory.update(&id, |runner| runner.labels = labels).await?;
            directory.replace_token(&id, &new, OldToken::FinishesItsJobs).await
        };
        let runner = plane.change_runner(&known.id, change).await?;
        return Ok((StatusCode::OK, Json(answer(&plane, &runner, token).await?)));
    }
    let mut runner = Runner::new(user.org, request.name, request.mode, &token);
    (runner.labels, runner.cloud_identity_id) = (request.labels, request.cloud_identity_id);
    plane.directory.add_runner(runner.clone()).await?;
    Ok((StatusCode::CREATED, Json(answer(&plane, &runner, token).await?)))
}

async fn answer(plane: &Plane, runner: &Runner, runner_token: String) -> Result<RegisterAnswer, PlaneError> {
    Ok(RegisterAnswer { runner: plane.shown(runner).await?, runner_token, runner_id: Some(runner.id.clone()) })
}

/// A cloud-hosted runner is given the jobs and identities of every organisation: only who runs the plane may say so.
pub(super) fn may_use_mode(user: &User, mode: RunnerMode) -> Result<(), Refusal> {
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
    let held = plane.queue.held().await?;
    let runners = plane.directory.runners_of(&user.org);
    let shown: Vec<_> = runners.iter().map(|runner| plane.shown_to(&user, runner, &held)).collect();
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

pub(super) fn own_runner(plane: &Plane, user: &User, id: &str) -> Result<Runner, Refusal> {
    let found = id.parse().ok().and_then(|id| plane.directory.runner(&id));
    found.filter(|runner| gate::manages(user, runner)).ok_or_else(|| Refusal::not_found("runner"))
}

/// `DELETE /api/runners/{id}`, by a user or by the runner itself.
pub(crate) async fn remove(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    Query(query): Query<ForceQuery>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let runner = gate::runner_of_caller(&plane.directory, &headers, &id)?;
    let is_deployed = runner.deploy_config.is_some() && !gate::claims_to_be_runner(&headers);
    if is_deployed && !query.force {
        let error = "a job has deployed this runner, and what it made still runs; let `DESTROY_RUNNER` take that away \
                     (`alethia runner destroy`), or forget the runner only, by ?force=true (`alethia runner remove --force`)";
        return Err(PlaneError::Conflict(error.to_owned()).into());
    }
    let removed = detached(async move {
        plane.directory.remove_runner(&runner.id).await?;
        plane.queue.runner_is_gone(&runner.id).await;
        Ok(())
    });
    removed.await.map_err(|error| with_remedy(error, "drain it first"))?;
    Ok(Json(json!({ "success": true })))
}

/// A busy runner is not cut off from the plane before it has said how its jobs end.
fn with_remedy(error: PlaneError, remedy: &str) -> PlaneError {
    match error {
        PlaneError::Conflict(busy) => PlaneError::Conflict(format!("{busy}; {remedy}")),
        other => other,
    }
}

/// `POST /api/runners/{id}/drain`
pub(crate) async fn drain(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let runner = own_runner(&plane, &user, &id)?;
    // Kept for its next start, it would end that at once.
    let is_offline = runner.status(Timestamp::now(), plane.queue.timings().online) == RunnerStatus::Offline;
    if is_offline && plane.queue.held_by(&runner.id).await?.is_empty() {
        let error = format!("runner {:?} is offline and holds no job; there is nothing to drain", runner.name);
        return Err(PlaneError::Conflict(error).into());
    }
    let drain = |directory: Directory, id| async move { directory.update(&id, |runner| runner.drain = true).await };
    plane.change_runner(&runner.id, drain).await?;
    Ok(Json(json!({ "success": true })))
}

/// `POST /api/runners/{id}/rotate-token`, by a user or by the runner itself: the old token ends at once.
pub(crate) async fn rotate_token(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    Query(query): Query<ForceQuery>,
    headers: HeaderMap,
) -> Result<Json<RegisterAnswer>, Refusal> {
    let runner = gate::runner_of_caller(&plane.directory, &headers, &id)?;
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    let (new, old) = (token.clone(), if query.force { OldToken::Ends } else { OldToken::Stays });
    let replace = |directory: Directory, id| async move { directory.replace_token(&id, &new, old).await };
    let remedy = "with its old token it could not say how that ends: drain it first, or end a token that leaked at once, by \
                  ?force=true (`alethia runner rotate-token --force`), and start the runner with the new one";
    let runner = plane.change_runner(&runner.id, replace).await.map_err(|error| with_remedy(error, remedy))?;
    Ok(Json(answer(&plane, &runner, token).await?))
}
