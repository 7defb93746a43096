//! What is done to its end whoever waits for it.

use crate::error::PlaneError;

/// Does it to the end even if whoever waits for it goes away: what is committed must be announced.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, PlaneError>> + Send + 'static,
) -> Result<T, PlaneError> {
    tokio::spawn(work).await.map_err(|stopped| {
        let why = if stopped.is_panic() {
            "the control plane has a defect: it panicked"
        } else {
            "the control plane is leaving"
        };
        PlaneError::Commit(why.to_owned())
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_not_called_a_plane_that_leaves() {
        let stopped = detached::<()>(async { panic!("on purpose") }).await;
        assert!(matches!(&stopped, Err(PlaneError::Commit(why)) if why.contains("panicked")), "{stopped:?}");
    }
}
