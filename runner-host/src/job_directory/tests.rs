//! What the directory promises.

use std::fs;
use std::path::PathBuf;

use executor_api::{JobPaths, Stop, StopReason};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Map, json};
use wire::{JobStatus, LogSummary, Phase, Reason, Timestamp};

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
    assert_eq!(directory.claimed().unwrap().unwrap().format, FORMAT);
    for lost in [&b""[..], b"\0\0\0"] {
        fs::write(directory.file(CLAIM), lost).unwrap();
        assert!(directory.claimed().unwrap().is_none());
    }
    fs::write(directory.file(CLAIM), "{").unwrap();
    assert!(directory.claimed().is_err(), "something is there, and nobody knows what");
}

/// As the version before 7c8d8b2 left it.
fn of_format_1() -> (tempfile::TempDir, JobDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = JobDirectory::at(folder.path().join("j.2"));
    for dir in ["", "work", "inputs", "home", "tmp", "outbox"] {
        fs::create_dir_all(directory.file(dir)).unwrap();
    }
    let job = json!({ "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 2 });
    let claim = json!({ "job": job, "log_limit_bytes": 7, "cloud_identity": { "provider": "aws" } });
    let record = json!({ "name": "a", "media_type": "x/y", "sha256": "" });
    for (file, text) in [
        ("format", "1"),
        ("reserve", "\0\0"),
        ("log", ""),
        ("settings.json", &json!({ "env": { "PATH": "/bin" }, "infracost_api_key": "key" }).to_string()),
        ("outbox/000001.progress.json", "{}"),
        ("outbox/000002.artifact.bytes", "bytes"),
        ("outbox/000002.artifact.json", &record.to_string()),
        ("outbox/.000003.progress.json.new", "{"),
        ("claim.json", &claim.to_string()),
    ] {
        fs::write(directory.file(file), text).unwrap();
    }
    (folder, directory)
}

#[test]
fn the_format_before_is_read_whole() {
    let (_folder, directory) = of_format_1();
    let claimed = directory.claimed().unwrap().unwrap();
    assert_eq!((claimed.format, claimed.job.attempt_no().to_string(), claimed.log_limit_bytes), (1, "2".to_owned(), 7));
    assert_eq!(claimed.cloud_identity.as_ref().unwrap().provider, "aws");
    assert_eq!(claimed.settings.infracost_api_key.as_deref(), Some("key"));
    assert!(JobDirectory::says_who_ran(&claimed).unwrap(), "it synced that, whatever boot this is");
    let (first, entry) = directory.next_outbox().unwrap().unwrap();
    assert!(matches!(entry, OutboxEntry::Progress(_)), "{entry:?}");
    JobDirectory::remove_outbox(&first).unwrap();
    let (second, entry) = directory.next_outbox().unwrap().unwrap();
    let OutboxEntry::Artifact { record, bytes } = entry else { panic!("{entry:?}") };
    assert_eq!((record.name.as_str(), &bytes[..]), ("a", &b"bytes"[..]));
    JobDirectory::remove_outbox(&second).unwrap();
    assert!(directory.next_outbox().unwrap().is_none() && !directory.file("outbox/000002.artifact.bytes").exists());
}

#[test]
fn what_nobody_has_begun_becomes_one_of_this_format() {
    let (_folder, directory) = of_format_1();
    let former = directory.claimed().unwrap().unwrap();
    let now = directory.bring_up_to_date(former).unwrap();
    // The job process knows only its own format.
    let read: Claimed = directory.read(CLAIM).unwrap().unwrap();
    assert_eq!((read.format, &read.boot_id), (FORMAT, &now.boot_id));
    assert_eq!(read.settings.env["PATH"], "/bin");
    assert!(directory.hidden(OUTCOME).exists() && !directory.file("reserve").exists());
    assert_eq!(directory.claimed().unwrap().unwrap().format, FORMAT);
}

#[test]
fn the_layout_of_today_under_the_number_of_before_is_that_of_today() {
    let (_folder, directory) = directory();
    let mut claim: serde_json::Value = directory.read(CLAIM).unwrap().unwrap();
    claim["format"] = json!(1);
    directory.place(CLAIM, &claim).unwrap();
    assert_eq!(directory.claimed().unwrap().unwrap().format, FORMAT);
}

#[test]
fn a_format_that_nobody_knows_is_named_with_what_to_do() {
    let (_folder, former) = of_format_1();
    fs::write(former.file("format"), "0").unwrap();
    let (_folder_too, later) = directory();
    later.place(CLAIM, &json!({ "format": 3, "boot_id": "b", "whatever": [] })).unwrap();
    for (directory, number) in [(former, "0"), (later, "3")] {
        let error = directory.claimed().unwrap_err().to_string();
        let says = format!("its format is {number}, and this version knows 1 and 2; start the version that made it");
        assert_eq!(error, says);
    }
}

#[test]
fn what_is_not_delivered_is_not_written_over() {
    let (folder, directory) = directory();
    let claimed = directory.claimed().unwrap().unwrap();
    directory.create(&claimed).unwrap();
    let process = directory.claim_process().unwrap().unwrap();
    let refused = directory.create(&claimed).unwrap_err().to_string();
    assert!(refused.contains("j.2 is in the way: a process still runs this job there"), "{refused}");
    drop(process);
    directory.write(COMMITTED, &Committed { refused: None }).unwrap();
    let refused = directory.create(&claimed).unwrap_err().to_string();
    assert!(refused.contains("is not delivered"), "{refused}");
    directory.place(CLAIM, &json!({ "format": 3 })).unwrap();
    let refused = directory.create(&claimed).unwrap_err().to_string();
    assert!(refused.contains("its format is 3"), "{refused}");
    assert!(folder.path().join("j.2/committed.json").exists());
}

#[test]
fn what_has_changed_the_world_is_not_done_again_under_its_number() {
    for name in ["j.2.lost", "j.2.again", "j.2.again.lost", "j.2.2.lost"] {
        let (folder, directory) = directory();
        let claimed = directory.claimed().unwrap().unwrap();
        directory.write(COMMITTED, &Committed { refused: None }).unwrap();
        fs::rename(directory.root(), folder.path().join(name)).unwrap();
        let refused = directory.create(&claimed).unwrap_err().to_string();
        assert!(refused.contains(&format!("{name} is in the way")), "{refused}");
        assert!(folder.path().join(name).exists() && !directory.root().exists());
    }
}

#[test]
fn of_two_runs_under_one_number_both_are_kept() {
    let (_folder, directory) = directory();
    let claimed = directory.claimed().unwrap().unwrap();
    let first = directory.put_away(false).unwrap().unwrap();
    directory.create(&claimed).unwrap();
    let found_at = directory.found_at().unwrap();
    let second = directory.put_away(false).unwrap().unwrap();
    assert!(first != second && second == found_at);
    for kept in [first, second].map(JobDirectory::at) {
        assert!(kept.is_lost() && kept.has(LOG));
    }
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
fn a_stop_has_the_room_of_the_one_before() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, directory) = directory();
    let files = || {
        let files = [directory.file(STOP), directory.hidden(STOP)].map(|file| fs::metadata(file).unwrap());
        assert!(files.iter().all(|file| file.blocks() > 0), "each has room");
        let mut numbers = files.map(|file| file.ino());
        numbers.sort_unstable();
        numbers
    };
    let before = files();
    assert_eq!(directory.stop().unwrap(), None);
    for (reason, force) in [(StopReason::RunnerShutdown, false), (StopReason::CancelledByUser, true)] {
        let stop = Stop { reason, force };
        directory.ask_to_stop(&stop).unwrap();
        assert_eq!((directory.stop().unwrap(), files()), (Some(stop), before));
    }
    fs::remove_file(directory.file(STOP)).unwrap();
    assert_eq!(directory.stop().unwrap(), None, "an earlier version made none");
    let stop = Stop { reason: StopReason::TimedOut, force: false };
    directory.ask_to_stop(&stop).unwrap();
    assert_eq!(directory.stop().unwrap(), Some(stop));
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

#[test]
fn what_is_removed_leaves_its_name_before_the_first_of_its_files() {
    use inotify::{EventMask, Inotify, WatchMask};
    let (_folder, directory) = directory();
    let mut inotify = Inotify::init().unwrap();
    inotify.watches().add(directory.root(), WatchMask::DELETE | WatchMask::MOVE_SELF).unwrap();
    directory.remove().unwrap();
    let mut buffer = [0; 4096];
    let first = inotify.read_events(&mut buffer).unwrap().next().unwrap();
    assert_eq!(first.mask, EventMask::MOVE_SELF, "{:?}", first.name);
    assert_eq!(fs::read_dir(directory.root().parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn of_a_lost_run_stays_what_it_said_and_nothing_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let claimed = Claimed::of(json!({
        "id": "j", "job_type": "k", "status": "CLAIMED", "attempt": 2, "config_snapshot": { "password": "canary" },
    }));
    let directory = JobDirectory::of(folder.path(), &claimed);
    directory.create(&claimed).unwrap();
    let said = ArtifactRecord { name: "a".to_owned(), media_type: "x/y".to_owned(), sha256: String::new() };
    directory.put_artifact(1, &said, b"bytes").unwrap();
    fs::write(directory.make_inputs().unwrap().join("git-token"), "canary").unwrap();
    let paths = directory.paths();
    for dir in [paths.work, paths.home, paths.temp] {
        fs::write(dir.join("file"), "canary").unwrap();
    }
    let kept = JobDirectory::at(directory.put_away(false).unwrap().unwrap());
    assert!(kept.is_lost() && !directory.root().exists());
    assert!(kept.has(LOG) && kept.next_outbox().unwrap().is_some());
    for file in fs::read_dir(kept.root()).unwrap() {
        let file = file.unwrap().path();
        assert!(file.is_file(), "{}", file.display());
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{}", file.display());
    }
    kept.forget_what_was_given().unwrap();
}

#[test]
fn what_the_plane_will_not_have_stays_alone_but_on_a_runner_of_many_organisations() {
    for is_shared in [false, true] {
        let (_folder, directory) = directory();
        let mut claimed = directory.claimed().unwrap().unwrap();
        claimed.settings.cloud.is_shared = is_shared;
        directory.place(CLAIM, &claimed).unwrap();
        let record = ArtifactRecord { name: "a".to_owned(), media_type: "x/y".to_owned(), sha256: String::new() };
        directory.put_artifact(1, &record, b"bytes").unwrap();
        let (entry, _) = directory.next_outbox().unwrap().unwrap();
        let kept = directory.kept_as(&entry);
        directory.keep_outbox(&entry).unwrap();
        assert!(directory.next_outbox().unwrap().is_none(), "it is not delivered again");
        let lost = directory.put_away(true).unwrap().map(JobDirectory::at);
        assert_eq!((kept.is_none(), lost.is_none()), (is_shared, is_shared));
        if let Some(lost) = lost {
            lost.forget_what_was_given().unwrap();
            assert!(fs::read(kept.unwrap()).unwrap().ends_with(b"\nbytes"));
            assert!(lost.is_lost() && !lost.has("work") && !lost.has(CLAIM));
        }
    }
}

/// A folder that cannot be removed, as it is in use. Only root may make one.
struct Stuck(PathBuf);

impl Stuck {
    fn make(folder: PathBuf) -> Option<Self> {
        fs::create_dir(&folder).unwrap();
        mount("none", &folder, "tmpfs", MountFlags::empty(), None).ok()?;
        Some(Self(folder))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn what_cannot_be_deleted_keeps_nothing_else() {
    for (tidy, keeps_log) in
        [(JobDirectory::forget_what_was_given as fn(&_) -> _, true), (JobDirectory::finish_removal, false)]
    {
        let (_folder, directory) = directory();
        let JobPaths { work, temp, .. } = directory.paths();
        let Some(_stuck) = Stuck::make(temp.join("stuck")) else {
            return executor_api::testing::missing("a folder cannot be made undeletable here; root may");
        };
        let secrets = [".unpackingX", ".outbox.000001.artifact.new", "settings.json", "work/terraform.tfstate"];
        for secret in secrets {
            fs::write(directory.file(secret), "canary").unwrap();
        }
        let result: std::io::Result<()> = tidy(&directory);
        assert!(result.is_err() && directory.has("tmp/stuck"));
        assert!(!secrets.iter().any(|secret| directory.has(secret)) && !directory.has(CLAIM) && !work.exists());
        assert_eq!(directory.has(LOG), keeps_log);
    }
}

#[test]
fn on_a_runner_of_many_organisations_nothing_stays() {
    let (folder, directory) = directory();
    let mut claimed = directory.claimed().unwrap().unwrap();
    claimed.settings.cloud.is_shared = true;
    directory.place(CLAIM, &claimed).unwrap();
    let record = ArtifactRecord { name: "key".to_owned(), media_type: "x/y".to_owned(), sha256: String::new() };
    directory.put_artifact(1, &record, b"canary").unwrap();
    directory.write(COMMITTED, &Committed { refused: None }).unwrap();
    assert_eq!(directory.put_away(false).unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn of_a_run_whose_end_nobody_knows_stays_what_it_worked_on() {
    for (is_kept, is_stand_in, reason, phase) in [
        (true, true, Some(Reason::ProcessLost), Phase::Committed),
        (true, true, Some(Reason::CancelledByUser), Phase::Committed),
        (true, false, Some(Reason::ProcessLost), Phase::Committed),
        (false, true, Some(Reason::ProcessLost), Phase::Preparing),
        (false, false, Some(Reason::ToolFailed), Phase::Committed),
        (false, false, None, Phase::Committed),
    ] {
        let (_folder, directory) = directory();
        let JobPaths { work, home, .. } = directory.paths();
        for dir in [work, home] {
            fs::write(dir.join("file"), "").unwrap();
        }
        let log = LogSummary { length: 0, sha256: String::new(), dropped_bytes: 0 };
        let (status, metadata, finished_at) = (JobStatus::Failed, Map::new(), Timestamp::now());
        let error_message = None;
        let outcome = OutcomeRecord { status, reason, error_message, metadata, phase, log, finished_at, is_stand_in };
        directory.write(OUTCOME, &outcome).unwrap();
        let kept = directory.put_away(true).unwrap().map(JobDirectory::at);
        assert_eq!(kept.is_some(), is_kept, "{reason:?}");
        if let Some(kept) = kept {
            kept.forget_what_was_given().unwrap();
            assert!(kept.is_lost() && kept.has("work/file") && !kept.has("home") && !kept.has(CLAIM));
        }
    }
}
