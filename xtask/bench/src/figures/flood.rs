//! 1 GiB of 80-byte lines, from submit until the plane has said that all of it is durable.
//!
//! The floor is the same flood through a pipe into one file that is synced at the end: one copy and one digest less.

use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Bench;
use crate::report::{Goal, Report, Row, median};
use crate::system::System;
use crate::{floors, lines, observe};

const FULL_BYTES: usize = 1 << 30;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("flood").await?;
    let running = system.bench_runner(&runner, &system.origin(), 1)?;
    system.online(&runner).await?;
    let warm = system.client.submit_program(&bench.programs.probe, &["lines", "1000"]).await?;
    system.client.follow(&warm).await?;
    let idle = observe::status(running.pid(), "VmRSS")?;
    observe::forget_peak(running.pid())?;

    let count = (bench.size.samples(FULL_BYTES) / lines::LINE_BYTES) as u64;
    let (mut floors_s, mut job_s, mut job_process) = (Vec::new(), Vec::new(), 0);
    for _ in 0..if bench.size.quick { 1 } else { 3 } {
        let (programs, file) = (bench.programs.clone(), system.folder().join("floor"));
        floors_s.push(tokio::task::spawn_blocking(move || floors::flood_to_file(&programs, count, &file)).await??);
        let begun = Instant::now();
        let job = system.client.submit_program(&bench.programs.probe, &["lines", &count.to_string()]).await?;
        let watch = tokio::spawn(watch_job_process());
        let ended = system.client.wait_for_end(&job).await?;
        job_s.push(begun.elapsed().as_secs_f64());
        job_process = job_process.max({
            watch.abort();
            PEAK.swap(0, std::sync::atomic::Ordering::Relaxed)
        });
        anyhow::ensure!(ended.log_complete == Some(true), "the plane says that the log is not complete");
        let (length, stored) = system.client.log_digest(&job).await?;
        let expected = expected(count)?;
        anyhow::ensure!((length, &stored) == (expected.0, &expected.1), "the stored log is another: {length} bytes");
    }
    let peak = observe::status(running.pid(), "VmHWM")?;
    Ok(report(count, idle, peak, job_process, &job_s, &floors_s))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn report(count: u64, idle: u64, peak: u64, job_process: u64, job_s: &[f64], floors_s: &[f64]) -> Report {
    let megabytes = (count as usize * lines::LINE_BYTES) as f64 / 1e6;
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    let rows = vec![
        Row::new("80-byte lines stored, SHA-256 equal, MB/s", megabytes / median(job_s), Goal::AtLeast(80.0))
            .beside("a pipe to a synced file", megabytes / median(floors_s)),
        Row::new("runner's peak memory over idle, MiB", mebibytes(peak.saturating_sub(idle)), Goal::AtMost(16.0)),
        Row::new("job process's peak memory, MiB", mebibytes(job_process), Goal::Told),
    ];
    let raw =
        json!({"bytes": megabytes * 1e6, "job_s": job_s, "floor_s": floors_s, "idle_kib": idle, "peak_kib": peak});
    Report { rows, raw }
}

fn expected(count: u64) -> anyhow::Result<(u64, String)> {
    let mut digest = Sha256::new();
    lines::in_blocks(count, |block| {
        digest.update(block);
        Ok(())
    })?;
    Ok((count * lines::LINE_BYTES as u64, hex::encode(digest.finalize())))
}

static PEAK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// The kernel keeps the peak itself, but only while the process lives: look now and then.
async fn watch_job_process() {
    loop {
        for pid in observe::with_argument("__job") {
            let peak = observe::status(pid, "VmHWM").unwrap_or(0);
            PEAK.fetch_max(peak, std::sync::atomic::Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
