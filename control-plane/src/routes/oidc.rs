//! What clouds read to believe the tokens of jobs. Public, and says nothing about anybody.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::access::Refusal;
use crate::oidc::Issuer;
use crate::plane::Plane;

/// `GET /.well-known/openid-configuration`
pub(crate) async fn configuration(State(plane): State<Plane>) -> Result<Json<Value>, Refusal> {
    Ok(Json(issuer(&plane)?.configuration()))
}

/// `GET /.well-known/jwks.json`
pub(crate) async fn keys(State(plane): State<Plane>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!(issuer(&plane)?.keys())))
}

fn issuer(plane: &Plane) -> Result<&Issuer, Refusal> {
    plane.oidc.as_ref().ok_or_else(|| Refusal::not_found("issuer: this control plane has no public address"))
}
