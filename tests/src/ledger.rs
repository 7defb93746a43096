//! The folder that a test shares with the tool of its jobs: the ledger of what was done, and the files that the tool waits
//! for.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt;
use inotify::{Inotify, WatchMask};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::TOO_LONG;
use crate::steps::{LEDGER, Step, records};

/// The folder.
pub struct Ledger(TempDir);

impl Ledger {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no room, as in all of this: a test wants to end.
    #[must_use]
    pub fn new() -> Self {
        let ledger = Self(tempfile::tempdir().expect("a folder"));
        fs::write(ledger.0.path().join(LEDGER), "").expect("a file");
        ledger
    }

    /// The payload of a `ledger` job.
    #[must_use]
    pub fn job(&self, plan: &[Step], apply: &[Step]) -> Value {
        json!({ "folder": self.0.path(), "plan": plan, "apply": apply })
    }

    /// The payload of a `reads-only` job.
    #[must_use]
    pub fn reading(&self, steps: &[Step]) -> Value {
        json!({ "folder": self.0.path(), "steps": steps })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lets the tool go on that waits for this file.
    pub fn open(&self, gate: &str) {
        fs::write(self.0.path().join(gate), "").expect("a file");
    }

    /// What was done so far.
    #[must_use]
    pub fn marks(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join(LEDGER)).expect("it is there");
        text.lines().map(str::to_owned).collect()
    }

    /// How often something was done.
    #[must_use]
    pub fn count(&self, mark: &str) -> usize {
        self.marks().iter().filter(|line| *line == mark).count()
    }

    /// Waits until something was done so many times.
    pub async fn until(&self, mark: &str, times: usize) {
        until(self.0.path(), &format!("{times} x {mark}"), || self.count(mark) >= times).await;
    }

    /// All that a job has written that ran once, by its own account.
    #[must_use]
    pub fn written(&self) -> Bytes {
        let marks = self.marks();
        let last = marks.iter().rev().find_map(|mark| mark.strip_prefix("records "));
        records(last.expect("the tool has ended").parse().expect("a number")).into()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for something that changes a file of this folder.
///
/// # Panics
/// If that takes too long.
pub async fn until(folder: &Path, what: &str, reached: impl Fn() -> bool) {
    let inotify = Inotify::init().expect("events of the file system");
    let changes = WatchMask::CREATE | WatchMask::MODIFY | WatchMask::MOVED_TO | WatchMask::DELETE;
    inotify.watches().add(folder, changes).expect("the folder is there");
    let mut events = inotify.into_event_stream(vec![0; 8192]).expect("a runtime");
    let waited = async {
        while !reached() {
            events.next().await;
        }
    };
    let waited = tokio::time::timeout(TOO_LONG, waited).await;
    assert!(waited.is_ok(), "{what}: that never came in {}", folder.display());
}

/// Compares long texts without printing them.
///
/// # Panics
/// If they differ; says where first.
pub fn assert_same_bytes(found: &[u8], expected: &[u8]) {
    let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    let around = |bytes: &[u8]| {
        let (from, to) = (at.saturating_sub(60).min(bytes.len()), (at + 60).min(bytes.len()));
        String::from_utf8_lossy(&bytes[from..to]).into_owned()
    };
    assert!(
        found == expected,
        "{} bytes were found and {} expected; they part at {at}: {:?}, not {:?}",
        found.len(),
        expected.len(),
        around(found),
        around(expected)
    );
}
