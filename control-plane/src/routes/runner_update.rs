//! A deployed runner is given another image: the job queued that replaces its task.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use wire::{RunnerWork, SubmitAnswer, SubmitRequest, UpdateRunnerRequest};

use super::body::{self, Asked};
use super::runner_deploy::in_this_body;
use super::runners;
use crate::access::Refusal;
use crate::error::PlaneError;
use crate::gate::AuthenticatedUser;
use crate::plane::Plane;
use crate::queue::Queue;

const JSON_BYTES: u64 = 256 << 10;

/// `POST /api/runners/{id}/update`
pub(crate) async fn update(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<SubmitAnswer>), Refusal> {
    let request: UpdateRunnerRequest = body::json(&said)?;
    let runner = runners::own_runner(&plane, &user, &id)?;
    if runner.deploy_config.is_none() {
        let error = "no job has deployed this runner yet, so there is nothing that a job could update; wait for the job that \
                     deploys it, or update it where somebody started it";
        return Err(PlaneError::Conflict(error.to_owned()).into());
    }
    let mut payload = image(&plane.queue, request.image_repository, request.image_tag).map_err(in_this_body)?;
    payload["runner_id"] = json!(runner.id);
    let job = SubmitRequest {
        job_type: RunnerWork::Update.job_type().to_owned(),
        config_snapshot: payload,
        assigned_runner_id: request.assigned_runner_id,
        ..SubmitRequest::default()
    };
    let job = plane.queue.submit(&user, job).await.map_err(in_this_body)?;
    Ok((StatusCode::CREATED, Json(SubmitAnswer { job })))
}

/// The image to go to, in the payload's words. A tag alone is one of the image that the runner has.
fn image(queue: &Queue, repository: Option<String>, tag: Option<String>) -> Result<Value, PlaneError> {
    match (repository, tag) {
        (None, None) => {
            let mut payload = Map::new();
            queue.add_image(&mut payload)?;
            Ok(Value::Object(payload))
        }
        (None, Some(tag)) => Ok(json!({ "image_tag": tag })),
        // The tag that the runner has is one of another image.
        (Some(repository), None) => Ok(json!({ "image_repository": repository, "image_tag": "latest" })),
        (Some(repository), Some(tag)) => Ok(json!({ "image_repository": repository, "image_tag": tag })),
    }
}
