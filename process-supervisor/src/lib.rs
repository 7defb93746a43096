//! Runs one command as a process group: streams what it prints, stops it kindly, then firmly.
//!
//! It knows nothing of jobs, logs or tools, and judges no exit: whoever calls decides what an exit code means.

mod command;
mod detached;
mod exit;
mod ladder;
mod output;
mod supervise;
mod unix;

pub use command::{Command, Environment};
pub use detached::{DetachedProcess, spawn_detached};
pub use exit::{ProcessExit, SpawnError};
pub use ladder::StopOrder;
pub use output::{Output, OutputStream};
pub use supervise::supervise;
pub use unix::{ProcessIdentity, become_subreaper, boot_id, hide_secrets, kill_descendants, release_program_pages};
