//! Real children: shell scripts that play a tool.

use std::path::Path;
use std::time::Duration;

use process_supervisor::{Command, Environment, Output, OutputStream, ProcessExit, SpawnError, StopOrder, supervise};
use tokio::sync::{mpsc, watch};

const LONG: Duration = Duration::from_secs(600);
const GENTLE: StopOrder = StopOrder::Ladder { grace: LONG, firm: LONG };

fn sh(script: &str) -> Command {
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    Command::new("/bin/sh", env, "/").args(["-c", script])
}

struct Run {
    output: mpsc::Receiver<Output>,
    stop: watch::Sender<Option<StopOrder>>,
    exit: tokio::task::JoinHandle<Result<ProcessExit, SpawnError>>,
}

fn start(command: Command) -> Run {
    let (sender, output) = mpsc::channel(4);
    let (stop, stopped) = watch::channel(None);
    let exit = tokio::spawn(async move { supervise(&command, sender, stopped).await });
    Run { output, stop, exit }
}

impl Run {
    async fn until(&mut self, text: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(text) {
            let output = self.output.recv().await.unwrap_or_else(|| panic!("no {text:?} in {heard:?}"));
            heard.push_str(&String::from_utf8_lossy(&output.bytes));
        }
        heard
    }

    async fn finish(mut self) -> (Vec<Output>, ProcessExit) {
        let mut all = Vec::new();
        while let Some(output) = self.output.recv().await {
            all.push(output);
        }
        (all, self.exit.await.unwrap().unwrap())
    }
}

fn bytes_of(outputs: &[Output], stream: OutputStream) -> Vec<u8> {
    outputs.iter().filter(|o| o.stream == stream).flat_map(|o| o.bytes.to_vec()).collect()
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ")
}

#[tokio::test]
async fn lines_keep_their_order_and_their_stream() {
    let (outputs, exit) = start(sh("echo one; echo two >&2; printf three; exit 3")).finish().await;
    assert_eq!(bytes_of(&outputs, OutputStream::Stdout), b"one\nthree");
    assert_eq!(bytes_of(&outputs, OutputStream::Stderr), b"two\n");
    assert_eq!((exit.code, exit.signal, exit.stopped, exit.killed_stragglers), (Some(3), None, false, false));
}

#[tokio::test]
async fn bytes_arrive_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bytes");
    let mut bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    bytes.extend(vec![b'x'; 50 * 1024 * 1024]);
    bytes.extend(b"\n\0\xff\xfe no end");
    std::fs::write(&file, &bytes).unwrap();
    let (outputs, exit) = start(sh(&format!("cat {}", file.display()))).finish().await;
    assert!(exit.is_success());
    assert!(outputs.iter().all(|o| !o.bytes.is_empty() && o.bytes.len() <= 64 * 1024));
    assert!(bytes_of(&outputs, OutputStream::Stdout) == bytes, "the bytes differ");
}

#[tokio::test]
async fn a_line_is_never_cut_by_the_other_stream() {
    let script = "i=0; while [ $i -lt 2000 ]; do echo out-$i-end; echo err-$i-end >&2; i=$((i+1)); done";
    let (outputs, _) = start(sh(script)).finish().await;
    for output in outputs {
        for line in String::from_utf8(output.bytes.to_vec()).unwrap().lines() {
            assert!(line.ends_with("-end"), "{line:?}");
        }
    }
}

#[tokio::test]
async fn a_prompt_without_a_line_end_is_shown() {
    let mut run = start(sh("printf 'Enter a value: '; exec sleep 600"));
    assert_eq!(run.until("value: ").await, "Enter a value: ");
    run.stop.send_replace(Some(StopOrder::Kill));
    assert_eq!(run.finish().await.1.signal, Some(9));
}

#[tokio::test]
async fn a_stop_is_exactly_one_sigint_to_the_child_alone() {
    let script = "trap 'n=$((n+1)); echo int-$n' INT; n=0; sh -c 'trap \"echo child-int\" INT; echo up; sleep 1; echo child-done' & \
                  wait $!; wait $!; echo total-$n";
    let mut run = start(sh(script));
    run.until("up").await;
    run.stop.send_replace(Some(GENTLE));
    let heard = run.until("int-1").await;
    // The same again, in other words: no second signal.
    run.stop.send_replace(Some(StopOrder::Ladder { grace: LONG * 2, firm: LONG }));
    let (rest, exit) = run.finish().await;
    let heard = heard + &String::from_utf8_lossy(&bytes_of(&rest, OutputStream::Stdout));
    assert!(heard.contains("total-1"), "{heard}");
    assert!(!heard.contains("child-int"), "{heard}");
    assert!(exit.stopped);
}

#[tokio::test]
async fn a_deaf_child_is_killed_at_the_end_of_the_ladder() {
    let mut run = start(sh("trap '' INT TERM; echo up; while :; do sleep 1; done"));
    run.until("up").await;
    let short = Duration::from_millis(50);
    run.stop.send_replace(Some(StopOrder::Ladder { grace: short, firm: short }));
    let (_, exit) = run.finish().await;
    assert_eq!((exit.signal, exit.stopped), (Some(9), true));
}

#[tokio::test]
async fn a_kill_order_overtakes_a_ladder() {
    let mut run = start(sh("trap '' INT TERM; echo up; while :; do sleep 1; done"));
    run.until("up").await;
    run.stop.send_replace(Some(GENTLE));
    run.stop.send_replace(Some(StopOrder::Kill));
    assert_eq!(run.finish().await.1.signal, Some(9));
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_is_ended() {
    let (outputs, exit) = start(sh("sleep 600 & echo $!; exit 0")).finish().await;
    let grandchild = String::from_utf8(bytes_of(&outputs, OutputStream::Stdout)).unwrap();
    assert!(exit.is_success() && exit.killed_stragglers);
    assert!(!is_alive(grandchild.trim()), "process {grandchild} lives");
}

#[tokio::test]
async fn a_tool_that_forks_leaves_no_process() {
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 600 >/dev/null 2>&1 & echo $!; done; echo up; wait";
    let mut run = start(sh(script));
    let pids = run.until("up").await;
    run.stop.send_replace(Some(StopOrder::Kill));
    run.finish().await;
    for pid in pids.lines().filter(|line| *line != "up") {
        assert!(!is_alive(pid), "process {pid} lives");
    }
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_no_more() {
    let env: Environment = [("ONE", "1")].into_iter().collect();
    let (outputs, _) = start(Command::new("/usr/bin/env", env, "/")).finish().await;
    assert_eq!(bytes_of(&outputs, OutputStream::Stdout), b"ONE=1\n");
}

#[tokio::test]
async fn standard_input_is_empty() {
    let (outputs, exit) = start(sh("cat; read line || echo nothing")).finish().await;
    assert_eq!(bytes_of(&outputs, OutputStream::Stdout), b"nothing\n");
    assert!(exit.is_success());
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let refused = |command| async { start(command).exit.await.unwrap().unwrap_err() };
    let env = Environment::default;
    let missing = refused(Command::new("/no/such/program", env(), "/")).await;
    assert!(matches!(&missing, SpawnError::Refused { program, .. } if program == Path::new("/no/such/program")));
    assert!(matches!(refused(Command::new("sh", env(), "/")).await, SpawnError::NotAbsolute(_)));
    let nul = refused(Command::new("/bin/sh", env(), "/").args(["-c", "a\0b"])).await;
    assert!(matches!(&nul, SpawnError::Nul(which) if which == "2"), "{nul}");
    let nul = refused(Command::new("/bin/sh", env(), "/").env("NAME", "a\0b")).await;
    assert!(matches!(&nul, SpawnError::Nul(which) if which == "NAME"), "{nul}");
}

#[tokio::test]
async fn dropping_the_future_kills_the_group() {
    let mut run = start(sh("sleep 600 & echo $! $$; echo up; wait"));
    let heard = run.until("up").await;
    run.exit.abort();
    // The channel closes when the thread that reads is done. A process lets go of its pipes shortly before it has ended.
    while run.output.recv().await.is_some() {}
    for pid in heard.lines().next().unwrap().split(' ') {
        let gone = async {
            while is_alive(pid) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap_or_else(|_| panic!("process {pid} lives"));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_runtime_runs_on_while_a_child_floods_a_slow_reader() {
    let mut run = start(sh("head -c 20000000 /dev/zero"));
    let (ticks, mut ticked) = watch::channel(0u64);
    let ticker = tokio::spawn(async move {
        loop {
            ticks.send_modify(|n| *n += 1);
            tokio::task::yield_now().await;
        }
    });
    let mut total = 0;
    while let Some(output) = run.output.recv().await {
        total += output.bytes.len();
        // Progress of another task between any two batches: the child never holds the only thread.
        let before = *ticked.borrow_and_update();
        ticked.wait_for(|now| *now > before).await.unwrap();
    }
    assert_eq!(total, 20_000_000);
    ticker.abort();
}

#[tokio::test]
async fn a_closed_channel_does_not_break_the_child() {
    let Run { output, exit, stop: _stop } = start(sh("head -c 10000000 /dev/zero; exit 7"));
    drop(output);
    assert_eq!(exit.await.unwrap().unwrap().code, Some(7), "no SIGPIPE");
}
