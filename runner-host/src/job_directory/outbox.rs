//! Progress and artifacts on their way from the job to the plane.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::JobDirectory;
use super::documents::OUTBOX;

/// An artifact in the outbox, beside its bytes.
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
    Artifact { record: ArtifactRecord, file: PathBuf },
}

impl JobDirectory {
    /// Adds an entry to the outbox: under a hidden name first, so that nobody sees half of it.
    pub(crate) fn put_progress(&self, number: u32, metadata: &Map<String, Value>) -> io::Result<()> {
        self.write_outbox(&format!("{number:06}.progress.json"), &serde_json::to_vec(metadata)?)
    }

    /// Adds an artifact to the outbox.
    pub(crate) fn put_artifact(&self, number: u32, record: &ArtifactRecord, bytes: &[u8]) -> io::Result<()> {
        self.write_outbox(&format!("{number:06}.artifact.bytes"), bytes)?;
        self.write_outbox(&format!("{number:06}.artifact.json"), &serde_json::to_vec(record)?)
    }

    fn write_outbox(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let outbox = self.file(OUTBOX);
        let temporary = outbox.join(format!(".{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, outbox.join(name))
    }

    /// The first entry of the outbox, and the file to remove when it is delivered.
    pub(crate) fn next_outbox(&self) -> io::Result<Option<(PathBuf, OutboxEntry)>> {
        let mut names: Vec<_> = fs::read_dir(self.file(OUTBOX))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.') && name.ends_with(".json"))
            .collect();
        names.sort();
        let Some(name) = names.into_iter().next() else { return Ok(None) };
        let file = self.file(OUTBOX).join(&name);
        let bytes = fs::read(&file)?;
        let entry = if name.ends_with(".progress.json") {
            OutboxEntry::Progress(serde_json::from_slice(&bytes)?)
        } else {
            let record = serde_json::from_slice(&bytes)?;
            OutboxEntry::Artifact { record, file: file.with_extension("bytes") }
        };
        Ok(Some((file, entry)))
    }

    /// Removes a delivered entry.
    pub(crate) fn remove_outbox(file: &Path) -> io::Result<()> {
        let bytes = file.with_extension("bytes");
        if bytes.exists() {
            fs::remove_file(bytes)?;
        }
        fs::remove_file(file)
    }
}
