//! Listens for orders that should not wait for the next heartbeat.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use futures_util::Stream;
use sse_stream::{Sse, SseByteStream};
use tokio_stream::StreamExt;
use wire::CancelOrder;

use crate::dialect::Dialect;
use crate::runner::Runner;

/// A stream that is silent for this long is dead: the plane pings every 30 s.
const SILENT: Duration = Duration::from_secs(100);
/// Without a stream, heartbeats bring the orders.
const LONGEST: Duration = Duration::from_secs(30);

/// For as long as the runner lives. A plane of the seed's contract has no such stream.
pub(crate) async fn run(runner: Arc<Runner>) {
    let mut pauses = pauses();
    loop {
        if runner.dialect().await == Dialect::Two && listen(&runner).await {
            pauses = self::pauses();
        }
        tokio::time::sleep(pauses.next().unwrap_or(LONGEST)).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> + use<> {
    crate::pauses::pauses(Duration::from_millis(200), LONGEST).build()
}

/// Until the stream ends; true if it ever began.
async fn listen(runner: &Runner) -> bool {
    let answer = match runner.client.events().await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(error = crate::chain(&error), "no stream of events; heartbeats bring the orders");
            return false;
        }
    };
    let mut events = pin!(events(answer.bytes_stream()));
    while let Some(event) = events.next().await {
        match (event.event.as_deref(), event.data) {
            (Some("cancel"), Some(data)) => match serde_json::from_str::<CancelOrder>(&data) {
                Ok(order) => runner.held.cancel(&order),
                Err(error) => tracing::warn!(%error, "an order to cancel cannot be read"),
            },
            (Some("drain"), _) => runner.plane_drains.notify_one(),
            _ => {}
        }
    }
    true
}

/// The events, until the stream breaks or nothing at all comes for too long. A ping is no event, and yet a sign of life: so
/// the silence is that of bytes.
fn events<B, E>(bytes: impl Stream<Item = Result<B, E>>) -> impl Stream<Item = Sse>
where
    B: bytes::Buf,
    E: std::error::Error + Send + Sync + 'static,
{
    SseByteStream::new(bytes.timeout(SILENT).map_while(Result::ok)).map_while(Result::ok)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn paced(pieces: Vec<(u64, &'static str)>) -> impl Stream<Item = Result<&'static [u8], Infallible>> {
        stream::iter(pieces).then(|(pause, piece)| async move {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Ok(piece.as_bytes())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn pings_keep_the_stream_alive() {
        let mut pieces = vec![(30, ": ping\n\n"); 20];
        pieces.push((30, "event: drain\ndata: {}\n\n"));
        let heard: Vec<Sse> = events(paced(pieces)).collect().await;
        assert_eq!(heard.iter().map(|event| event.event.as_deref()).collect::<Vec<_>>(), [Some("drain")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_dead() {
        let pieces = vec![(1, ": ping\n\n"), (101, "event: drain\ndata: {}\n\n")];
        assert!(pin!(events(paced(pieces))).next().await.is_none());
    }
}
