//! What the files are called, what stands in them, and how they are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use executor_api::JobSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{CloudIdentity, Job, JobStatus, LogSummary, Phase, Reason, Timestamp};

use super::JobDirectory;

/// What the host hands to the job process.
pub(crate) const CLAIM: &str = "claim.json";
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
/// Why and how to stop; nothing, until somebody asks for it.
pub(crate) const STOP: &str = "stop.json";
/// What the job process itself prints: a panic, for example.
pub(crate) const PROCESS_OUTPUT: &str = "process-output";

/// What the host hands to the job process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claimed {
    /// The number of the layout: [`super::FORMAT`].
    pub(crate) format: u32,
    /// The boot of this machine in which it was claimed. No process lives longer.
    pub(crate) boot_id: String,
    /// The job as claimed.
    pub(crate) job: Job,
    pub(crate) log_limit_bytes: u64,
    pub(crate) cloud_identity: Option<CloudIdentity>,
    /// Whether the plane vouches for who the job is; one that did not say is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issues_tokens: Option<bool>,
    /// What the operator set, as far as the job may know it.
    pub(crate) settings: JobSettings,
}

#[cfg(test)]
impl Claimed {
    /// Of a job in the form that the wire has it.
    pub(crate) fn of(job: Value) -> Self {
        let (format, boot_id) = (super::FORMAT, "of a test".to_owned());
        let (job, settings) = (serde_json::from_value(job).unwrap(), JobSettings::default());
        let (log_limit_bytes, cloud_identity, issues_tokens) = (u64::MAX, None, None);
        Self { format, boot_id, job, log_limit_bytes, cloud_identity, issues_tokens, settings }
    }
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
    /// Whether the host says it for a process that could not.
    #[serde(default)]
    pub(crate) is_stand_in: bool,
}

impl JobDirectory {
    /// Writes a document so that it is there whole or not at all, also after a power cut; and the claim with it, without
    /// which nobody could tell what it is about.
    pub(crate) fn write(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        self.sync_claim()?;
        self.fill(name, document)?.sync_all()?;
        self.show(name)?;
        File::open(&self.root)?.sync_all()
    }

    /// Once: it never changes.
    pub(crate) fn sync_claim(&self) -> io::Result<()> {
        if self.claim_is_synced.get().is_none() {
            File::open(self.file(CLAIM))?.sync_all()?;
            let _ = self.claim_is_synced.set(());
        }
        Ok(())
    }

    /// Writes a document so that it is there whole or not at all, whoever is killed meanwhile. A power cut may undo it.
    pub(crate) fn place(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        self.fill(name, document)?;
        self.show(name)
    }

    /// Nothing is truncated before it is written over: what the file holds already, on a full disk it must not lose.
    pub(super) fn fill(&self, name: &str, document: &impl Serialize) -> io::Result<File> {
        let text = serde_json::to_vec(document)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(self.hidden(name))?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        Ok(file)
    }

    pub(super) fn show(&self, name: &str) -> io::Result<()> {
        fs::rename(self.hidden(name), self.file(name))
    }

    /// Where a document is until it is whole.
    pub(super) fn hidden(&self, name: &str) -> PathBuf {
        self.file(&format!(".{name}.new"))
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
