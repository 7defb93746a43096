//! Terraform states for its `http` backend: versions as files, one lock per state.
//!
//! A new lock is for the current attempt of a job that still runs. Who holds a lock may save and unlock even after
//! its lease was lost: an apply that goes on must be able to keep what it did.

mod actor;
mod locks;
mod store;
mod versions;

pub use actor::{Actor, StateName};
pub use locks::{Held, LockInfo};
pub use store::{StateError, StateStore, check_md5};
