//! Asks for the next job until there is one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::time::Instant;
use wire::{Claim, ClaimRequest};

use crate::client::ClientError;
use crate::dialect::Dialect;
use crate::dispatch::blocking;
use crate::job_directory::try_room;
use crate::pauses::jittered;
use crate::runner::Runner;

/// How long the plane may hold the request.
const PARKED: Duration = Duration::from_secs(60);
/// The seed's poll.
const POLL: Duration = Duration::from_secs(10);
/// For how long a look at the disk says something of it.
const FRESH: Duration = Duration::from_secs(1);
/// Whether there is room again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The next job. Never without one; drop it to stop asking.
pub(crate) async fn next(runner: Arc<Runner>) -> Claim {
    let mut request_id = uuid::Uuid::new_v4().to_string();
    let mut pauses = pauses();
    loop {
        let dialect = runner.dialect().await;
        room(&runner).await;
        runner.make_next_directory();
        let request = (dialect == Dialect::Two).then(|| request(&runner, &request_id, PARKED));
        match runner.client.claim(request.as_ref()).await {
            Ok(claim) if claim.job.is_some() => return claim,
            Ok(_) => {
                request_id = uuid::Uuid::new_v4().to_string();
                pauses = self::pauses();
                if dialect == Dialect::Seed {
                    tokio::time::sleep(jittered(POLL)).await;
                }
            }
            // The same request again: if its answer was a job, it is answered with the same job.
            Err(error) => {
                let pause = pauses.next().unwrap_or(PARKED) + error.pause();
                say(&error, pause);
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Waits until a job would find room here. One that found none would fail, and the next, and all that wait.
async fn room(runner: &Runner) {
    let mut is_full = false;
    while let Err(error) = has_room(runner).await {
        if !is_full {
            let (error, directory) = (crate::chain(&error), runner.jobs_dir.display());
            tracing::error!(error, %directory, "there is no room for a job; none is taken until there is");
        }
        is_full = true;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if is_full {
        tracing::info!("there is room for a job again");
    }
}

/// A look at whether a job would find room.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    looked: Instant,
    is_there: bool,
}

impl Room {
    pub(crate) async fn look(runner: &Runner) -> Self {
        Self { looked: Instant::now(), is_there: has_room(runner).await.is_ok() }
    }

    /// As it was seen, if that was just now.
    pub(crate) async fn is_there(self, runner: &Runner) -> bool {
        let last = if self.looked.elapsed() < FRESH { self } else { Self::look(runner).await };
        last.is_there
    }
}

async fn has_room(runner: &Runner) -> io::Result<()> {
    let jobs = runner.jobs_dir.clone();
    blocking(move || try_room(&jobs)).await
}

/// What a report of an end asks for where there is room: the next job for the slot that is free then, if one waits. None from
/// a runner that takes no more, or that holds more than it has slots, as one that was started again with fewer.
pub(crate) fn beside_a_report(runner: &Runner) -> Option<ClaimRequest> {
    let is_free_then = runner.held.count() <= runner.config.slots;
    let wants_one = runner.takes_more() && is_free_then;
    wants_one.then(|| request(runner, &uuid::Uuid::new_v4().to_string(), Duration::ZERO))
}

fn request(runner: &Runner, request_id: &str, wait: Duration) -> ClaimRequest {
    ClaimRequest {
        request_id: Some(request_id.to_owned()),
        wait_s: wait.as_secs(),
        free_slots: 1,
        kinds: Some(runner.capabilities.kinds()),
        labels: runner.config.labels.clone(),
    }
}

fn pauses() -> impl Iterator<Item = Duration> + use<> {
    crate::pauses::pauses(Duration::from_millis(200), Duration::from_secs(15)).build()
}

fn say(error: &ClientError, pause: Duration) {
    tracing::warn!(error = crate::chain(error), pause_ms = pause.as_millis(), "cannot claim a job; trying again");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::json;

    use super::*;
    use crate::heartbeat::tests::runner_for;

    static IS_BUSY: AtomicBool = AtomicBool::new(true);

    async fn answer() -> axum::response::Response {
        if IS_BUSY.swap(false, Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "120")], "come back later").into_response();
        }
        Json(json!({ "job": { "id": "j", "job_type": "test", "status": "CLAIMED", "attempt": 1 } })).into_response()
    }

    /// The clock stands still.
    #[tokio::test(start_paused = true)]
    async fn who_is_busy_is_left_alone_as_long_as_it_asks() {
        let router = Router::new().route(wire::paths::CLAIM, post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let runner = Arc::new(runner_for(&origin, folder.path()).await);
        runner.dialect.send_replace(Some(Dialect::Two));
        let began = Instant::now();
        assert!(next(runner).await.job.is_some());
        assert!(began.elapsed() >= Duration::from_secs(120), "{:?}", began.elapsed());
    }
}
