//! What the directory promises.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, json};
use wire::Phase;

use super::*;

fn directory() -> (tempfile::TempDir, JobDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let claimed = Claimed::of(json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 2 }));
    let directory = JobDirectory::of(folder.path(), &claimed);
    directory.create(&claimed).unwrap();
    (folder, directory)
}

#[test]
fn it_is_private_and_named_by_job_and_attempt() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, directory) = directory();
    assert!(directory.root().ends_with("j.2"));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.root().to_owned()), 0o700);
    for file in [CLAIM, LOG] {
        assert_eq!(mode(directory.file(file)), 0o600, "{file}");
    }
}

#[test]
fn the_outbox_is_emptied_in_order() {
    let (_folder, directory) = directory();
    let record = ArtifactRecord { name: "a".to_owned(), media_type: "x/y".to_owned(), sha256: String::new() };
    directory.put_artifact(2, &record, b"by\ntes").unwrap();
    directory.put_progress(1, &Map::new()).unwrap();
    fs::write(directory.file(".outbox.000000.progress.new"), "half").unwrap();
    let (first, entry) = directory.next_outbox().unwrap().unwrap();
    assert!(matches!(entry, OutboxEntry::Progress(_)));
    JobDirectory::remove_outbox(&first).unwrap();
    let (second, entry) = directory.next_outbox().unwrap().unwrap();
    let OutboxEntry::Artifact { record, bytes } = entry else { panic!("{entry:?}") };
    assert_eq!((record.name.as_str(), &bytes[..]), ("a", &b"by\ntes"[..]));
    JobDirectory::remove_outbox(&second).unwrap();
    assert!(directory.next_outbox().unwrap().is_none());
}

#[test]
fn the_phase_is_what_the_files_say() {
    let (_folder, directory) = directory();
    assert_eq!(directory.phase(), Phase::Preparing);
    directory.write(COMMITTED, &Committed { refused: None }).unwrap();
    assert_eq!(directory.phase(), Phase::Committed);
}

#[test]
fn a_claim_that_did_not_reach_the_disk_is_none() {
    let (_folder, directory) = directory();
    assert_eq!(directory.format().unwrap(), Some(FORMAT));
    for lost in [&b""[..], b"\0\0\0"] {
        fs::write(directory.file(CLAIM), lost).unwrap();
        assert_eq!(directory.format().unwrap(), None);
    }
    fs::write(directory.file(CLAIM), "{").unwrap();
    assert!(directory.format().is_err(), "something is there, and nobody knows what");
}

#[test]
fn the_room_for_the_outcome_is_the_outcomes_own() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, directory) = directory();
    let kept = fs::metadata(directory.hidden(OUTCOME)).unwrap();
    assert!(kept.blocks() * 512 >= 64 * 1024, "{} blocks", kept.blocks());
    directory.write(OUTCOME, &"x".repeat(100)).unwrap();
    let written = fs::metadata(directory.file(OUTCOME)).unwrap();
    assert_eq!((written.ino(), written.len()), (kept.ino(), 102));
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
