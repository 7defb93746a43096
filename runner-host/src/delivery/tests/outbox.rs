//! Artifacts and progress.

use super::*;

#[tokio::test]
async fn the_log_does_not_wait_for_a_slow_artifact() {
    let plane = Plane::new(|name, _| if name == "a.txt" { Weather::SlowerThanTheLog } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.artifact(1, "a.txt", b"bytes");
    let runner = job.runner(&plane.listen().await).await;
    let (process, lives) = watch::channel(Life::Lives);
    let (directory, claimed) = (job.directory.clone(), claimed());
    let work = async {
        plane.waits_for_log.notified().await;
        job.log(LogStream::Stdout, b"one\n");
        job.end();
        process.send_replace(Life::Ended);
    };
    let delivery = async { tokio::join!(run(&runner, &directory, &claimed, lives), work).0 };
    let delivered =
        tokio::time::timeout(TOO_LONG, delivery).await.expect("the log comes while the artifact is on its way");
    assert!(is_taken(&delivered));
    assert_eq!(plane.stored().log, b"one\n");
    assert_eq!(plane.stored().artifacts["a.txt"], "bytes");
}

/// A plane that checks would ask for its bytes without end.
#[tokio::test]
async fn an_artifact_that_is_damaged_here_costs_itself_and_the_job_says_so() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let job = Run::new(Dialect::Two);
    job.artifact(1, "a.txt", b"bytes");
    let entry = job.directory.file("outbox.000001.artifact");
    std::fs::write(&entry, std::fs::read_to_string(&entry).unwrap().replace("bytes", "bites")).unwrap();
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.artifacts.is_empty(), "{:?}", stored.calls);
    let said = &stored.reports[0]["execution_metadata"]["artifact_refused:a.txt"];
    assert!(said.as_str().is_some_and(|why| why.contains("disk has damaged them")), "{said}");
}

#[tokio::test]
async fn progress_that_was_lost_with_the_power_costs_itself_and_the_job_says_so() {
    let both = |lost: &'static [u8]| [Dialect::Seed, Dialect::Two].map(|dialect| (lost, dialect));
    for (lost, dialect) in [&b""[..], b"\0\0\0\0", b"{\"half"].into_iter().flat_map(both) {
        let plane = Plane::new(|_, _| Weather::Fine);
        let job = Run::new(dialect);
        job.progress(1, "first");
        std::fs::write(job.directory.file("outbox.000001.progress"), lost).unwrap();
        job.progress(2, "second");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        let said: Vec<_> = stored.reports.iter().map(|report| &report["execution_metadata"]).collect();
        let says = |name: &str| said.iter().filter(|metadata| !metadata[name].is_null()).count();
        assert_eq!((says("outbox_damaged:outbox.000001.progress"), says("second")), (1, 1), "{said:?}");
    }
}

#[tokio::test]
async fn an_artifact_that_is_too_large_costs_itself_and_the_job_says_so() {
    let plane = Plane::new(|name, _| if name == "big.bin" { Weather::Answer(413) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    job.artifact(1, "big.bin", b"too large");
    job.artifact(2, "a.txt", b"bytes");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.artifacts.keys().map(String::as_str).collect::<Vec<_>>(), ["a.txt"]);
    assert_eq!(stored.count("big.bin"), 1);
    let said =
        stored.reports.iter().find_map(|report| report["execution_metadata"]["artifact_refused:big.bin"].as_str());
    assert!(said.is_some_and(|why| why.contains("413") && why.contains("no big.bin")), "{:?}", stored.reports);
}

/// A state that terraform could store nowhere else, at a plane that keeps only plans or takes nothing so large.
#[tokio::test]
async fn the_only_copy_stays_on_the_runner_and_the_job_says_where() {
    for dialect in [Dialect::Seed, Dialect::Two] {
        let plane = Plane::new(|name, _| if name == "errored.tfstate" { Weather::Answer(413) } else { Weather::Fine });
        let job = Run::new(dialect);
        job.artifact(1, "errored.tfstate", b"all that is known");
        job.artifact(2, "plan.txt", b"can be made again");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let lost = job.directory.put_away(true).unwrap().expect("something is kept");
        let kept = lost.join("kept.000001.artifact");
        assert!(std::fs::read(&kept).unwrap().ends_with(b"\nall that is known"));
        let stored = plane.stored();
        let said = |name: &str| stored.reports.iter().find_map(|report| report["execution_metadata"][name].as_str());
        let why = said("artifact_refused:errored.tfstate").unwrap();
        assert!(why.contains(&format!("the runner keeps it as {}", kept.display())), "{why}");
        assert_eq!(said("artifact_refused:plan.txt"), None);
    }
}
