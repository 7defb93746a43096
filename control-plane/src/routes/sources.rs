//! Archives for jobs to run from: a user uploads, the runner of a job that names one fetches.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use wire::SourceAnswer;

use super::Storage;
use super::file::{Download, serve};
use crate::access::Refusal;
use crate::artifacts::{BlobError, Incoming};
use crate::sources::GZIP_MAGIC;

/// `POST /api/sources`
pub(super) async fn post(
    State(storage): State<Storage>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<(StatusCode, Json<SourceAnswer>), Refusal> {
    storage.access.user(&headers).await?;
    let incoming = Incoming { limit_bytes: storage.limits.source_bytes, digest: None, magic: GZIP_MAGIC };
    let received = storage.blobs.receive(request_body.into_data_stream(), &incoming).await;
    let blob = received.map_err(|error| match error {
        BlobError::WrongType => Refusal::new(StatusCode::BAD_REQUEST, "a source must be a tar.gz archive"),
        other => other.into(),
    })?;
    // Again: who sends it may have been removed while its bytes came.
    let user = storage.access.user(&headers).await?;
    storage.sources.put(&user.org, &blob).await.map_err(|error| Refusal::internal(&error))?;
    let answer = SourceAnswer { id: blob.digest.as_str().to_owned(), size_bytes: blob.size_bytes };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `GET /api/sources/{id}`
pub(super) async fn get(
    State(storage): State<Storage>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let digest = id.parse().map_err(|_| Refusal::not_found("source"))?;
    let org = storage.access.source_organisation(request.headers(), &digest).await?;
    if !storage.sources.has(&org, &digest).await.map_err(|error| Refusal::internal(&error))? {
        return Err(Refusal::not_found("source"));
    }
    let (path, name) = (storage.blobs.path(&digest), format!("{}.tar.gz", digest.as_str()));
    serve(Download { path: &path, name: &name, media_type: "application/gzip" }, request).await
}
