//! One run on disk: the whole interface between the runner and a job process. Its only reader and writer.

mod directory;
mod documents;
mod format;
mod kept;
mod next;
mod outbox;
mod process;
mod room;
mod stop;
#[cfg(test)]
mod tests;

pub(crate) use directory::JobDirectory;
pub(crate) use documents::{
    CLAIM, COMMIT, COMMITTED, Claimed, Committed, LOG, OUTCOME, OutcomeRecord, PROCESS_OUTPUT, STOP,
};
pub(crate) use format::FORMAT;
pub(crate) use next::NextDirectory;
pub(crate) use outbox::{ArtifactRecord, OutboxEntry};
pub(crate) use room::try_room;
