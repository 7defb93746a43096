//! Trying again: what goes away by itself is tried three times, five seconds apart.

use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder, ConstantBackoff, ConstantBuilder};

use crate::JobContext;

const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// How often something of a job is tried again. What may go away by itself, and may be done twice, only the executor knows.
pub struct Patience<'a> {
    job: &'a JobContext,
    pauses: ConstantBackoff,
}

impl<'a> Patience<'a> {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(job: &'a JobContext) -> Self {
        let policy = ConstantBuilder::default().with_delay(PAUSE).with_max_times(TRIES - 1);
        Self { job, pauses: policy.build() }
    }

    /// Says in the job's log why there is another try, and waits for it; false if it was tried often enough. A request to
    /// stop ends the wait, and it is for the next try to see it.
    pub async fn waits_for_another_try(&mut self, why: impl Display) -> bool {
        let Some(pause) = self.pauses.next() else { return false };
        self.job.log().system(format!("{why}; trying again in {} s", pause.as_secs()));
        // In time or because of a stop: either way the wait is over.
        let _ = tokio::time::timeout(pause, self.job.stop().changed_from(None)).await;
        true
    }
}

/// Whether a tool says that the network, or a Kubernetes server, is not to be had for a while: in the words of Go's
/// network library and of Kubernetes. What else a tool may say, its executor knows.
#[must_use]
pub fn goes_away_by_itself(said: &str) -> bool {
    const SIGNS: [&str; 20] = [
        "connection refused",
        // As kubectl says it, once it knows what the server has.
        "was refused - did you specify the right host or port?",
        "connection reset by peer",
        "connection timed out",
        "broken pipe",
        "unexpected EOF",
        "i/o timeout",
        "TLS handshake timeout",
        "Client.Timeout exceeded",
        "client connection lost",
        "server misbehaving",
        "Temporary failure in name resolution",
        "etcdserver: leader changed",
        "etcdserver: request timed out",
        "the server is currently unable to handle the request",
        "apiserver not ready",
        "Too Many Requests",
        "502 (Bad Gateway)",
        "503 (Service Unavailable)",
        "504 (Gateway Timeout)",
    ];
    SIGNS.iter().any(|sign| said.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestJob;
    use crate::{Stop, StopReason};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn three_tries_five_seconds_apart() {
        let job = TestJob::builder("k", &serde_json::json!({})).build().unwrap();
        let (started, mut tries) = (Instant::now(), 1);
        let mut patience = Patience::new(&job.context);
        while patience.waits_for_another_try("no").await {
            tries += 1;
        }
        assert_eq!((tries, started.elapsed().as_secs()), (3, 10));
        assert_eq!(job.log().matches("no; trying again in 5 s").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait() {
        let job = TestJob::builder("k", &serde_json::json!({})).build().unwrap();
        let started = Instant::now();
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
        assert!(Patience::new(&job.context).waits_for_another_try("no").await);
        assert_eq!(started.elapsed().as_secs(), 0);
    }

    #[test]
    fn a_name_that_nobody_knows_does_not_go_away() {
        assert!(goes_away_by_itself("dial tcp 127.0.0.1:1: connect: connection refused"));
        assert!(goes_away_by_itself(
            "The connection to the server a:6443 was refused - did you specify the right host or port?"
        ));
        for text in ["dial tcp: lookup a: no such host", "(Forbidden)", "401 Unauthorized", ""] {
            assert!(!goes_away_by_itself(text), "{text}");
        }
    }
}
