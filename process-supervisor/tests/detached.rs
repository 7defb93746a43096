//! Processes that outlive whoever started them.

use process_supervisor::{Command, DetachedProcess, Environment, ProcessIdentity, spawn_detached};

fn sh(script: &str) -> Command {
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    Command::new("/bin/sh", env, "/").args(["-c", script])
}

fn identity(pid: u32) -> ProcessIdentity {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat[stat.rfind(')').unwrap() + 2..].split(' ').nth(19).unwrap().parse().unwrap();
    ProcessIdentity { pid, start_ticks: start, ..ProcessIdentity::current().unwrap() }
}

#[tokio::test]
async fn it_leads_a_session_of_its_own_and_writes_to_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    let process = spawn_detached(&sh("echo out; echo err >&2; ps -o sid= -p $$"), &file).unwrap();
    process.ended().await.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.split_whitespace().collect();
    assert_eq!(lines, ["out", "err", &process.pid().to_string()]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn it_is_taken_up_by_its_identity_and_only_by_that() {
    let folder = tempfile::tempdir().unwrap();
    let process = spawn_detached(&sh("exec sleep 600"), &folder.path().join("output")).unwrap();
    let identity = identity(process.pid());
    let adopted = DetachedProcess::adopt(&identity).unwrap().expect("it lives");
    let other_start = ProcessIdentity { start_ticks: identity.start_ticks + 1, ..identity.clone() };
    assert!(DetachedProcess::adopt(&other_start).unwrap().is_none());
    let other_boot = ProcessIdentity { boot_id: "another".to_owned(), ..identity.clone() };
    assert!(DetachedProcess::adopt(&other_boot).unwrap().is_none());

    adopted.terminate().unwrap();
    adopted.ended().await.unwrap();
    process.ended().await.unwrap();
    assert!(DetachedProcess::adopt(&identity).unwrap().is_none());
    adopted.terminate().unwrap();
    adopted.kill().unwrap();
}
