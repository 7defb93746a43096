//! A runner that a job deploys: made known, and the job queued that makes it run.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use wire::{DeployRunnerAnswer, DeployRunnerRequest, IdentityInfo, RunnerMode, RunnerWork, SubmitRequest};

use super::body::{self, Asked};
use super::runners;
use crate::access::{Refusal, User};
use crate::detached::detached;
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::gate::AuthenticatedUser;
use crate::plane::Plane;
use crate::tokens;

const JSON_BYTES: u64 = 256 << 10;
/// What of the job's payload is not the caller's to say.
const OURS: [&str; 8] = [
    "runner_id",
    "worker_id",
    "runner_token",
    "worker_token",
    "runner_name",
    "worker_name",
    "cloud_provider",
    "runner_mode",
];

/// `POST /api/cli/runners/deploy`
pub(crate) async fn deploy(
    State(plane): State<Plane>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<DeployRunnerAnswer>), Refusal> {
    let request: DeployRunnerRequest = body::json(&said)?;
    body::check_name("/name", &request.name)?;
    runners::may_use_mode(&user, request.mode)?;
    let identity = deployer(&plane, &user, &request.cloud_identity_id).await?;
    if let Some(name) = OURS.into_iter().find(|name| request.settings.contains_key(*name)) {
        return Err(PlaneError::invalid(&format!("/{name}"), "the control plane says this itself; leave it out").into());
    }
    // Before the runner exists: one that nobody can deploy is not left behind.
    plane.queue.kind(&user.org, RunnerWork::Deploy.job_type())?;
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    let mut runner = Runner::new(user.org.clone(), request.name.clone(), request.mode, &token);
    runner.labels = request.labels.clone();
    // One that works for all organisations works for all of their identities.
    runner.cloud_identity_id = (request.mode == RunnerMode::SelfHosted).then(|| identity.id.clone());
    let job = job(&plane, request, &identity, &runner, &token)?;
    // Both or neither, even if whoever asked goes away in between.
    let answer = detached(async move {
        plane.directory.add_runner(runner.clone()).await?;
        match plane.queue.submit(&user, job).await {
            Ok(job) => Ok(DeployRunnerAnswer { runner: plane.shown(&runner).await?, job }),
            Err(refused) => {
                plane.directory.remove_runner(&runner.id).await?;
                Err(in_this_body(refused))
            }
        }
    });
    Ok((StatusCode::CREATED, Json(answer.await?)))
}

async fn deployer(plane: &Plane, user: &User, id: &str) -> Result<IdentityInfo, PlaneError> {
    let refused = |why: &str| PlaneError::invalid("/cloud_identity_id", why);
    let found = plane.identities.get(&user.org, id).await.map_err(|error| match error {
        PlaneError::NotFound(_) => refused("there is no such cloud identity; `GET /api/cloud-identities` lists yours"),
        other => other,
    })?;
    if found.provider != "aws" {
        return Err(refused("a runner can be deployed on AWS only; elsewhere register one and start it by hand"));
    }
    Ok(found)
}

fn job(
    plane: &Plane,
    request: DeployRunnerRequest,
    identity: &IdentityInfo,
    runner: &Runner,
    token: &str,
) -> Result<SubmitRequest, PlaneError> {
    let mut payload = request.settings;
    plane.queue.add_image(&mut payload).map_err(in_this_body)?;
    let says = |name: &str| payload.get(name).is_some_and(|value| !value.is_null());
    if !says("alethia_url") && !says("trellis_url") {
        let url = plane.public_url.clone().ok_or_else(|| {
            let error = "is missing: the control plane has no public address that the runner could reach; give one, or \
                         start the plane with --public-url";
            PlaneError::invalid("/alethia_url", error)
        })?;
        payload.insert("alethia_url".to_owned(), url.into());
    }
    let ours = json!({
        "runner_id": runner.id,
        "runner_token": token,
        "runner_name": runner.name,
        "runner_mode": runner.mode,
        "cloud_provider": identity.provider,
        "region": request.region,
        "labels": runner.labels,
    });
    payload.extend(ours.as_object().cloned().unwrap_or_default());
    Ok(SubmitRequest {
        job_type: RunnerWork::Deploy.job_type().to_owned(),
        config_snapshot: Value::Object(payload),
        cloud_identity_id: Some(identity.id.clone()),
        assigned_runner_id: request.assigned_runner_id,
        ..SubmitRequest::default()
    })
}

/// What the job's payload is called there, is here beside the name.
pub(super) fn in_this_body(error: PlaneError) -> PlaneError {
    match error {
        PlaneError::Invalid { pointer, message } => {
            let pointer = pointer.map(|at| at.strip_prefix("/config_snapshot").map(str::to_owned).unwrap_or(at));
            PlaneError::Invalid { pointer, message }
        }
        other => other,
    }
}
