//! Takes connections and serves requests on them, until the plane leaves.

use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A connection that has sent no whole header for so long is closed. It is longer than clients keep an idle connection
/// for its next request, because the time between requests counts too, and to close at that moment fails a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(100);
/// How long the requests that were begun may take once the plane leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Serves until `shutdown`; then calls `send_home`, and returns when the requests that were begun are answered.
pub(crate) async fn serve(
    mut listener: TcpListener,
    router: Router,
    shutdown: &CancellationToken,
    send_home: impl FnOnce(),
) {
    let mut connections = JoinSet::new();
    let leaving = CancellationToken::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            // It waits by itself when the process has too many files open.
            (stream, _) = Listener::accept(&mut listener) => {
                connections.spawn(serve_one(stream, router.clone(), leaving.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    leaving.cancel();
    send_home();
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LEAVE_WITHIN, all_done).await.is_err() {
        tracing::warn!("some requests were not answered before the end");
        connections.shutdown().await;
    }
}

async fn serve_one(stream: TcpStream, router: Router, leaving: CancellationToken) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = leaving.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
}
