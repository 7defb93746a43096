//! A server of release files, with good days and bad ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use futures_util::{StreamExt, stream};
use tokio::task::JoinHandle;

/// What is served under a path.
#[derive(Clone)]
pub(crate) enum Answer {
    File(Vec<u8>),
    Status(u16),
    Redirect(String),
    /// Its first bytes, then the connection breaks.
    CutOff(Vec<u8>),
    /// Byte by byte.
    Drip(Vec<u8>),
    /// Headers, and nothing more.
    Silent,
    /// One after the other; the last one from then on.
    Then(Vec<Answer>),
}

/// It stops when it is dropped.
pub(crate) struct Site {
    address: String,
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Shelf {
    answers: Arc<BTreeMap<String, Answer>>,
    asked: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) async fn serving(answers: impl IntoIterator<Item = (String, Answer)>) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let shelf = Shelf { answers: Arc::new(answers.into_iter().collect()), asked: Arc::clone(&asked) };
        let router = axum::Router::new().fallback(serve).with_state(shelf);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, asked, serving }
    }

    /// Scheme, host and port.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// How many requests there were.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(State(shelf): State<Shelf>, uri: Uri) -> Response<Body> {
    let nth = shelf.asked.fetch_add(1, Ordering::SeqCst);
    match shelf.answers.get(uri.path()) {
        Some(Answer::Then(answers)) => response(&answers[nth.min(answers.len() - 1)]),
        Some(answer) => response(answer),
        None => response(&Answer::Status(404)),
    }
}

fn response(answer: &Answer) -> Response<Body> {
    let builder = Response::builder();
    let response = match answer {
        Answer::File(bytes) => builder.body(Body::from(bytes.clone())),
        Answer::Status(status) => builder.status(*status).body(Body::from("no")),
        Answer::Redirect(to) => builder.status(302).header("location", to).body(Body::empty()),
        Answer::CutOff(bytes) => {
            let parts = [Ok(bytes.clone()), Err(std::io::Error::other("the line broke"))];
            builder.body(Body::from_stream(stream::iter(parts)))
        }
        Answer::Drip(bytes) => {
            let bytes = stream::iter(bytes.clone()).then(async |byte| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok::<_, std::io::Error>(vec![byte])
            });
            builder.body(Body::from_stream(bytes))
        }
        Answer::Silent => builder.body(Body::from_stream(stream::pending::<std::io::Result<Vec<u8>>>())),
        Answer::Then(_) => unreachable!("there is one level of it"),
    };
    response.unwrap()
}
