//! The logs of all jobs: two files per job, no database.
//!
//! `DIR/<job>/log` holds what the tool wrote, byte for byte; `DIR/<job>/index` holds one 32-byte
//! [`wire::FrameHeader`] per frame with the offset in the job's log. Who may write, and where an attempt begins, is
//! known elsewhere.

mod digest;
mod entries;
mod files;
mod frames;
mod job_log;
mod reader;
mod recovery;
mod store;

pub use entries::Entry;
pub use files::Tail;
pub use frames::BadFrames;
pub use reader::{Ending, LogReader};
pub use store::{LogError, LogLimits, LogStore};
