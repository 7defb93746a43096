//! Ends every descendant of the process that runs it: so it is the only test of this file, which is a process.

use process_supervisor::{Command, Environment, become_subreaper, kill_descendants, spawn_detached};

fn sh(script: &str) -> Command {
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    Command::new("/bin/sh", env, "/").args(["-c", script])
}

#[tokio::test]
async fn what_left_the_group_and_the_session_is_found_and_ended() {
    become_subreaper().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("output");
    let process = spawn_detached(&sh("setsid sleep 600 & echo $!"), &file).unwrap();
    process.ended().await.unwrap();
    let escaped = std::fs::read_to_string(&file).unwrap();
    assert!(std::path::Path::new(&format!("/proc/{}", escaped.trim())).exists());
    assert!(kill_descendants() >= 1);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", escaped.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}
