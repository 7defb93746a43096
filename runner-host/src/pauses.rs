//! How long to wait before the plane is asked again.

use std::time::Duration;

use backon::ExponentialBuilder;

/// From the first to the longest, without end. Many runners that lost their plane together must not ask together.
pub(crate) fn pauses(first: Duration, longest: Duration) -> ExponentialBuilder {
    let builder = ExponentialBuilder::default().with_min_delay(first).with_max_delay(longest);
    builder.without_max_times().with_jitter()
}
