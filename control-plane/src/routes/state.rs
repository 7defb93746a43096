//! Terraform's `http` backend. Its client knows 200, 404, and 423 with the holder's lock info. Of that it shows a
//! person nothing but the id (1.11), so there the id says who holds the state and since when, too.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Storage, body};
use crate::access::{Refusal, StateUser};
use crate::state::{self, Actor, Held, LockInfo, StateError, StateName};

/// A state may be large; it is held in memory once.
const STATE_BYTES: u64 = 256 << 20;
const LOCK_BYTES: u64 = 64 << 10;
const CONTENT_MD5: &str = "content-md5";

#[derive(Deserialize)]
pub(super) struct LockQuery {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(default)]
    force: bool,
}

/// `GET /api/state/{name}`
pub(super) async fn get(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (user, name) = enter(&storage, &headers, &name).await?;
    let state = storage.states.get(&user.org, &name, &user.actor).await?;
    let state = state.ok_or_else(|| Refusal::not_found("state"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], state).into_response())
}

/// `POST /api/state/{name}?ID=lock`
pub(super) async fn post(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    Query(query): Query<LockQuery>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<StatusCode, Refusal> {
    let ((user, name), state) = bringing(&storage, &headers, &name, request_body, STATE_BYTES).await?;
    if let Some(digest) = headers.get(CONTENT_MD5) {
        state::check_md5(&state, digest.to_str().unwrap_or_default())?;
    }
    storage.states.put(&user.org, &name, &user.actor, query.id.as_deref(), state).await?;
    Ok(StatusCode::OK)
}

/// `DELETE /api/state/{name}`
pub(super) async fn delete(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let (user, name) = enter(&storage, &headers, &name).await?;
    storage.states.delete(&user.org, &name, &user.actor).await?;
    Ok(StatusCode::OK)
}

/// `GET /api/state/{name}/lock`: the holder's lock info. Terraform itself shows no more of it than the id.
pub(super) async fn holder(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Map<String, Value>>, Refusal> {
    let (user, name) = enter(&storage, &headers, &name).await?;
    let held = storage.states.holder(&user.org, &name).await?;
    let held = held.ok_or_else(|| Refusal::not_found("lock"))?;
    Ok(Json(for_terraform(&held, &who(&storage, &held).await?)))
}

/// `PUT /api/state/{name}/lock`
pub(super) async fn lock(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<Response, Refusal> {
    let ((user, name), info) = bringing(&storage, &headers, &name, request_body, LOCK_BYTES).await?;
    let info = LockInfo::parse(&info).ok_or(StateError::NotALock)?;
    match storage.states.lock(&user.org, &name, &user.actor, &info).await {
        Ok(()) => Ok(StatusCode::OK.into_response()),
        Err(StateError::Locked(held)) => {
            let who = who(&storage, &held).await?;
            Ok((StatusCode::LOCKED, Json(for_loser(&held, &who))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `DELETE /api/state/{name}/lock`
pub(super) async fn unlock(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    Query(query): Query<LockQuery>,
    headers: HeaderMap,
    request_body: Body,
) -> Result<StatusCode, Refusal> {
    let ((user, name), said) = bringing(&storage, &headers, &name, request_body, LOCK_BYTES).await?;
    let id = match query.id {
        Some(id) => id,
        None => lock_id(&said)?,
    };
    match &user.actor {
        Actor::User { .. } if query.force => {
            refuse_while_at_work(&storage, &user.org, &name).await?;
            storage.states.force_unlock(&user.org, &name, &id).await?;
        }
        actor => match storage.states.unlock(&user.org, &name, actor, &id).await {
            Err(StateError::Locked(held)) => return Err(not_theirs(&who(&storage, &held).await?, &held, actor)),
            unlocked => unlocked?,
        },
    }
    Ok(StatusCode::OK)
}

async fn enter(storage: &Storage, headers: &HeaderMap, name: &str) -> Result<(StateUser, StateName), Refusal> {
    let user = storage.access.state_user(headers).await?;
    let name = name.parse().map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("{error}")))?;
    Ok((user, name))
}

async fn bringing(
    storage: &Storage,
    headers: &HeaderMap,
    name: &str,
    request_body: Body,
    limit: u64,
) -> Result<((StateUser, StateName), Bytes), Refusal> {
    body::read_from(|| enter(storage, headers, name), request_body, limit).await
}

fn lock_id(body: &Bytes) -> Result<String, Refusal> {
    Ok(LockInfo::parse(body).ok_or(StateError::NotALock)?.id)
}

/// A person is told how to take what nobody will give back.
fn not_theirs(who: &str, held: &Held, actor: &Actor) -> Refusal {
    let remedy = match actor {
        Actor::User { .. } => "; if its holder is dead for certain, unlock it with force=true",
        Actor::Attempt { .. } => "",
    };
    Refusal::new(StatusCode::CONFLICT, format!("the state is locked with id {}, {who}{remedy}", held.info.id))
}

async fn refuse_while_at_work(storage: &Storage, org: &str, name: &StateName) -> Result<(), Refusal> {
    let held = storage.states.holder(org, name).await?;
    let Some(Held { holder: Actor::Attempt { job, attempt, .. }, .. }) = held else { return Ok(()) };
    if storage.access.is_at_work(&job, attempt).await? {
        let error = format!("job {job} holds the state and still runs; cancel it and wait for its end");
        return Err(Refusal::new(StatusCode::CONFLICT, error));
    }
    Ok(())
}

/// Terraform leaves `Info` empty; for the person who has to wait it says who holds the state and since when.
fn for_terraform(held: &Held, who: &str) -> Map<String, Value> {
    let mut document = held.info.document.clone();
    if document.get("Info").is_none_or(|info| info == "") {
        document.insert("Info".to_owned(), Value::String(who.to_owned()));
    }
    document
}

/// The same for the one who did not get the lock: `ID` is all that terraform shows of it, below "already locked".
fn for_loser(held: &Held, who: &str) -> Map<String, Value> {
    let mut document = for_terraform(held, who);
    document.insert("ID".to_owned(), Value::String(format!("{} ({who})", held.info.id)));
    document
}

/// For a person. What tells the age of a lock reads what is behind the last comma.
async fn who(storage: &Storage, held: &Held) -> Result<String, Refusal> {
    let holder = match &held.holder {
        Actor::User { id } => format!("held by user {id}"),
        Actor::Attempt { job, attempt, runner, .. } => {
            let on = runner.as_ref().map(|runner| format!(", on runner {runner}")).unwrap_or_default();
            let ended = if storage.access.is_at_work(job, *attempt).await? { "" } else { ", which has ended" };
            format!("held by job {job}, attempt {attempt}{on}{ended}")
        }
    };
    Ok(format!("{holder}, since {}", held.since.to_the_second()))
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        let status = match &error {
            StateError::Io(error) => return Self::storage(error),
            StateError::Database(error) => return Self::internal(error),
            StateError::NotAState | StateError::Md5Mismatch | StateError::NotALock => StatusCode::BAD_REQUEST,
            StateError::Locked(_) | StateError::NotLocked(_) => StatusCode::CONFLICT,
            StateError::NoLock(_) => StatusCode::NOT_FOUND,
            StateError::Fenced => StatusCode::FORBIDDEN,
        };
        Self::new(status, error.to_string())
    }
}
