//! The live log as server-sent events. A viewer costs reads of the log's files and nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use wire::JobId;

use super::{Storage, body, logs};
use crate::access::{Access, Progress, Refusal};
use crate::logs::LogReader;

/// Read at once; what waits for a slow viewer is never more.
const READ_BYTES: u64 = 256 << 10;
const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Deserialize)]
pub(super) struct StreamQuery {
    after: Option<String>,
}

/// `GET /api/jobs/{id}/logs/stream`
pub(super) async fn stream_log(
    State(storage): State<Storage>,
    Path(job): Path<String>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let job = body::job_id(&job)?;
    let departures = storage.access.departures();
    storage.access.reading(&headers, &job).await?;
    let after = body::offset("after", resume_point(&headers)?.or(query.after.as_deref()))?;
    let viewer = Viewer {
        progress: storage.access.progress(&job).await?,
        reader: storage.logs.reader(&job, after).await?,
        job,
        access: storage.access,
        headers,
        departures,
        shown: None,
        is_done: false,
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("ping");
    let events = Sse::new(viewer.events()).keep_alive(keep_alive);
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], events).into_response())
}

/// A browser that comes back says what it saw last.
fn resume_point(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let text = headers.get(LAST_EVENT_ID).map(|value| value.to_str()).transpose();
    text.map_err(|_| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Last-Event-ID is not text"))
}

/// One open stream.
struct Viewer {
    job: JobId,
    reader: LogReader,
    progress: watch::Receiver<Progress>,
    access: Arc<dyn Access>,
    /// Those of its request: who the viewer is.
    headers: HeaderMap,
    departures: watch::Receiver<()>,
    /// What the last `event: status` said.
    shown: Option<Progress>,
    is_done: bool,
}

impl Viewer {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut viewer| async move {
            let events = viewer.next_events().await?;
            Some((stream::iter(events.into_iter().map(Ok)), viewer))
        })
        .flatten()
    }

    /// What comes next: a change of status, log, or the end. None when the stream is over, or is nobody's any more.
    async fn next_events(&mut self) -> Option<Vec<Event>> {
        while !self.is_done {
            if self.departures.has_changed().unwrap_or_default() {
                self.departures.mark_unchanged();
                self.access.reading(&self.headers, &self.job).await.ok()?;
            }
            // Looked at before the log is read: what ended by now is all there.
            let progress = *self.progress.borrow_and_update();
            if self.shown.replace(progress) != Some(progress) {
                return Some(vec![event("status", &progress)]);
            }
            let entries = self.reader.next(READ_BYTES, logs::ending(progress.status)).await;
            let entries = entries
                .inspect_err(|error| tracing::error!(%error, job.id = %self.job, "could not read a log"))
                .ok()?;
            if !entries.is_empty() {
                let entries = entries.into_iter().map(|entry| entry.into_wire(self.job.clone()));
                return Some(entries.map(|entry| event("log", &entry).id(entry.id.to_string())).collect());
            }
            if progress.status.is_terminal() {
                self.is_done = true;
                return Some(vec![event("end", &json!({ "status": progress.status }))]);
            }
            tokio::select! {
                () = self.reader.changed() => {}
                changed = self.progress.changed() => changed.ok()?,
                changed = self.departures.changed() => {
                    changed.ok()?;
                    self.departures.mark_changed();
                }
            }
        }
        None
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Our own types always are JSON; an event without data would only be ignored.
    Event::default().event(name).json_data(data).unwrap_or_default()
}
