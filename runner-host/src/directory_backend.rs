//! What stands behind a job's context in its process: what an executor hands over becomes files of the job directory.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use executor_api::{Artifact, ArtifactBody, ExecutorError, JobBackend};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::directory_watch::DirectoryWatch;
use crate::job_directory::{ArtifactRecord, COMMIT, COMMITTED, Committed, JobDirectory};

/// Behind the events of the file system.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Turns what an executor hands over into files.
pub(crate) struct DirectoryBackend {
    directory: JobDirectory,
    entries: AtomicU32,
    /// From the first commit point on. The task behind it holds a descriptor until this process ends.
    watch: OnceLock<DirectoryWatch>,
}

impl DirectoryBackend {
    pub(crate) fn new(directory: JobDirectory) -> Self {
        Self { directory, entries: AtomicU32::new(0), watch: OnceLock::new() }
    }

    fn next_entry(&self) -> u32 {
        self.entries.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn answer(&self) -> io::Result<Option<Committed>> {
        self.directory.read(COMMITTED)
    }
}

#[async_trait]
impl JobBackend for DirectoryBackend {
    async fn commit_point(&self) -> Result<(), ExecutorError> {
        let io = |error| ExecutorError::io("cannot write down the commit point")(error);
        let watch = self.watch.get_or_init(DirectoryWatch::start);
        let mut changes = watch.changes_in(self.directory.root());
        if !self.directory.has(COMMIT) {
            self.directory.write(COMMIT, &Map::new()).map_err(io)?;
        }
        loop {
            match self.answer().map_err(io)? {
                Some(Committed { refused: None }) => return Ok(()),
                Some(Committed { refused: Some(why) }) => return Err(ExecutorError::CommitRefused(why)),
                None => {}
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, changes.next()).await;
        }
    }

    async fn progress(&self, metadata: Map<String, Value>) -> Result<(), ExecutorError> {
        let written = self.directory.put_progress(self.next_entry(), &metadata);
        written.map_err(ExecutorError::io("cannot hand over progress"))
    }

    async fn artifact(&self, artifact: Artifact) -> Result<(), ExecutorError> {
        let (directory, entry) = (self.directory.clone(), self.next_entry());
        let what = format!("cannot keep the artifact {}", artifact.name);
        let kept = tokio::task::spawn_blocking(move || {
            let (bytes, file) = match artifact.body {
                ArtifactBody::Bytes(bytes) => (bytes, None),
                ArtifactBody::File(file) => (std::fs::read(&file)?, Some(file)),
            };
            let sha256 = hex::encode(Sha256::digest(&bytes));
            let record = ArtifactRecord { name: artifact.name, media_type: artifact.media_type, sha256 };
            directory.put_artifact(entry, &record, &bytes).map_err(|error| match file {
                Some(file) => keep(&directory, entry, &file, &error),
                None => error,
            })
        });
        kept.await.map_err(io::Error::other).flatten().map_err(ExecutorError::io(what))
    }
}

/// It may be the only copy. The error says where it is.
fn keep(directory: &JobDirectory, entry: u32, file: &Path, error: &io::Error) -> io::Error {
    match directory.keep_file(entry, file) {
        Ok(kept) => io::Error::new(error.kind(), format!("{error}; the runner keeps the file as {}", kept.display())),
        Err(not_kept) => io::Error::new(error.kind(), format!("{error}; nor is the file kept: {not_kept}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::job_directory::Claimed;

    /// As `errored.tfstate` is, on a disk that is full.
    #[tokio::test]
    async fn a_file_that_cannot_be_handed_over_stays_when_the_run_goes() {
        let folder = tempfile::tempdir().unwrap();
        let claimed = Claimed::of(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 1 }));
        let directory = JobDirectory::of(folder.path(), &claimed);
        directory.create(&claimed).unwrap();
        // Nothing can be written there.
        fs::create_dir(directory.file(".outbox.000001.artifact.new")).unwrap();
        let file = directory.paths().work.join("errored.tfstate");
        fs::write(&file, "all that is known").unwrap();
        let (name, media_type) = ("errored.tfstate".to_owned(), "application/json".to_owned());
        let artifact = Artifact { name, media_type, body: ArtifactBody::File(file) };
        let error = DirectoryBackend::new(directory.clone()).artifact(artifact).await.unwrap_err();
        let lost = directory.put_away(true).unwrap().expect("something is kept");
        let kept = lost.join("kept.000001.errored.tfstate");
        assert_eq!(fs::read(&kept).unwrap(), b"all that is known");
        let said = crate::chain(&error);
        assert!(said.contains(&format!("the runner keeps the file as {}", kept.display())), "{said}");
        assert!(!lost.join("work").exists(), "and nothing else");
    }
}
