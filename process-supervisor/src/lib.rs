//! Runs one command as a process group: streams what it prints, stops it kindly, then firmly.
//!
//! It knows nothing of jobs, logs or tools, and judges no exit: whoever calls decides what an exit code means.

mod command;
mod exit;
mod supervise;
mod unix;

pub use command::{Command, Environment};
pub use exit::{ProcessExit, SpawnError};
pub use supervise::{Output, OutputStream, StopOrder, supervise};
pub use unix::{DetachedProcess, ProcessIdentity, spawn_detached};
