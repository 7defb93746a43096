//! Identities at cloud providers: made, connected, tested, and told to the jobs that name them.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{
    ConnectAnswer, ConnectRequest, DisconnectRequest, IdentityInfo, InitAnswer, InitRequest, JobId, JobStatus,
    SubmitRequest, VerifyRequest,
};

use super::body::{self, Asked};
use crate::access::{Refusal, User};
use crate::error::PlaneError;
use crate::gate::AuthenticatedUser;
use crate::plane::Plane;

const JSON_BYTES: u64 = 256 << 10;
const CONNECTION_TEST: &str = "CONNECTION_TEST";

#[derive(Deserialize)]
pub(crate) struct RemoveQuery {
    #[serde(default)]
    force: bool,
}

#[derive(Deserialize)]
pub(crate) struct StatusQuery {
    identity_id: String,
}

/// `GET /api/cloud-identities`
pub(crate) async fn list(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
) -> Result<Json<Value>, Refusal> {
    let all = plane.identities.list(&user.org).await?;
    let all: Vec<_> = all.into_iter().map(|one| shown(&plane, &user, one)).collect();
    Ok(Json(json!({ "cloud_identities": all })))
}

/// `GET /api/cli/cloud-identities`: the verified ones, as the seed's clients know them.
pub(crate) async fn verified(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
) -> Result<Json<Value>, Refusal> {
    let all = plane.identities.list(&user.org).await?;
    let shown = |one: &IdentityInfo| json!({ "id": one.id, "provider": one.provider, "label": one.label, "created_at": one.created_at });
    let verified: Vec<_> = all.iter().filter(|one| one.is_verified).map(shown).collect();
    Ok(Json(json!({ "cloud_identities": verified })))
}

/// `GET /api/cloud-identities/{id}`
pub(crate) async fn show(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
) -> Result<Json<IdentityInfo>, Refusal> {
    let found = plane.identities.get(&user.org, &id).await?;
    Ok(Json(shown(&plane, &user, found)))
}

/// With what its provider has to be told.
fn shown(plane: &Plane, user: &User, identity: IdentityInfo) -> IdentityInfo {
    let federation = plane.oidc.as_ref().map(|issuer| issuer.federation(&user.org, &identity));
    IdentityInfo { federation, ..identity }
}

/// `DELETE /api/cloud-identities/{id}?force=`
pub(crate) async fn remove(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Result<Json<Value>, Refusal> {
    let identity = plane.identities.get(&user.org, &id).await?;
    if let [runner, ..] = bound_runners(&plane, &user, &identity.id).as_slice() {
        // Without the identity it would wait for ever, and nobody would know for what.
        let why = format!(
            "runner {runner:?} takes only jobs of this identity; remove that one first, or disconnect the identity, which \
             keeps it"
        );
        return Err(PlaneError::Conflict(why).into());
    }
    refuse_while_used(&plane, &user, &identity, query.force).await?;
    if let Some(test) = &identity.test_job_id {
        end_test(&plane, test).await?;
    }
    plane.identities.remove(&user.org, &identity.id).await?;
    Ok(Json(json!({ "success": true })))
}

/// `POST /api/cli/providers/{provider}/init`
pub(crate) async fn init(
    State(plane): State<Plane>,
    Path(provider): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<Json<InitAnswer>, Refusal> {
    let request: InitRequest = body::json_or_default(&said)?;
    if let Some(label) = &request.label {
        body::check_name("/label", label)?;
    }
    if request.web_identity && plane.oidc.is_none() {
        let error = "this control plane vouches for nobody: start it with --public-url, or leave this out";
        return Err(PlaneError::invalid("/web_identity", error).into());
    }
    let made = plane.identities.init(&user.org, &provider, request).await?;
    let external_id = Some(made.external_id).filter(|id| !id.is_empty());
    Ok(Json(InitAnswer { identity_id: made.id, external_id }))
}

/// `POST /api/cli/providers/{provider}/connect`: says who it is there, and tests it.
pub(crate) async fn connect(
    State(plane): State<Plane>,
    Path(provider): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<Json<ConnectAnswer>, Refusal> {
    let request: ConnectRequest = body::json(&said)?;
    let identity = of_provider(&plane, &user, &provider, &request.identity_id).await?;
    // Before it is connected: an identity that nobody can test is not left behind.
    plane.queue.kind(&user.org, CONNECTION_TEST)?;
    let identity = plane.identities.connect(&user.org, &identity, request.credentials).await?;
    let test = SubmitRequest {
        job_type: CONNECTION_TEST.to_owned(),
        config_snapshot: json!({}),
        cloud_identity_id: Some(identity.id.clone()),
        ..SubmitRequest::default()
    };
    let job = plane.queue.submit(&user, test).await?;
    if let Err(error) = plane.identities.test(&user.org, &identity, &job.id).await {
        end_test(&plane, &job.id).await?;
        return Err(error.into());
    }
    Ok(Json(ConnectAnswer { job_id: job.id, identity_id: identity.id }))
}

/// `POST /api/cli/providers/{provider}/verify`: takes over what its connection test has found.
pub(crate) async fn verify(
    State(plane): State<Plane>,
    Path(provider): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<Json<IdentityInfo>, Refusal> {
    let request: VerifyRequest = body::json(&said)?;
    let identity = of_provider(&plane, &user, &provider, &request.identity_id).await?;
    // Another test, or one of what was connected before, says nothing of what is connected now.
    let test =
        identity.test_job_id.clone().filter(|test| request.job_id.is_none() || request.job_id.as_ref() == Some(test));
    let test = test.ok_or_else(|| Refusal::not_found("connection test of what is connected now; connect it again"))?;
    let job = plane.queue.get(&test).await?.job;
    if job.status != JobStatus::Success {
        let why = job.error_message.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(PlaneError::Conflict(format!("connection test {} is {}{why}", job.id, job.status)).into());
    }
    let found = job.execution_metadata.as_ref().and_then(|metadata| metadata.get("cached_resources")).cloned();
    let verified = plane.identities.verify(&user.org, identity, &test, found).await?;
    Ok(Json(shown(&plane, &user, verified)))
}

/// `POST /api/cli/providers/{provider}/disconnect`: it is nobody there any more. The identity stays, with what the provider
/// has to be told and the runners that were made for it, until somebody connects it again.
pub(crate) async fn disconnect(
    State(plane): State<Plane>,
    Path(provider): Path<String>,
    Asked(AuthenticatedUser(user), said): Asked<AuthenticatedUser, JSON_BYTES>,
) -> Result<Json<Value>, Refusal> {
    let request: DisconnectRequest = body::json(&said)?;
    let identity = of_provider(&plane, &user, &provider, &request.identity_id).await?;
    refuse_while_used(&plane, &user, &identity, request.force).await?;
    if let Some(test) = &identity.test_job_id {
        end_test(&plane, test).await?;
    }
    let gone = plane.identities.disconnect(&user.org, identity).await?;
    let mut answer = standing(&plane, &user, &gone);
    answer["success"] = json!(true);
    Ok(Json(answer))
}

/// A job that has not begun would be nobody, and fail; one that runs keeps the credentials that it has. Neither is what
/// somebody expects who tidies up.
async fn refuse_while_used(plane: &Plane, user: &User, identity: &IdentityInfo, force: bool) -> Result<(), PlaneError> {
    let jobs = plane.identities.unfinished_jobs(&user.org, identity).await?;
    let Some(first) = jobs.first().filter(|_| !force) else { return Ok(()) };
    let (count, have) =
        if jobs.len() == 1 { ("1 job".to_owned(), "has") } else { (format!("{} jobs", jobs.len()), "have") };
    let why = format!(
        "{count} of this identity {have} not ended, the oldest is {first}; wait for them, or cancel them first"
    );
    Err(PlaneError::Conflict(why))
}

/// Nobody waits for what a test finds out about an identity that goes.
async fn end_test(plane: &Plane, test: &JobId) -> Result<(), PlaneError> {
    match plane.queue.cancel(test, false).await {
        // It has ended already, or somebody has removed it.
        Ok(_) | Err(PlaneError::Conflict(_) | PlaneError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The names of the runners that take only jobs of this identity.
fn bound_runners(plane: &Plane, user: &User, identity: &str) -> Vec<String> {
    let runners = plane.directory.runners_of(&user.org).into_iter();
    runners.filter(|runner| runner.cloud_identity_id.as_deref() == Some(identity)).map(|runner| runner.name).collect()
}

/// `GET /api/cli/providers/{provider}/status?identity_id=`
pub(crate) async fn status(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<Value>, Refusal> {
    let identity = of_provider(&plane, &user, &provider, &query.identity_id).await?;
    Ok(Json(standing(&plane, &user, &identity)))
}

/// In the spelling of the seed's user interface.
fn standing(plane: &Plane, user: &User, identity: &IdentityInfo) -> Value {
    json!({
        "identityId": identity.id,
        "provider": identity.provider,
        "isConnected": identity.identity.is_some(),
        "isVerified": identity.is_verified,
        "createdAt": identity.created_at,
        "boundRunners": bound_runners(plane, user, &identity.id),
    })
}

async fn of_provider(plane: &Plane, user: &User, provider: &str, id: &str) -> Result<IdentityInfo, Refusal> {
    let found = plane.identities.get(&user.org, id).await?;
    if found.provider == provider { Ok(found) } else { Err(Refusal::not_found("cloud identity")) }
}
