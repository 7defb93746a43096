//! One run on disk: the whole interface between the runner and a job process. Its only reader and writer.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use executor_api::{JobPaths, JobSettings};
use process_supervisor::ProcessIdentity;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{AttemptNo, CloudIdentity, Job, JobId, JobStatus, LogSummary, Phase, Reason, Timestamp};

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
pub(crate) const PROCESS: &str = "process.json";
/// Why and how to stop.
pub(crate) const STOP: &str = "stop.json";
/// Progress and artifacts to deliver.
pub(crate) const OUTBOX: &str = "outbox";
/// What the job process itself prints: a panic, for example.
pub(crate) const PROCESS_OUTPUT: &str = "process-output";
/// The number of the layout.
const FORMAT_FILE: &str = "format";
/// Room for the outcome on a full disk.
pub(crate) const RESERVE: &str = "reserve";
const RESERVE_BYTES: usize = 64 * 1024;

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

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct JobDirectory {
    root: PathBuf,
}

impl JobDirectory {
    /// Makes the directory of a claim. `claim.json` comes last: without it nothing was started.
    pub(crate) fn create(jobs: &Path, claimed: &Claimed, settings: &JobSettings) -> io::Result<Self> {
        let name = directory_name(&claimed.job.id, claimed.job.attempt_no());
        let directory = Self { root: jobs.join(name) };
        if directory.root.exists() {
            fs::remove_dir_all(&directory.root)?;
        }
        let paths = directory.paths();
        for dir in [&directory.root, &paths.work, &paths.inputs, &paths.home, &paths.temp, &directory.file(OUTBOX)] {
            DirBuilder::new().mode(0o700).create(dir)?;
        }
        fs::write(directory.file(FORMAT_FILE), FORMAT.to_string())?;
        fs::write(directory.file(RESERVE), [0; RESERVE_BYTES])?;
        new_file(&directory.file(LOG))?;
        directory.write(SETTINGS, settings)?;
        directory.write(CLAIM, claimed)?;
        Ok(directory)
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn paths(&self) -> JobPaths {
        JobPaths {
            work: self.root.join("work"),
            inputs: self.root.join("inputs"),
            home: self.root.join("home"),
            temp: self.root.join("tmp"),
        }
    }

    /// The layout's number; none if the directory was never finished.
    pub(crate) fn format(&self) -> Option<u32> {
        fs::read_to_string(self.file(FORMAT_FILE)).ok()?.trim().parse().ok()
    }

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

    /// How far the run has come, by the files that are there.
    pub(crate) fn phase(&self) -> Phase {
        match (self.has(OUTCOME), self.is_committed()) {
            (true, _) => Phase::Ending,
            (false, true) => Phase::Committed,
            (false, false) => Phase::Preparing,
        }
    }

    /// Whether the plane has said yes to the commit point.
    fn is_committed(&self) -> bool {
        // An answer that cannot be read counts as a yes: what may have changed the world is not run again.
        self.has(COMMITTED) && !matches!(self.read(COMMITTED), Ok(Some(Committed { refused: Some(_) })))
    }

    /// The process that runs it or ran it. None if none has said yet who it is.
    pub(crate) fn process(&self) -> io::Result<Option<ProcessIdentity>> {
        match fs::read(self.file(PROCESS)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps every process but this one from running the job, until the file is dropped. None if one does.
    pub(crate) fn lock_process(&self) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(self.file(PROCESS))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes this process the one that runs the job, and says so. None if another one does.
    pub(crate) fn claim_process(&self) -> io::Result<Option<File>> {
        let Some(mut lock) = self.lock_process()? else { return Ok(None) };
        if lock.metadata()?.len() > 0 {
            return Err(io::Error::other("another process has run this job before"));
        }
        lock.write_all(&serde_json::to_vec(&ProcessIdentity::current()?)?)?;
        lock.sync_all()?;
        Ok(Some(lock))
    }

    /// Takes the directory from a process that was started in it and has not said yet who it is: that one finds
    /// nothing any more, and ends. None if it has said so by now.
    pub(crate) fn take_back(&self) -> io::Result<Option<Self>> {
        let Some(_lock) = self.lock_process()? else { return Ok(None) };
        if self.process()?.is_some() {
            return Ok(None);
        }
        let name = self.root.file_name().unwrap_or_default().display().to_string();
        let taken = Self { root: self.root.with_file_name(format!("{name}.again")) };
        fs::rename(&self.root, &taken.root)?;
        // It may have this file open already; the next process gets one that nobody else can lock.
        fs::remove_file(taken.file(PROCESS))?;
        Ok(Some(taken))
    }

    /// Gives up the room that was kept for the outcome.
    pub(crate) fn free_reserve(&self) {
        // Missing is as good.
        let _ = fs::remove_file(self.file(RESERVE));
    }

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

    /// All is delivered: nothing of the run stays behind. Tools leave folders without write permission.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if fs::remove_dir_all(&self.root).is_ok() {
            return Ok(());
        }
        make_writable(&self.root);
        fs::remove_dir_all(&self.root)
    }

    /// Keeps the run where a person finds it: the plane did not take its end.
    pub(crate) fn keep_as_lost(&self) -> io::Result<PathBuf> {
        let kept = self.root.with_extension(format!("{}.lost", self.root.extension().unwrap_or_default().display()));
        fs::rename(&self.root, &kept)?;
        Ok(kept)
    }
}

fn make_writable(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) fn directory_name(job: &JobId, attempt: AttemptNo) -> String {
    format!("{job}.{attempt}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn directory() -> (tempfile::TempDir, JobDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let job =
            serde_json::from_value(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 2 })).unwrap();
        let claimed = Claimed { job, log_limit_bytes: 1, cloud_identity: None };
        let directory = JobDirectory::create(folder.path(), &claimed, &JobSettings::default()).unwrap();
        (folder, directory)
    }

    #[test]
    fn it_is_private_and_named_by_job_and_attempt() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, directory) = directory();
        assert!(directory.root().ends_with("j.2"));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory.root().to_owned()), 0o700);
        for file in [CLAIM, SETTINGS, LOG] {
            assert_eq!(mode(directory.file(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn the_outbox_is_emptied_in_order() {
        let (_folder, directory) = directory();
        let record = ArtifactRecord { name: "a".to_owned(), media_type: "x/y".to_owned(), sha256: String::new() };
        directory.put_artifact(2, &record, b"bytes").unwrap();
        directory.put_progress(1, &Map::new()).unwrap();
        fs::write(directory.file(OUTBOX).join(".000000.progress.json.new"), "half").unwrap();
        let (first, entry) = directory.next_outbox().unwrap().unwrap();
        assert!(matches!(entry, OutboxEntry::Progress(_)));
        JobDirectory::remove_outbox(&first).unwrap();
        let (second, entry) = directory.next_outbox().unwrap().unwrap();
        let OutboxEntry::Artifact { file, .. } = entry else { panic!("{entry:?}") };
        assert_eq!(fs::read(file).unwrap(), b"bytes");
        JobDirectory::remove_outbox(&second).unwrap();
        assert!(directory.next_outbox().unwrap().is_none());
    }

    #[test]
    fn the_phase_is_what_the_files_say() {
        let (_folder, directory) = directory();
        assert_eq!(directory.phase(), Phase::Preparing);
        directory.write(COMMITTED, &Committed { refused: None }).unwrap();
        assert_eq!(directory.phase(), Phase::Committed);
        assert_eq!(directory.format(), Some(FORMAT));
    }

    #[test]
    fn what_nobody_runs_can_be_taken_back() {
        let (_folder, directory) = directory();
        let taken = directory.take_back().unwrap().expect("nobody runs it");
        assert!(!directory.root().exists() && directory.claim_process().is_err(), "who comes late finds nothing");
        let _process = taken.claim_process().unwrap().expect("it is free");
        assert!(taken.take_back().unwrap().is_none(), "now somebody runs it");
    }

    #[test]
    fn what_tools_made_read_only_goes_too() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, directory) = directory();
        let locked = directory.paths().work.join("locked");
        fs::create_dir(&locked).unwrap();
        fs::write(locked.join("file"), "x").unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        directory.remove().unwrap();
        assert!(!directory.root().exists());
    }
}
