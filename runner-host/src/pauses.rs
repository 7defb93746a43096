//! How long to wait before the plane is asked again.

use std::time::Duration;

use backon::ExponentialBuilder;
use rand::RngExt;

/// From the first to the longest, without end. Many runners that lost their plane together must not ask together.
pub(crate) fn pauses(first: Duration, longest: Duration) -> ExponentialBuilder {
    let builder = ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest);
    builder.without_max_times().with_jitter()
}

/// About as long. Many runners that were started together must not ask together.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.8..1.2))
}
