//! What the files are called, what stands in them, and how they are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{CloudIdentity, Job, JobStatus, LogSummary, Phase, Reason, Timestamp};

use super::JobDirectory;

/// The layout that this version writes. It adopts its own and the one before.
pub(crate) const FORMAT: u32 = 1;

/// The job as claimed.
pub(crate) const CLAIM: &str = "claim.json";
/// What the operator set.
pub(crate) const SETTINGS: &str = "settings.json";
/// Frames.
pub(crate) const LOG: &str = "log";
/// The job wants to change the world.
pub(crate) const COMMIT: &str = "commit.json";
/// What the plane says to that.
pub(crate) const COMMITTED: &str = "committed.json";
/// How it ended.
pub(crate) const OUTCOME: &str = "outcome.json";
/// Who runs it; locked while it lives.
pub(super) const PROCESS: &str = "process.json";
/// Why and how to stop.
pub(crate) const STOP: &str = "stop.json";
/// Progress and artifacts to deliver.
pub(crate) const OUTBOX: &str = "outbox";
/// What the job process itself prints: a panic, for example.
pub(crate) const PROCESS_OUTPUT: &str = "process-output";
/// The number of the layout.
pub(super) const FORMAT_FILE: &str = "format";
/// Room for the outcome on a full disk.
pub(super) const RESERVE: &str = "reserve";
pub(super) const RESERVE_BYTES: usize = 64 * 1024;

/// What the host hands to the job process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claimed {
    pub(crate) job: Job,
    pub(crate) log_limit_bytes: u64,
    #[serde(default)]
    pub(crate) cloud_identity: Option<CloudIdentity>,
}

/// The answer to a commit point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// Why not, if not.
    pub(crate) refused: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutcomeRecord {
    pub(crate) status: JobStatus,
    pub(crate) reason: Option<Reason>,
    pub(crate) error_message: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) phase: Phase,
    pub(crate) log: LogSummary,
    pub(crate) finished_at: Timestamp,
}

impl JobDirectory {
    /// Writes a document so that it is there whole or not at all, also after a power cut.
    pub(crate) fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        let temporary = self.file(&format!(".{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(document)?)?;
        file.sync_all()?;
        fs::rename(&temporary, self.file(name))?;
        File::open(&self.root)?.sync_all()
    }

    /// Reads a document; none if it is not there.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
