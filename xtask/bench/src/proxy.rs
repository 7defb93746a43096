//! Stands between a runner and the plane and counts the requests; in an arm whose time counts only to play the distance.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clock;

/// A request line, and when it passed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// For example `POST /api/jobs/claim`.
    pub(crate) request: String,
    /// When, as [`clock::now_ns`].
    pub(crate) at_ns: i64,
}

/// A listening proxy.
pub(crate) struct Proxy {
    /// What a runner uses in place of the plane's origin.
    pub(crate) origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: Arc<tokio::sync::Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Forwards to `host_port`.
    pub(crate) async fn start(host_port: String) -> anyhow::Result<Self> {
        Self::at_a_distance(host_port, Duration::ZERO).await
    }

    /// The same as far away as a round trip takes: that long for a connection, and that long for each request on it.
    pub(crate) async fn at_a_distance(host_port: String, round_trip: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let (seen, arrived) = (Arc::default(), Arc::default());
        let (log, bell) = (Arc::clone(&seen), Arc::clone(&arrived));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (host_port, log, bell) = (host_port.clone(), Arc::clone(&log), Arc::clone(&bell));
                tokio::spawn(async move {
                    travel(round_trip).await;
                    forward(client, host_port, log, bell, round_trip).await;
                });
            }
        });
        Ok(Self { origin, seen, arrived, task })
    }

    /// What passed so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the `count`-th request of this kind and says when it passed.
    pub(crate) async fn wait_for(&self, request: &str, count: usize) -> i64 {
        loop {
            let arrived = self.arrived.notified();
            if let Some(seen) = self.seen().iter().filter(|seen| seen.request == request).nth(count - 1) {
                return seen.at_ns;
            }
            arrived.await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A timer is coarser than nothing.
async fn travel(round_trip: Duration) {
    if !round_trip.is_zero() {
        tokio::time::sleep(round_trip).await;
    }
}

async fn forward(
    client: TcpStream,
    plane: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    bell: Arc<tokio::sync::Notify>,
    round_trip: Duration,
) {
    let Ok(server) = TcpStream::connect(plane).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            note(&buffer[..read], &seen);
            bell.notify_waiters();
            travel(round_trip).await;
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let answers = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(requests, answers);
}

/// A client begins a request in a packet of its own: it waits for the answer to the one before.
fn note(bytes: &[u8], seen: &Mutex<Vec<Seen>>) {
    let Some(end) = bytes.windows(11).take(512).position(|window| window == b" HTTP/1.1\r\n") else { return };
    let Ok(line) = std::str::from_utf8(&bytes[..end]) else { return };
    let request = line.split('?').next().unwrap_or(line).to_owned();
    if ["GET /", "PUT /", "POST /", "PATCH /", "DELETE /"].iter().any(|verb| request.starts_with(verb)) {
        let at_ns = clock::now_ns();
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { request, at_ns });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_on_one_connection_are_counted_and_forwarded() -> anyhow::Result<()> {
        let plane = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(plane.local_addr()?.to_string()).await?;
        let server = tokio::spawn(async move {
            let (mut connection, _) = plane.accept().await?;
            let mut buffer = [0; 1024];
            for _ in 0..2 {
                let read = connection.read(&mut buffer).await?;
                connection.write_all(&buffer[..read]).await?;
            }
            anyhow::Ok(())
        });
        let mut client = TcpStream::connect(proxy.origin.trim_start_matches("http://")).await?;
        for request in ["POST /api/jobs/claim HTTP/1.1\r\n\r\n", "PUT /api/jobs/a/status?x=1 HTTP/1.1\r\n\r\n"] {
            client.write_all(request.as_bytes()).await?;
            let mut echo = vec![0; request.len()];
            client.read_exact(&mut echo).await?;
            assert_eq!(echo, request.as_bytes());
        }
        server.await??;
        proxy.wait_for("PUT /api/jobs/a/status", 1).await;
        assert_eq!(proxy.seen().len(), 2);
        Ok(())
    }
}
