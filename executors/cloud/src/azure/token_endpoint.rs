//! Where terraform's providers for Azure ask for the job's federated token, in the way in which they ask GitHub.
//!
//! From a file they read it once, when they start, and show it again for every access token: an apply that takes longer
//! than that token lives would lose who it is.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// Answers as long as it lives, on this machine only, and only who knows its bearer.
pub(super) struct TokenEndpoint {
    pub(super) url: String,
    pub(super) bearer: String,
    _server: AbortOnDropHandle<()>,
}

struct Asked {
    bearer: String,
    token: PathBuf,
}

impl TokenEndpoint {
    /// Hands out what is in the file `token` at that moment.
    pub(super) fn serve(token: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}/token", listener.local_addr()?);
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let bearer = Uuid::new_v4().simple().to_string();
        let asked = Asked { bearer: bearer.clone(), token };
        let router = Router::new().route("/token", get(answer)).with_state(Arc::new(asked));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "Azure's providers get no new token any more");
            }
        });
        Ok(Self { url, bearer, _server: AbortOnDropHandle::new(server) })
    }
}

async fn answer(State(asked): State<Arc<Asked>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if shown != Some(asked.bearer.as_str()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let token = tokio::fs::read_to_string(&asked.token).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({ "value": token })))
}
