//! People, for those who run the plane.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use wire::{UserAnswer, UserInfo, UserRequest};

use super::body::{self, Asked};
use crate::access::{Refusal, User};
use crate::error::PlaneError;
use crate::gate::PlatformUser;
use crate::plane::Plane;
use crate::tokens;

const JSON_BYTES: u64 = 64 << 10;

/// `POST /api/users`
pub(crate) async fn add(
    State(plane): State<Plane>,
    Asked(PlatformUser(caller), said): Asked<PlatformUser, JSON_BYTES>,
) -> Result<(StatusCode, Json<UserAnswer>), Refusal> {
    let request: UserRequest = body::json(&said)?;
    let is_word = |text: &str, more: &str| {
        (1..=64).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
            && !text.starts_with(['.', '-'])
    };
    if !is_word(&request.name.to_ascii_lowercase(), "._@-") {
        let error = "a name has 1 to 64 letters, digits, '.', '_', '@', '-', and begins with none of '.' and '-'";
        return Err(PlaneError::invalid("/name", error).into());
    }
    let org = request.org.unwrap_or(caller.org);
    // It is the name of a folder, too.
    if !is_word(&org, "-") {
        let error = "an organisation has 1 to 64 small letters, digits and '-', and does not begin with '-'";
        return Err(PlaneError::invalid("/org", error).into());
    }
    let token = tokens::generate().map_err(|error| Refusal::internal(&error))?;
    let user = User { id: request.name, org, is_platform: request.is_platform };
    plane.directory.add_user(user.clone(), &token).await?;
    Ok((StatusCode::CREATED, Json(UserAnswer { user: shown(user), token })))
}

/// `GET /api/users`
pub(crate) async fn list(State(plane): State<Plane>, PlatformUser(_): PlatformUser) -> Json<Value> {
    let users: Vec<UserInfo> = plane.directory.users().into_iter().map(shown).collect();
    Json(json!({ "users": users }))
}

/// `DELETE /api/users/{id}`: the token ends at once.
pub(crate) async fn remove(
    State(plane): State<Plane>,
    PlatformUser(caller): PlatformUser,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    if id == caller.id {
        return Err(PlaneError::Conflict("nobody can remove themselves; let another do it".to_owned()).into());
    }
    if !plane.directory.users().iter().any(|user| user.id == id) {
        return Err(Refusal::not_found("user"));
    }
    plane.directory.remove_user(&id).await?;
    Ok(Json(json!({ "success": true })))
}

fn shown(user: User) -> UserInfo {
    UserInfo { id: user.id, org_id: user.org, is_platform: user.is_platform }
}
