//! Sends a stored file as a download that no browser runs.

use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::ServeFile;

use crate::access::Refusal;

/// Read at once from the file: a large download should not cost a thread hop per few kilobytes.
const READ_BYTES: usize = 256 << 10;

/// A file to send.
pub(super) struct Download<'a> {
    pub(super) path: &'a Path,
    /// Letters, digits, '.', '_' and '-' only.
    pub(super) name: &'a str,
    pub(super) media_type: &'a str,
}

/// Answers a GET or HEAD, with or without one range.
pub(super) async fn serve(download: Download<'_>, request: Request) -> Result<Response, Refusal> {
    if request.headers().get(header::RANGE).is_some_and(|range| range.as_bytes().contains(&b',')) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "ask for one range at a time"));
    }
    let file = ServeFile::new(download.path).with_buf_chunk_size(READ_BYTES);
    let Ok(answer) = file.oneshot(request).await;
    let mut response = answer.map(Body::new).into_response();
    if response.status() == StatusCode::NOT_FOUND {
        return Err(Refusal::not_found("file"));
    }
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(download.media_type).unwrap_or(octets));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", download.name)) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
