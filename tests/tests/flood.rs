//! Tools that write more than anybody reads. Everything arrives, and the digests are equal.

use std::io;

use rustix::process::Signal;
use sha2::{Digest, Sha256};
use system_tests::ledger::Ledger;
use system_tests::plane::Plane;
use system_tests::runner::RunnerHome;
use system_tests::steps::{Step, write_fixed};
use wire::JobStatus;

/// Digest and length of what is written to it.
#[derive(Default)]
struct Digested(Sha256, u64);

impl io::Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn arrives(step: Step) {
    let plane = Plane::start().await;
    let (user, ledger) = (plane.client(), Ledger::new());
    let home = RunnerHome::new(&plane.origin, user.register("one").await);
    let mut runner = home.started().await;
    let job = user.submit("reads-only", &ledger.reading(std::slice::from_ref(&step))).await;
    ledger.until("records 0", 1).await;
    let ended = user.until(&job, "its end", |job| job.status.is_terminal()).await;
    assert_eq!((ended.status, ended.log_complete), (JobStatus::Success, Some(true)), "{ended:#?}");
    let mut expected = Digested::default();
    write_fixed(&step, &mut expected).unwrap();
    let log = user.log(&job).await;
    assert_eq!((log.len() as u64, ended.log_length), (expected.1, expected.1));
    assert_eq!(Sha256::digest(&log), expected.0.finalize());
    runner.signal(Signal::TERM);
    assert!(runner.ended().await.success());
    assert!(home.job_dirs().is_empty());
}

#[tokio::test]
async fn a_million_lines() {
    arrives(Step::Lines(1_000_000)).await;
}

#[tokio::test]
async fn a_line_of_fifty_megabytes() {
    arrives(Step::Line(50_000_000)).await;
}
