//! Slow ways and dead ones. The clock stands still: what takes minutes here takes no time.

use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A way on which 50 KB move in a second.
const PIECE: usize = 50_000;
/// More than two minutes of it.
const LARGE: usize = 130 * PIECE;

/// A client of somebody who speaks with one connection.
async fn to<S: Future<Output = ()> + Send>(speak: impl FnOnce(TcpStream) -> S + Send + 'static) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { speak(listener.accept().await.unwrap().0).await });
    Client::new(&origin, &"r".parse().unwrap(), &SecretString::from("t".to_owned())).unwrap()
}

/// Reads until this has come.
async fn until(socket: &mut TcpStream, end: &[u8]) {
    let (mut last, mut buffer) = (vec![], vec![0; PIECE]);
    while !last.ends_with(end) {
        let read = socket.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the connection was cut");
        last = buffer[read.saturating_sub(end.len())..read].to_vec();
        if read > PIECE / 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn take_slowly(mut socket: TcpStream) {
    until(&mut socket, b"the end").await;
    answer(socket, r#"{"sha256":"of it","key":"k","offset":7}"#).await;
}

async fn answer(mut socket: TcpStream, body: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(answer.as_bytes()).await.unwrap();
    std::future::pending::<()>().await;
}

fn large() -> Bytes {
    [&vec![0; LARGE][..], b"the end"].concat().into()
}

#[tokio::test(start_paused = true)]
async fn what_moves_slowly_up_arrives() {
    let (job, attempt) = ("j".parse().unwrap(), AttemptNo(1));
    let began = tokio::time::Instant::now();
    let upload = Upload { name: "a", media_type: "x/y", sha256: "of it", bytes: large() };
    to(take_slowly).await.put_artifact(&job, attempt, upload).await.unwrap();
    assert!(began.elapsed() > STALLED, "slowly, that is");
    to(take_slowly).await.post_plan(&job, attempt, large()).await.unwrap();
    to(take_slowly).await.append_log(&job, attempt, 0, large()).await.unwrap();
}

async fn give_slowly(mut socket: TcpStream) {
    until(&mut socket, b"\r\n\r\n").await;
    socket.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..LARGE / PIECE {
        tokio::time::sleep(Duration::from_secs(1)).await;
        socket.write_all(&[b'x'; PIECE]).await.unwrap();
    }
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_report_with_much_to_say_arrives_slowly() {
    let large = "x".repeat(LARGE);
    let metadata = Some(serde_json::json!({ "of": large }));
    let report = StatusReport { execution_metadata: metadata, ..StatusReport::of(wire::JobStatus::Processing) };
    let client = to(|mut socket: TcpStream| async move {
        until(&mut socket, b"}}").await;
        answer(socket, r#"{"success":true}"#).await;
    });
    client.await.report(&"j".parse().unwrap(), AttemptNo(1), &report).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_moves_slowly_down_arrives() {
    assert_eq!(to(give_slowly).await.source("s").await.unwrap().len(), LARGE);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_move_at_all_is_given_up() {
    for begun in [
        "",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nhal",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal",
    ] {
        let client = to(move |mut socket| async move {
            until(&mut socket, b"\r\n\r\n").await;
            socket.write_all(begun.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let error = client.await.source("s").await.unwrap_err();
        assert!(matches!(error, ClientError::Stalled) && error.is_retryable(), "{begun:?}: {error}");
    }
    let client = to(|_socket: TcpStream| std::future::pending()).await;
    let upload = Upload { name: "a", media_type: "x/y", sha256: "of it", bytes: large() };
    let error = client.put_artifact(&"j".parse().unwrap(), AttemptNo(1), upload).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable(_)) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn who_is_busy_may_ask_for_a_pause_in_seconds_and_not_for_hours() {
    for (status, said, pause) in [
        ("429 Too Many Requests", "7", 7),
        ("503 Service Unavailable", "86400", 300),
        ("503 Service Unavailable", "Fri, 31 Dec 2100 23:59:59 GMT", 0),
        ("500 Internal Server Error", "7", 0),
    ] {
        let client = to(move |mut socket| async move {
            until(&mut socket, b"\r\n\r\n").await;
            let answer = format!("HTTP/1.1 {status}\r\nretry-after: {said}\r\ncontent-length: 0\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = client.await.source("s").await.unwrap_err();
        assert_eq!(error.pause(), Duration::from_secs(pause), "{status} {said}");
    }
}
