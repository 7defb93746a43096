//! Makes the process that runs it a subreaper: so it is the only test of this file, which is a process.

use process_supervisor::{Command, Environment, become_subreaper, supervise};
use tokio::sync::{mpsc, watch};

#[tokio::test]
async fn the_dead_of_a_group_are_reaped_and_not_taken_for_the_living() {
    become_subreaper().unwrap();
    let (sender, mut output) = mpsc::channel(4);
    let (_stop, stopped) = watch::channel(None);
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    // The orphan has ended, and is ours to wait for, before its group's leader ends. It is there until its parent has gone,
    // which would wait for it otherwise.
    let folder = tempfile::tempdir().unwrap();
    let script = "mkfifo end; pid=$( (cat end >/dev/null 2>&1 & echo $!) ); : >end; \
                  until grep -q ') Z ' /proc/$pid/stat; do :; done; echo $pid";
    let command = Command::new("/bin/sh", env, folder.path()).args(["-c", script]);
    let exit = supervise(&command, sender, stopped).await.unwrap();
    assert!(exit.is_success() && !exit.killed_stragglers, "{exit:?}");
    let orphan = output.recv().await.expect("it says its pid").bytes;
    let orphan = format!("/proc/{}", String::from_utf8_lossy(&orphan).trim());
    assert!(!std::path::Path::new(&orphan).exists(), "{orphan} is a zombie for ever");
}
