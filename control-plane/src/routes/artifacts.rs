//! What jobs deliver, up and down; the seed's plan artifact is one of a fixed name.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};
use wire::{ArtifactInfo, ArtifactList, JobId, SECRET_MEDIA_TYPE, paths};

use super::file::{Download, serve};
use super::{Storage, body};
use crate::access::{JobWrite, Refusal};
use crate::artifacts::{ArtifactName, Blob, BlobError, Incoming, NewArtifact, RecordError, SECRET_BYTES};

const OCTETS: &str = "application/octet-stream";

/// `PUT /api/jobs/{id}/artifacts/{name}`
pub(super) async fn put(
    State(storage): State<Storage>,
    Path((job, name)): Path<(String, String)>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Json<serde_json::Value>, Refusal> {
    let name: Result<ArtifactName, _> = name.parse();
    let name = name.map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if media_type(&headers) == SECRET_MEDIA_TYPE {
        let writing = || writing(&storage, &headers, &job);
        let ((job, write), bytes) = body::read_from(writing, request_body, SECRET_BYTES).await?;
        let digest = hex::encode(Sha256::digest(&bytes));
        let answer = json!({ "name": name.as_str(), "sha256": digest, "size_bytes": bytes.len() });
        storage.secrets.put(&job, write.attempt, &name, bytes.into()).await?;
        return Ok(Json(answer));
    }
    let (_, blob) = store(&storage, &headers, &job, &name, request_body).await?;
    Ok(Json(json!({ "name": name.as_str(), "sha256": blob.digest.as_str(), "size_bytes": blob.size_bytes })))
}

/// `POST /api/jobs/{id}/plan-artifact`
pub(super) async fn post_plan(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, Refusal> {
    let (job, _) = store(&storage, &headers, &job, &plan_name(), request_body).await?;
    let key = format!("{job}/{}", paths::PLAN_ARTIFACT);
    Ok((StatusCode::CREATED, Json(json!({ "key": key }))).into_response())
}

/// `GET /api/jobs/{id}/artifacts/{name}`
pub(super) async fn get(
    State(storage): State<Storage>,
    Path((job, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let job = reading(&storage, request.headers(), &job).await?;
    let name = name.parse().map_err(|_| Refusal::not_found("artifact"))?;
    if let Some(secret) = storage.secrets.get(&job, &name).await? {
        storage.access.reading_secrets(request.headers(), &job).await?;
        let headers = [(header::CONTENT_TYPE, SECRET_MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
        return Ok((headers, secret).into_response());
    }
    send(&storage, &job, &name, request).await
}

/// `GET /api/jobs/{id}/plan-artifact`
pub(super) async fn get_plan(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let job = reading(&storage, request.headers(), &job).await?;
    send(&storage, &job, &plan_name(), request).await
}

/// `GET /api/jobs/{id}/artifacts`
pub(super) async fn list(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ArtifactList>, Refusal> {
    let job = reading(&storage, &headers, &job).await?;
    let artifacts = storage.artifacts.list(&job).await?.into_iter().map(|artifact| ArtifactInfo {
        name: artifact.name,
        attempt: artifact.attempt.0,
        sha256: Some(artifact.blob.digest.as_str().to_owned()),
        size_bytes: Some(artifact.blob.size_bytes),
        media_type: artifact.media_type,
        created_at: Some(artifact.created_at),
    });
    let secrets = storage.secrets.list(&job).await?.into_iter().map(|secret| ArtifactInfo {
        name: secret.name,
        attempt: secret.attempt.0,
        sha256: None,
        size_bytes: None,
        media_type: SECRET_MEDIA_TYPE.to_owned(),
        created_at: Some(secret.created_at),
    });
    Ok(Json(ArtifactList { artifacts: artifacts.chain(secrets).collect() }))
}

async fn writing(storage: &Storage, headers: &HeaderMap, job: &str) -> Result<(JobId, JobWrite), Refusal> {
    let job = body::job_id(job)?;
    let write = storage.access.writing(headers, &job).await?;
    if write.is_over {
        return Err(Refusal::new(StatusCode::CONFLICT, "the job has ended; it cannot deliver artifacts any more"));
    }
    Ok((job, write))
}

async fn reading(storage: &Storage, headers: &HeaderMap, job: &str) -> Result<JobId, Refusal> {
    let job = body::job_id(job)?;
    storage.access.reading(headers, &job).await?;
    Ok(job)
}

async fn store(
    storage: &Storage,
    headers: &HeaderMap,
    job: &str,
    name: &ArtifactName,
    request_body: Body,
) -> Result<(JobId, Blob), Refusal> {
    writing(storage, headers, job).await?;
    let digest = headers.get(paths::CONTENT_SHA256).map(|digest| digest.to_str().unwrap_or_default().parse());
    let digest = digest.transpose().map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("the header {} is wrong: {error}", paths::CONTENT_SHA256))
    })?;
    let incoming = Incoming { limit_bytes: storage.limits.artifact_bytes, digest, magic: &[] };
    let blob = storage.blobs.receive(request_body.into_data_stream(), &incoming).await?;
    // Again: the attempt may have been given up while its bytes came.
    let (job, JobWrite { attempt, .. }) = writing(storage, headers, job).await?;
    let media_type = media_type(headers);
    storage.artifacts.put(NewArtifact { job_id: &job, attempt, name, blob: &blob, media_type }).await?;
    Ok((job, blob))
}

async fn send(storage: &Storage, job: &JobId, name: &ArtifactName, request: Request) -> Result<Response, Refusal> {
    let artifact = storage.artifacts.get(job, name).await?.ok_or_else(|| Refusal::not_found("artifact"))?;
    let path = storage.blobs.path(&artifact.blob.digest);
    let download = Download { path: &path, name: name.as_str(), media_type: &artifact.media_type };
    let mut response = serve(download, request).await?;
    if let Ok(digest) = HeaderValue::from_str(artifact.blob.digest.as_str()) {
        response.headers_mut().insert(paths::CONTENT_SHA256, digest);
    }
    Ok(response)
}

/// What the sender says it is, if that is short and plain.
fn media_type(headers: &HeaderMap) -> &str {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    said.filter(|said| (1..=100).contains(&said.len())).unwrap_or(OCTETS)
}

fn plan_name() -> ArtifactName {
    paths::PLAN_ARTIFACT.parse().expect("the constant is a name")
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        let status = match &error {
            BlobError::Io(error) => return Self::storage(error),
            BlobError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BlobError::CutOff(_) | BlobError::Mismatch { .. } => body::CUT_OFF,
            BlobError::Empty | BlobError::WrongType => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Different { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            RecordError::Database(error) => Self::internal(&error),
        }
    }
}
