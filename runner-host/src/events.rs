//! Listens for orders that should not wait for the next heartbeat.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use sse_stream::SseStream;
use wire::CancelOrder;

use crate::client::Client;
use crate::dialect::Dialect;
use crate::runner::Runner;

/// For as long as the runner lives. A plane of the seed's contract has no such stream.
pub(crate) async fn run(runner: Arc<Runner>) {
    let mut pauses = pauses();
    loop {
        if runner.dialect().await == Dialect::Two && listen(&runner).await {
            pauses = self::pauses();
        }
        tokio::time::sleep(pauses.next().unwrap_or(Duration::from_secs(30))).await;
    }
}

fn pauses() -> impl Iterator<Item = Duration> + use<> {
    let builder = ExponentialBuilder::default().with_min_delay(Duration::from_millis(200));
    builder.with_max_delay(Duration::from_secs(30)).without_max_times().with_jitter().build()
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
    let mut events = SseStream::from_bytes_stream(answer.bytes_stream());
    while let Ok(Some(Ok(event))) = tokio::time::timeout(Client::silence(), events.next()).await {
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
