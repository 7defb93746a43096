//! Each route: parse, ask, answer.

mod artifacts;
mod body;
mod file;
mod log_stream;
mod logs;
mod sources;
mod state;
mod storage;

pub use storage::{Storage, StorageLimits, router as storage_router};
