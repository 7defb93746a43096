//! Why a request to Argo CD did not succeed, sorted by what happens next; and trying again.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext, Patience, goes_away_by_itself};

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The network, or a server that is busy or just starting: the next try may succeed.
    Transient(ExecutorError),
    /// Another operation runs on the application.
    Busy(ExecutorError),
    /// It is not there, or we may not see it: Argo CD does not tell which.
    Missing(ExecutorError),
    /// Trying again would not help.
    Final(ExecutorError),
}

impl Failure {
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }

    /// The job was asked to stop, and no answer is to be expected.
    pub(crate) fn is_stop(&self) -> bool {
        matches!(self, Self::Final(ExecutorError::Stopped(_)))
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        Self::Final(error)
    }
}

impl From<Failure> for ExecutorError {
    fn from(failure: Failure) -> Self {
        let (Failure::Transient(error) | Failure::Busy(error) | Failure::Missing(error) | Failure::Final(error)) =
            failure;
        error
    }
}

/// Waits where another try makes sense, and gives the failure back where none does.
pub(crate) async fn wait_after(patience: &mut Patience<'_>, failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Transient(error) if patience.waits_for_another_try(&error).await => Ok(()),
        failure => Err(failure),
    }
}

/// Tries with [`Patience`].
pub(crate) async fn patiently<T, W: Future<Output = Result<T, Failure>>>(
    job: &JobContext,
    mut work: impl FnMut() -> W,
) -> Result<T, Failure> {
    let mut patience = Patience::new(job);
    loop {
        match work().await {
            Ok(done) => return Ok(done),
            Err(failure) => wait_after(&mut patience, failure).await?,
        }
    }
}

/// Waits for a command no longer than that. Whether it was done nobody knows then.
pub(crate) async fn within<T>(
    command: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            let text = format!("`{command}` did not answer within {} s", limit.as_secs());
            Err(Failure::Transient(ExecutorError::Unsuccessful(text)))
        }
    }
}

/// What goes away by itself, in the words of gRPC, and of a proxy where it goes over HTTP/1.1, too.
pub(crate) fn looks_transient(text: &str) -> bool {
    const SIGNS: [&str; 4] = [
        "error reading from server: EOF",
        "failed with status code 502",
        "failed with status code 503",
        "failed with status code 504",
    ];
    let goes_away = goes_away_by_itself(text) || SIGNS.iter().any(|sign| text.contains(sign));
    goes_away && !is_about_certificates(text)
}

/// A certificate that is refused now is refused later.
pub(crate) fn is_about_certificates(text: &str) -> bool {
    ["x509:", "tls: ", "invalid peer certificate"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use executor_api::testing::TestJob;
    use executor_api::{Stop, StopReason};
    use serde_json::json;

    fn other(text: &str) -> ExecutorError {
        ExecutorError::Other(text.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_transient_is_tried_three_times() {
        let job = TestJob::builder("argocd", &json!({})).build().unwrap();
        for (failure, expected) in [
            (Failure::Transient as fn(ExecutorError) -> Failure, (3, 10)),
            (Failure::Busy, (1, 0)),
            (Failure::Missing, (1, 0)),
            (Failure::Final, (1, 0)),
        ] {
            let started = tokio::time::Instant::now();
            let tries = Cell::new(0);
            let ended: Result<(), _> = patiently(&job.context, async || {
                tries.set(tries.get() + 1);
                Err(failure(other("no")))
            })
            .await;
            assert!(ended.is_err());
            assert_eq!((tries.get(), started.elapsed().as_secs()), expected);
        }
        assert_eq!(job.log().matches("no; trying again in 5 s").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pause() {
        let job = TestJob::builder("argocd", &json!({})).build().unwrap();
        let started = tokio::time::Instant::now();
        let ended: Result<(), _> = patiently(&job.context, async || {
            job.context.check_stop()?;
            job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
            Err(Failure::Transient(other("no")))
        })
        .await;
        assert!(ended.unwrap_err().is_stop());
        assert_eq!(started.elapsed().as_secs(), 0);
    }

    #[test]
    fn a_certificate_that_is_refused_stays_refused() {
        assert!(looks_transient("dial tcp 127.0.0.1:1: connect: connection refused"));
        assert!(!looks_transient(
            "error dial proxy: tls: failed to verify certificate: x509: unknown authority; connection refused"
        ));
        assert!(!looks_transient("permission denied"));
    }
}
