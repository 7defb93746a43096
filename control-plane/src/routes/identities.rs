//! Identities at cloud providers: made, connected, tested, and told to the jobs that name them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{
    ConnectAnswer, ConnectRequest, IdentityInfo, InitAnswer, InitRequest, JobStatus, SubmitRequest, VerifyRequest,
};

use super::body;
use crate::access::{Refusal, User};
use crate::error::PlaneError;
use crate::gate::AuthenticatedUser;
use crate::plane::Plane;

const JSON_BYTES: u64 = 256 << 10;
const CONNECTION_TEST: &str = "CONNECTION_TEST";

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

/// `DELETE /api/cloud-identities/{id}`
pub(crate) async fn remove(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let identity = plane.identities.get(&user.org, &id).await?;
    plane.identities.remove(&user.org, &identity.id).await?;
    Ok(Json(json!({ "success": true })))
}

/// `POST /api/cli/providers/{provider}/init`
pub(crate) async fn init(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    request_body: Body,
) -> Result<Json<InitAnswer>, Refusal> {
    let request: InitRequest = body::json_or_default(&body::read(request_body, JSON_BYTES).await?)?;
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
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    request_body: Body,
) -> Result<Json<ConnectAnswer>, Refusal> {
    let request: ConnectRequest = body::json(&body::read(request_body, JSON_BYTES).await?)?;
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
    let tested = IdentityInfo { test_job_id: Some(job.id.clone()), ..identity };
    let identity = plane.identities.save(&user.org, tested).await?;
    Ok(Json(ConnectAnswer { job_id: job.id, identity_id: identity.id }))
}

/// `POST /api/cli/providers/{provider}/verify`: takes over what its connection test has found.
pub(crate) async fn verify(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    request_body: Body,
) -> Result<Json<IdentityInfo>, Refusal> {
    let request: VerifyRequest = body::json(&body::read(request_body, JSON_BYTES).await?)?;
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
    let verified = IdentityInfo { is_verified: true, cached_resources: found, ..identity };
    let verified = plane.identities.save(&user.org, verified).await?;
    Ok(Json(shown(&plane, &user, verified)))
}

/// `POST /api/cli/providers/{provider}/disconnect`
pub(crate) async fn disconnect(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    request_body: Body,
) -> Result<Json<Value>, Refusal> {
    let request: VerifyRequest = body::json(&body::read(request_body, JSON_BYTES).await?)?;
    let identity = of_provider(&plane, &user, &provider, &request.identity_id).await?;
    let gone =
        IdentityInfo { identity: None, is_verified: false, test_job_id: None, cached_resources: None, ..identity };
    plane.identities.save(&user.org, gone).await?;
    Ok(Json(json!({ "success": true })))
}

/// `GET /api/cli/providers/{provider}/status?identity_id=`
pub(crate) async fn status(
    State(plane): State<Plane>,
    AuthenticatedUser(user): AuthenticatedUser,
    Path(provider): Path<String>,
    Query(query): Query<StatusQuery>,
) -> Result<Json<Value>, Refusal> {
    let identity = of_provider(&plane, &user, &provider, &query.identity_id).await?;
    Ok(Json(json!({
        "identityId": identity.id,
        "provider": identity.provider,
        "isConnected": identity.identity.is_some(),
        "isVerified": identity.is_verified,
        "createdAt": identity.created_at,
    })))
}

async fn of_provider(plane: &Plane, user: &User, provider: &str, id: &str) -> Result<IdentityInfo, Refusal> {
    let found = plane.identities.get(&user.org, id).await?;
    if found.provider == provider { Ok(found) } else { Err(Refusal::not_found("cloud identity")) }
}
