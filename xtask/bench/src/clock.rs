//! The one clock that all processes of a machine share.

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC in nanoseconds.
#[must_use]
pub fn now_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Milliseconds since an earlier [`now_ns`].
#[must_use]
pub fn ms_since(earlier_ns: i64) -> f64 {
    ms_between(earlier_ns, now_ns())
}

/// Milliseconds from one [`now_ns`] to another.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a benchmark lasts less than 2^53 ns")]
pub fn ms_between(earlier_ns: i64, later_ns: i64) -> f64 {
    (later_ns - earlier_ns) as f64 / 1e6
}
