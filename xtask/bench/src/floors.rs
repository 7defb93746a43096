//! What the bare machine needs, measured in turns with what the product needs.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::clock;
use crate::programs::{Programs, command};

/// From before a spawn to the first instruction of the spawned, in milliseconds.
pub(crate) fn spawn_to_stamp(programs: &Programs) -> anyhow::Result<f64> {
    let begun = clock::now_ns();
    let output = command(&programs.probe).arg("stamp").output()?;
    Ok(clock::ms_between(begun, stamp(&String::from_utf8_lossy(&output.stdout), "stamp")?))
}

/// The time in a line `WORD NANOSECONDS`.
pub(crate) fn stamp(text: &str, word: &str) -> anyhow::Result<i64> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(word));
    let number = line.and_then(|rest| rest.trim().parse().ok());
    number.with_context(|| format!("no {word} in {text:?}"))
}

/// Appends 4 KiB and syncs them, in milliseconds.
pub(crate) fn durable_append(file: &mut File) -> anyhow::Result<f64> {
    let begun = clock::now_ns();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(clock::ms_since(begun))
}

/// Lines that a program prints every now and then, read through a bare pipe: latency of each in milliseconds.
pub(crate) fn ticks_through_pipe(programs: &Programs, count: u64, pause_ms: u64) -> anyhow::Result<Vec<f64>> {
    use std::io::BufRead;
    let mut probe = command(&programs.probe);
    let mut child = probe.args(["tick", &count.to_string(), &pause_ms.to_string()]).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no pipe")?;
    let lines = std::io::BufReader::new(output).lines();
    let latencies = lines.map(|line| {
        let line = line?;
        Ok(clock::ms_between(stamp(&line, "tick")?, clock::now_ns()))
    });
    let latencies: anyhow::Result<Vec<f64>> = latencies.collect();
    child.wait()?;
    latencies
}

/// The flood through a pipe into a file that is synced at the end, in seconds.
pub(crate) fn flood_to_file(programs: &Programs, lines: u64, file: &Path) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut child = command(&programs.probe).args(["lines", &lines.to_string()]).stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdout.take().context("no pipe")?;
    let mut file = File::create(file)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = pipe.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read])?;
    }
    file.sync_all()?;
    ensure!(child.wait()?.success(), "the flood failed");
    Ok(begun.elapsed().as_secs_f64())
}

/// Spawns of `/bin/true` a second, by as many threads as the product has slots.
#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
pub(crate) fn spawns_per_second(threads: usize, span: Duration) -> f64 {
    let spawned = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while begun.elapsed() < span && command(Path::new("/bin/true")).status().is_ok() {
                    spawned.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    spawned.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}
