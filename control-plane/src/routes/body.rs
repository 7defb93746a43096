//! Reads what a request brings, within limits, and says what is wrong with it.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use wire::JobId;

use crate::access::Refusal;

/// The whole body, of at most `limit` bytes.
pub(super) async fn read(body: Body, limit: u64) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body was cut off"))?;
        if (whole.len() + chunk.len()) as u64 > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

pub(super) fn too_large(limit: u64) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {limit} bytes"))
}

/// A body of JSON: 400 if it is none, 422 with the place if it says something else than it should.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // Not by the error's category: a null where an enum should be reads as a fault of syntax.
        let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
        // Two readers could take it for two different requests.
        let is_ambiguous = error.inner().to_string().starts_with("duplicate field");
        let status = match is_json && !is_ambiguous {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::BAD_REQUEST,
        };
        let mut refusal = Refusal::new(status, format!("the body is not as expected: {}", error.inner()));
        let path = error.path().to_string();
        refusal.body.pointer = (path != ".").then(|| format!("/{}", path.replace('.', "/")));
        refusal
    })
}

/// The job that a path names. What cannot be an id is the id of no job.
pub(super) fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found("job"))
}

/// An offset from a query or header; absent means the start.
pub(super) fn offset(name: &str, text: Option<&str>) -> Result<u64, Refusal> {
    let Some(text) = text else { return Ok(0) };
    text.parse().map_err(|_| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{name} must be a whole number of bytes, 0 or more"))
    })
}

/// The same where the seed's clients may send nothing.
pub(super) fn json_or_default<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.iter().all(u8::is_ascii_whitespace) { Ok(T::default()) } else { json(bytes) }
}

/// What people call something: no control characters, and nothing that turns the direction of writing.
pub(super) fn check_name(pointer: &str, name: &str) -> Result<(), Refusal> {
    let printable =
        |c: char| !c.is_control() && !('\u{202A}'..='\u{202E}').contains(&c) && !('\u{2066}'..='\u{2069}').contains(&c);
    if !name.trim().is_empty() && name.chars().count() <= 64 && name.chars().all(printable) {
        return Ok(());
    }
    let field = pointer.trim_start_matches('/');
    let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: 1 to 64 printable characters"));
    refusal.body.pointer = Some(pointer.to_owned());
    Err(refusal)
}
