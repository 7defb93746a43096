//! Children, receivers and orders at their worst: each of these once hung, panicked or left something running.

use std::time::Duration;

use process_supervisor::{
    Command, DetachedProcess, Environment, Output, ProcessIdentity, SpawnError, StopOrder, supervise,
};
use tokio::sync::{mpsc, watch};

/// No test waits for this; it only turns a hang into a failure.
const HANGS: Duration = Duration::from_secs(30);

fn sh(script: &str) -> Command {
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    Command::new("/bin/sh", env, "/").args(["-c", script])
}

async fn without_hanging<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, what).await.expect("it hangs")
}

/// Receives until `text` has come.
async fn until(output: &mut mpsc::Receiver<Output>, text: &str) {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(text) {
        heard.extend(without_hanging(output.recv()).await.expect("the child is not done").bytes);
    }
}

#[tokio::test]
async fn a_progress_bar_that_keeps_moving_is_shown() {
    let (sender, mut output) = mpsc::channel(4);
    let (stop, stopped) = watch::channel(None);
    let dots = sh("while :; do printf .; sleep 0.03; done");
    let exit = tokio::spawn(async move { supervise(&dots, sender, stopped).await });
    until(&mut output, "..").await;
    stop.send_replace(Some(StopOrder::Kill));
    without_hanging(exit).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_escapee_that_writes_for_ever_holds_nobody() {
    let (sender, mut output) = mpsc::channel(4);
    let (_stop, stopped) = watch::channel(None);
    let escape = sh("setsid yes & exit 0");
    let exit = tokio::spawn(async move { supervise(&escape, sender, stopped).await });
    // Once we let go of the pipe the escapee gets SIGPIPE.
    without_hanging(async { while output.recv().await.is_some() {} }).await;
    assert!(without_hanging(exit).await.unwrap().unwrap().is_success());
}

#[tokio::test]
async fn a_dropped_future_ends_its_threads_though_nobody_receives() {
    let (sender, mut output) = mpsc::channel(1);
    let (_stop, stopped) = watch::channel(None);
    let flood = sh("exec cat /dev/zero");
    let running = tokio::spawn(async move { supervise(&flood, sender, stopped).await });
    without_hanging(output.recv()).await.expect("the child writes");
    running.abort();
    without_hanging(async {
        while !output.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_endless_grace_is_no_reason_to_panic() {
    let (sender, mut output) = mpsc::channel(4);
    let (stop, stopped) = watch::channel(None);
    let polite = sh("trap 'exit 5' INT; echo up; while :; do sleep 0.01; done");
    let exit = tokio::spawn(async move { supervise(&polite, sender, stopped).await });
    until(&mut output, "up").await;
    stop.send_replace(Some(StopOrder::Ladder { grace: Duration::MAX, firm: Duration::MAX }));
    let exit = without_hanging(exit).await.unwrap().unwrap();
    assert_eq!((exit.code, exit.stopped), (Some(5), true));
}

#[tokio::test]
async fn a_nul_in_a_path_is_refused() {
    for command in
        [Command::new("/bin/s\0h", Environment::default(), "/"), Command::new("/bin/sh", Environment::default(), "/\0")]
    {
        let (_stop, stopped) = watch::channel(None);
        let refused = supervise(&command, mpsc::channel(1).0, stopped).await;
        assert!(matches!(refused, Err(SpawnError::Refused { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let (_stop, stopped) = watch::channel(None);
    let command = sh("exit 0").dir("/no/such/directory");
    let Err(SpawnError::Refused { source, .. }) = supervise(&command, mpsc::channel(1).0, stopped).await else {
        panic!("it started")
    };
    assert!(source.to_string().contains("/no/such/directory"), "{source}");
}

#[tokio::test]
async fn what_names_no_process_is_not_adopted() {
    let own = ProcessIdentity::current().unwrap();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (say_id, id) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        say_id.send(link.file_name().unwrap().to_str().unwrap().parse().unwrap()).unwrap();
        let _ = ended.recv();
    });
    let thread_id: u32 = id.recv().unwrap();
    for pid in [0, u32::MAX, thread_id] {
        let stranger = ProcessIdentity { pid, ..own.clone() };
        assert!(DetachedProcess::adopt(&stranger).unwrap().is_none(), "pid {pid}");
    }
    drop(end);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_grandchild_that_holds_no_pipe_is_ended_too() {
    let (sender, mut output) = mpsc::channel(4);
    let (_stop, stopped) = watch::channel(None);
    let left_behind = sh("sleep 600 >/dev/null 2>&1 & echo $!");
    let exit = tokio::spawn(async move { supervise(&left_behind, sender, stopped).await });
    let pid = without_hanging(output.recv()).await.expect("it says its pid").bytes;
    let exit = without_hanging(exit).await.unwrap().unwrap();
    assert!(exit.is_success() && exit.killed_stragglers && !exit.stopped, "{exit:?}");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", String::from_utf8_lossy(&pid).trim()));
    assert!(stat.as_ref().map_or(true, |stat| stat.contains(") Z ")), "{stat:?}");
}
