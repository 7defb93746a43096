//! Each route: parse, ask, answer.

mod artifacts;
mod body;
mod file;
pub(crate) mod git_credentials;
pub(crate) mod identities;
mod log_stream;
mod logs;
pub(crate) mod oidc;
pub(crate) mod platform;
pub(crate) mod runner_deploy;
pub(crate) mod runner_side;
pub(crate) mod runner_update;
pub(crate) mod runners;
mod sources;
mod state;
mod storage;
pub(crate) mod user_side;
pub(crate) mod users;

pub use storage::{Storage, StorageLimits, router as storage_router};
