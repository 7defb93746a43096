//! The least that keeps a terraform state over HTTP: there is none yet, and every lock is free.

use axum::Router;
use axum::http::{Method, StatusCode};

/// Serves until the benchmark ends. Where it is.
pub(crate) async fn serve() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/state", listener.local_addr()?);
    let router = Router::new().fallback(|method: Method| async move {
        if method == Method::GET { StatusCode::NOT_FOUND } else { StatusCode::OK }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
