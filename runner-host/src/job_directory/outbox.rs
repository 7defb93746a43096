//! Progress and artifacts on their way from the job to the plane: one file each, beside the other files, numbered.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::JobDirectory;
use super::directory::new_file;
use super::format::former_bytes;

pub(super) const PREFIX: &str = "outbox.";
const PROGRESS: &str = ".progress";
const ARTIFACT: &str = ".artifact";

/// What an artifact is: the first line of its entry. Its bytes follow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArtifactRecord {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) sha256: String,
}

/// One entry of the outbox.
#[derive(Debug)]
pub(crate) enum OutboxEntry {
    Progress(Map<String, Value>),
    Artifact {
        record: ArtifactRecord,
        bytes: Bytes,
    },
    /// It cannot be read, and never will be: only artifacts are sure to reach the disk before a power cut.
    Damaged {
        why: String,
    },
}

impl OutboxEntry {
    pub(super) fn progress(text: &[u8]) -> Self {
        Self::or_damaged(serde_json::from_slice(text).map(Self::Progress))
    }

    pub(super) fn artifact(record: &[u8], bytes: Bytes) -> Self {
        Self::or_damaged(serde_json::from_slice(record).map(|record| Self::Artifact { record, bytes }))
    }

    fn or_damaged(read: serde_json::Result<Self>) -> Self {
        read.unwrap_or_else(|error| Self::Damaged { why: error.to_string() })
    }
}

impl JobDirectory {
    /// Adds an entry to the outbox.
    pub(crate) fn put_progress(&self, number: u32, metadata: &Map<String, Value>) -> io::Result<()> {
        self.place(&format!("{PREFIX}{number:06}{PROGRESS}"), metadata)
    }

    /// Adds an artifact to the outbox. It is safe on disk when this returns.
    pub(crate) fn put_artifact(&self, number: u32, record: &ArtifactRecord, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{PREFIX}{number:06}{ARTIFACT}");
        let hidden = self.hidden(&name);
        // Half of one would take room that is needed.
        write_artifact(&hidden, record, bytes).inspect_err(|_| drop(fs::remove_file(&hidden)))?;
        self.show(&name)?;
        File::open(self.root())?.sync_all()
    }

    /// The first entry of the outbox, and the file to remove when it is delivered.
    pub(crate) fn next_outbox(&self) -> io::Result<Option<(PathBuf, OutboxEntry)>> {
        let names = fs::read_dir(self.root())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let Some(name) = names.filter(|name| name.starts_with(PREFIX)).min() else { return self.next_former_outbox() };
        let file = self.file(&name);
        if name.ends_with(PROGRESS) {
            let entry = OutboxEntry::progress(&fs::read(&file)?);
            return Ok(Some((file, entry)));
        }
        let mut reader = BufReader::new(File::open(&file)?);
        let (mut record, mut bytes) = (Vec::new(), Vec::new());
        reader.read_until(b'\n', &mut record)?;
        reader.read_to_end(&mut bytes)?;
        Ok(Some((file, OutboxEntry::artifact(&record, bytes.into()))))
    }

    /// Removes a delivered entry.
    pub(crate) fn remove_outbox(file: &Path) -> io::Result<()> {
        fs::remove_file(file)?;
        // After what names it: bytes alone are nothing to deliver.
        match fs::remove_file(former_bytes(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn write_artifact(file: &Path, record: &ArtifactRecord, bytes: &[u8]) -> io::Result<()> {
    let mut file = new_file(file)?;
    for part in [&serde_json::to_vec(record)?, &b"\n"[..], bytes] {
        file.write_all(part)?;
    }
    file.sync_all()
}
