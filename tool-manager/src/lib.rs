//! The tools that executors run: pinned versions, fetched once, checked by SHA-256, kept side by side.
