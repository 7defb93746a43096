//! Takes connections and serves requests on them, until the plane leaves.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Nobody connects to say nothing: a connection that has not said this long after its beginning what it wants is closed.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// A connection that has sent no whole header for so long is closed. It is longer than clients keep an idle connection for its
/// next request, and than an idle runner goes between two of its own: the time between requests counts too, and to close at that
/// moment fails a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(100);
/// How long the requests that were begun may take once the plane leaves.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// Open files that no connection takes: those of the database, of logs and of artifacts.
const FOR_FILES: u64 = 256;

/// Lets this process have as many connections and files as the system allows it: the usual limit is far lower, for the
/// sake of programs of the eighties. Returns how many connections that are.
pub(crate) fn allow_many() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, limit = current, "cannot raise the limit of open files; many runners need more");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = limit.saturating_sub(FOR_FILES).max(limit / 2);
    usize::try_from(connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

/// Serves until `shutdown`, at most `most` connections at once; then calls `send_home`, and returns when the requests that
/// were begun are answered.
pub(crate) async fn serve(
    mut listener: TcpListener,
    router: Router,
    most: usize,
    shutdown: &CancellationToken,
    send_home: impl FnOnce(),
) {
    let mut connections = JoinSet::new();
    let (leaving, places, crowded) =
        (CancellationToken::new(), Arc::new(Semaphore::new(most)), watch::Sender::new(false));
    loop {
        crowded.send_replace(places.available_permits() == 0);
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some((stream, place)) = next(&mut listener, &places) => {
                let (router, leaving, crowded) = (router.clone(), leaving.clone(), crowded.subscribe());
                connections.spawn(async move {
                    serve_one(stream, router, leaving, crowded).await;
                    drop(place);
                });
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

/// The next connection, when there is a place for it.
async fn next(listener: &mut TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    // It waits by itself when the process has too many files open.
    let (stream, _) = Listener::accept(listener).await;
    Some((stream, place))
}

/// Serves one connection. While there is no place for another, none is kept for its next request.
async fn serve_one(stream: TcpStream, router: Router, leaving: CancellationToken, mut crowded: watch::Receiver<bool>) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let until = Instant::now() + FIRST_REQUEST_WITHIN;
    let mut first = [0];
    let first_byte = tokio::select! {
        biased;
        first_byte = timeout_at(until, stream.peek(&mut first)) => first_byte,
        () = leaving.cancelled() => return,
    };
    if !matches!(first_byte, Ok(Ok(1))) {
        return;
    }
    let (asked, router) = (CancellationToken::new(), TowerToHyperService::new(router));
    let has_asked = asked.clone();
    let service = service_fn(move |request| {
        asked.cancel();
        router.call(request)
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut may_stay = std::pin::pin!(async {
        if timeout_at(until, has_asked.cancelled()).await.is_ok() {
            tokio::select! { () = leaving.cancelled() => {}, _ = crowded.wait_for(|crowded| *crowded) => {} }
        }
    });
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = may_stay.as_mut() => {
            if !has_asked.is_cancelled() {
                return;
            }
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
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: plane\r\n\r\n";

    /// A server that is about to leave when the token is cancelled.
    async fn server(most: usize) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, shutdown) = (Router::new().route("/", get(|| async { "here" })), CancellationToken::new());
        let stop = shutdown.clone();
        (address, shutdown, tokio::spawn(async move { serve(listener, router, most, &stop, || {}).await }))
    }

    /// Connects and says this.
    async fn say(address: SocketAddr, said: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stream
    }

    async fn is_answered(stream: &mut TcpStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed without an answer");
        }
    }

    async fn is_closed(mut stream: TcpStream) {
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "it is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_say_what_they_want_is_sent_away_and_who_asks_may_ask_again() {
        let (address, ..) = server(10).await;
        let begun = Instant::now();
        let mut asking = say(address, REQUEST).await;
        is_answered(&mut asking).await;
        for said in [&b""[..], b"G", &REQUEST[..20]] {
            is_closed(say(address, said).await).await;
        }
        assert!(begun.elapsed() < 4 * FIRST_REQUEST_WITHIN, "{:?}", begun.elapsed());
        asking.write_all(REQUEST).await.unwrap();
        is_answered(&mut asking).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_is_answered_also_when_others_take_every_place() {
        let (address, ..) = server(2).await;
        let begun = Instant::now();
        let mut idle = say(address, REQUEST).await;
        is_answered(&mut idle).await;
        let slow = say(address, b"G").await;
        let more = say(address, b"G").await;
        is_answered(&mut say(address, REQUEST).await).await;
        for held in [idle, slow, more] {
            is_closed(held).await;
        }
        assert!(begun.elapsed() < 3 * FIRST_REQUEST_WITHIN, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_who_says_nothing_when_the_plane_leaves() {
        let (address, shutdown, server) = server(10).await;
        let begun = Instant::now();
        let silent = say(address, b"").await;
        is_answered(&mut say(address, REQUEST).await).await;
        shutdown.cancel();
        server.await.unwrap();
        is_closed(silent).await;
        assert!(begun.elapsed() < FIRST_REQUEST_WITHIN, "{:?}", begun.elapsed());
    }

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // Not so low that a test beside this one notices.
        let lower = current.or(maximum).map_or(4096, |limit| limit - 1);
        setrlimit(Resource::Nofile, Rlimit { current: Some(lower), maximum }).unwrap();
        let connections = allow_many() as u64;
        let raised = getrlimit(Resource::Nofile).current;
        assert_eq!(raised, maximum);
        assert!(connections > 0 && raised.is_none_or(|files| connections < files), "some files are for others");
    }
}
