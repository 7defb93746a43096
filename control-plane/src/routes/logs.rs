//! Writing a log, reading it in pages, and downloading its bytes.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use wire::{AppendAnswer, JobId, LogAppended, LogPage, LogPost, paths};

use super::file::{Download, serve};
use super::{Storage, body};
use crate::access::{JobWrite, Refusal};
use crate::logs::{BadFrames, Ending, LogError};

/// About as many bytes of log as one page has.
const PAGE_BYTES: u64 = 1 << 20;
/// The seed's posts are JSON, in which a byte may take six.
const POST_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
pub(super) struct AppendQuery {
    offset: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    after: Option<String>,
}

/// `POST /api/jobs/{id}/log?offset=N`
pub(super) async fn append(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    Query(query): Query<AppendQuery>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, Refusal> {
    let job = body::job_id(&job)?;
    let (write, frames) = written(&storage, &headers, &job, request_body, storage.limits.log_append_bytes).await?;
    if headers.get(header::CONTENT_TYPE).is_none_or(|media_type| media_type != paths::LOG_FRAMES) {
        let error = format!("the content type must be {}", paths::LOG_FRAMES);
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let offset = body::offset("offset", query.offset.as_deref())?;
    if write.is_over {
        return repeat_of_ended(&storage, &job, write.log_base, offset).await;
    }
    Ok(appended(storage.logs.append(&job, write.log_base, offset, frames).await?))
}

async fn written(
    storage: &Storage,
    headers: &HeaderMap,
    job: &JobId,
    request_body: Body,
    limit: u64,
) -> Result<(JobWrite, Bytes), Refusal> {
    body::read_from(|| storage.access.writing(headers, job), request_body, limit).await
}

/// After the end nothing is added; who lost an answer is told that all is there.
async fn repeat_of_ended(storage: &Storage, job: &JobId, base: u64, offset: u64) -> Result<Response, Refusal> {
    let length = storage.logs.length(job).await?.saturating_sub(base);
    if offset < length {
        return Ok(appended(AppendAnswer::Wanted(length)));
    }
    Err(Refusal::new(StatusCode::CONFLICT, "the job has ended; nothing can be added to its log"))
}

fn appended(answer: AppendAnswer) -> Response {
    let (status, offset) = match answer {
        AppendAnswer::Durable(offset) => (StatusCode::OK, offset),
        AppendAnswer::Wanted(offset) => (StatusCode::RANGE_NOT_SATISFIABLE, offset),
    };
    (status, [(paths::LOG_OFFSET, offset.to_string())], Json(LogAppended { offset })).into_response()
}

/// `POST /api/jobs/{id}/logs`: the seed's chunk of text.
pub(super) async fn post(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, Refusal> {
    let job = body::job_id(&job)?;
    let (write, post) = written(&storage, &headers, &job, request_body, POST_BYTES).await?;
    let post: LogPost = body::json(&post)?;
    if post.log_chunk.is_empty() {
        let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "log_chunk must not be empty");
        refusal.body.pointer = Some("/log_chunk".to_owned());
        return Err(refusal);
    }
    if write.is_over {
        return Err(Refusal::new(StatusCode::CONFLICT, "the job has ended; nothing can be added to its log"));
    }
    storage.logs.append_text(&job, post.stream_type, post.log_chunk).await?;
    Ok((StatusCode::CREATED, Json(json!({ "success": true }))).into_response())
}

/// `GET /api/jobs/{id}/logs?after=`
pub(super) async fn page(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Json<LogPage>, Refusal> {
    let job = body::job_id(&job)?;
    storage.access.reading(&headers, &job).await?;
    let after = body::offset("after", query.after.as_deref())?;
    // Asked before the log is read: what ended by now is all there.
    let ending = ending(storage.access.progress(&job).await?.borrow().status);
    let entries = storage.logs.read(&job, after, PAGE_BYTES, ending).await?;
    Ok(Json(LogPage { logs: entries.into_iter().map(|entry| entry.into_wire(job.clone())).collect() }))
}

/// `GET /api/jobs/{id}/log`
pub(super) async fn download(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let job = body::job_id(&job)?;
    storage.access.reading(request.headers(), &job).await?;
    let media_type = "text/plain; charset=utf-8";
    let name = format!("{job}.log");
    match storage.logs.payload_file(&job).await? {
        Some(path) => serve(Download { path: &path, name: &name, media_type }, request).await,
        None => Ok(([(header::CONTENT_TYPE, media_type)], Bytes::new()).into_response()),
    }
}

pub(super) fn ending(status: wire::JobStatus) -> Ending {
    if status.is_terminal() { Ending::Final } else { Ending::MayGrow }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Bad(BadFrames::Damaged { .. }) => Self::new(body::CUT_OFF, error.to_string()),
            LogError::Bad(_) => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            LogError::Full { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            LogError::Io(error) => Self::storage(&error),
        }
    }
}
