//! Reads what a request brings, within limits, and says what is wrong with it.

use std::pin::pin;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use futures_util::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use wire::JobId;

use crate::access::Refusal;
use crate::plane::Plane;

/// Not the sender's fault: it sends the same again. With a status that blames what was sent, a runner would give it up.
pub(super) const CUT_OFF: StatusCode = StatusCode::REQUEST_TIMEOUT;

/// Who calls, and the body, of at most `LIMIT` bytes.
pub(crate) struct Asked<Who, const LIMIT: u64>(pub(crate) Who, pub(crate) Bytes);

impl<Who, const LIMIT: u64> FromRequest<Plane> for Asked<Who, LIMIT>
where
    Who: FromRequestParts<Plane, Rejection = Refusal> + Send,
{
    type Rejection = Refusal;

    async fn from_request(request: Request, plane: &Plane) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let who = || {
            let mut parts = parts.clone();
            async move { Who::from_request_parts(&mut parts, plane).await }
        };
        let (who, said) = read_from(who, body, LIMIT).await?;
        Ok(Self(who, said))
    }
}

/// The body and who sends it. They are asked before it, and again after it unless it was there at once: whoever holds back the
/// end of a request may have been removed meanwhile.
pub(super) async fn read_from<Who, Asking>(
    who: impl Fn() -> Asking,
    body: Body,
    limit: u64,
) -> Result<(Who, Bytes), Refusal>
where
    Asking: Future<Output = Result<Who, Refusal>>,
{
    let asked = who().await?;
    let mut reading = pin!(read(body, limit));
    if let Some(said) = reading.as_mut().now_or_never() {
        return Ok((asked, said?));
    }
    let said = reading.await?;
    Ok((who().await?, said))
}

/// The whole body, of at most `limit` bytes.
async fn read(body: Body, limit: u64) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(CUT_OFF, "the body was cut off; send it again"))?;
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
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // Not by the error's category: a null where an enum should be reads as a fault of syntax.
        let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
        // Two readers could take it for two different requests.
        let is_ambiguous = error.inner().to_string().starts_with("duplicate field");
        let status = match is_json && !is_ambiguous {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::BAD_REQUEST,
        };
        let mut refusal = Refusal::new(status, format!("the body is not as expected: {}", error.inner()));
        refusal.body.pointer = Some(wire::pointer_of(error.path())).filter(|pointer| !pointer.is_empty());
        refusal
    })?;
    deserializer.end().map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body goes on: {error}")))?;
    Ok(value)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_cut_off_is_sent_again() {
        let halves = [Ok("half"), Err(std::io::Error::other("silence"))];
        let refusal = read(Body::from_stream(futures_util::stream::iter(halves)), 100).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn a_fault_has_its_place_and_nothing_follows() {
        let read = |text: &str| json::<Vec<Vec<u8>>>(text.as_bytes()).unwrap_err();
        let wrong = read("[[1], [2, 300]]");
        assert_eq!((wrong.status, wrong.body.pointer.as_deref()), (StatusCode::UNPROCESSABLE_ENTITY, Some("/1/1")));
        assert_eq!(read("[[1]] [[2]]").status, StatusCode::BAD_REQUEST);
    }
}
