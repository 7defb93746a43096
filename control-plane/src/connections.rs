//! Takes connections and serves requests on them, until the plane leaves.

use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Nobody connects to say nothing: a connection without a first byte is closed after this long.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(5);
/// A connection that has sent no whole header for so long is closed. It is longer than clients keep an idle connection
/// for its next request, because the time between requests counts too, and to close at that moment fails a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(100);
/// How long the requests that were begun may take once the plane leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Lets this process have as many connections and files as the system allows it: the usual limit is far lower, for the
/// sake of programs of the eighties.
pub(crate) fn allow_many() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, limit = current, "cannot raise the limit of open files; many runners need more");
    }
}

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
    if !matches!(tokio::time::timeout(FIRST_BYTE_WITHIN, stream.peek(&mut [0])).await, Ok(Ok(1))) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream as Caller;

    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn who_says_nothing_is_sent_away_and_who_asks_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, shutdown) = (Router::new().route("/", get(|| async { "here" })), CancellationToken::new());
        let stop = shutdown.clone();
        let server = tokio::spawn(async move { serve(listener, router, &stop, || {}).await });
        let silent = tokio::task::spawn_blocking(move || Caller::connect(address).unwrap().read(&mut [0]).unwrap());
        let answer = reqwest::get(format!("http://{address}/")).await.unwrap().text().await.unwrap();
        assert_eq!(answer, "here");
        assert_eq!(silent.await.unwrap(), 0, "closed without a byte");
        shutdown.cancel();
        server.await.unwrap();
    }

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        allow_many();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
