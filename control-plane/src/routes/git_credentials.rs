//! Tokens for git hosts: put, listed without the token, taken away.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use url::{Position, Url};
use wire::GitCredentialRequest;

use super::body::{self, Asked};
use crate::access::Refusal;
use crate::error::PlaneError;
use crate::gate::AuthenticatedUser;
use crate::git_credentials::host_of;
use crate::plane::Plane;

const JSON_BYTES: u64 = 64 << 10;

/// `GET /api/git-credentials`
pub(crate) async fn list(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "git_credentials": plane.git_credentials.list(&user.org).await? })))
}

/// `PUT /api/git-credentials/{host}`
pub(crate) async fn put(
    State(plane): State<Plane>,
    Path(host): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<Json<Value>, Refusal> {
    let request: GitCredentialRequest = body::json(&said)?;
    // As the addresses in payloads will be read.
    let url = Url::parse(&format!("https://{host}/")).ok();
    let is_bare = |url: &Url| url.username().is_empty() && url[Position::BeforePath..] == *"/";
    let Some(host) = url.as_ref().filter(|url| is_bare(url)).and_then(host_of) else {
        return Err(PlaneError::invalid("/host", "give a host, for example git.example or git.example:8443").into());
    };
    let printable = |b: u8| b.is_ascii_graphic();
    if !(6..=4096).contains(&request.token.len()) || !request.token.bytes().all(printable) {
        return Err(PlaneError::invalid("/token", "a token has 6 to 4096 printable characters").into());
    }
    plane.git_credentials.put(&user.org, &host, &request.token).await?;
    Ok(Json(json!({ "success": true, "host": host })))
}

/// `DELETE /api/git-credentials/{host}`
pub(crate) async fn remove(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(host): Path<String>,
) -> Result<Json<Value>, Refusal> {
    plane.git_credentials.remove(&user.org, &host).await?;
    Ok(Json(json!({ "success": true })))
}
