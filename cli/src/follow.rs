//! Follows a job to its end, over lost connections and restarts of the control plane.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use sse_stream::SseStream;
use wire::{Job, JobId, JobStatus, LogEntry};

use crate::api::{Api, ApiError, Explanation};
use crate::log_printer::LogPrinter;
use crate::output;

/// A stream that says nothing for this long is dead: the control plane sends a comment every 15 s.
const SILENT: Duration = Duration::from_secs(60);

/// A job that nobody has taken for this long waits for something.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// What one that waits long waits for is asked so rarely: the control plane has to ask itself about every runner.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the log from its start, and returns the job once it has ended. While nobody takes it, says why.
pub(crate) async fn follow(api: &Api, id: &JobId, printer: &mut LogPrinter) -> Result<Job, ApiError> {
    tokio::select! {
        job = follow_log(api, id, printer) => job,
        never = say_why_it_waits(api, id) => match never {},
    }
}

/// Says each new reason once. What goes wrong here the log's follower says.
async fn say_why_it_waits(api: &Api, id: &JobId) -> Infallible {
    let mut said = None;
    for pause in growing(IMPATIENCE, PATIENCE).build() {
        tokio::time::sleep(pause).await;
        match api.job(id).await {
            Ok(job) if job.status == JobStatus::Queued => {}
            Ok(_) => return std::future::pending().await,
            Err(_) => continue,
        }
        let Ok(document) = api.explain(id).await else { continue };
        let Ok(explanation) = serde_json::from_value::<Explanation>(document) else { continue };
        let text = format!("waiting: {explanation}");
        if said.as_ref() != Some(&text) {
            output::note(&text);
            said = Some(text);
        }
    }
    std::future::pending().await
}

async fn follow_log(api: &Api, id: &JobId, printer: &mut LogPrinter) -> Result<Job, ApiError> {
    let mut after = 0;
    let mut pauses = pauses();
    loop {
        let seen = after;
        match listen(api, id, &mut after, printer).await {
            Ok(Heard::End) => return wait_for_end(api, id).await,
            Ok(Heard::Silence) => {}
            Err(error) if error.is_retryable() => output::note(&format!("{error}; trying again")),
            Err(error) => return Err(error),
        }
        if after > seen {
            pauses = self::pauses();
        }
        tokio::time::sleep(pauses.next().unwrap_or(SILENT)).await;
    }
}

/// The same, unless somebody presses Ctrl-C, which leaves the job alone; then none.
pub(crate) async fn until_interrupted(
    followed: impl Future<Output = Result<Job, ApiError>>,
) -> anyhow::Result<Option<Job>> {
    tokio::select! {
        job = followed => Ok(Some(job?)),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("cannot listen for Ctrl-C")?;
            Ok(None)
        }
    }
}

/// The job itself, after its stream has said that it ended.
async fn wait_for_end(api: &Api, id: &JobId) -> Result<Job, ApiError> {
    let mut pauses = pauses();
    loop {
        match api.job(id).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(pauses.next().unwrap_or(SILENT)).await,
            answer => return answer,
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> + use<> {
    growing(Duration::from_millis(200), Duration::from_secs(5)).with_jitter().build()
}

fn growing(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest).without_max_times()
}

enum Heard {
    /// The job has ended, and all of its log was printed.
    End,
    /// The connection is gone.
    Silence,
}

async fn listen(api: &Api, id: &JobId, after: &mut u64, printer: &mut LogPrinter) -> Result<Heard, ApiError> {
    let mut events = SseStream::from_bytes_stream(api.log_events(id, *after).await?);
    while let Ok(Some(Ok(event))) = tokio::time::timeout(SILENT, events.next()).await {
        match (event.event.as_deref(), event.data) {
            (Some("log"), Some(data)) => {
                let entry: LogEntry = serde_json::from_str(&data).map_err(|source| api.nonsense(source))?;
                *after = entry.id;
                printer.entry(&entry);
            }
            (Some("end"), _) => return Ok(Heard::End),
            _ => {}
        }
    }
    Ok(Heard::Silence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_job_waits_is_asked_ever_more_rarely_and_for_as_long_as_it_waits() {
        let pauses = growing(IMPATIENCE, PATIENCE).build();
        let seconds: Vec<_> = pauses.take(1000).map(|pause| pause.as_secs()).collect();
        assert_eq!((&seconds[..6], seconds.len()), (&[2, 4, 8, 16, 30, 30][..], 1000));
    }
}
