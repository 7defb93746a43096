//! Measures the memory of the process that runs it: so it is the only test of this file, which is a process.

use process_supervisor::{Command, Environment, OutputStream, supervise};
use tokio::sync::{mpsc, watch};

const LINE: &[u8; 80] = b"0123456789012345678901234567890123456789012345678901234567890123456789012345678\n";
const TOTAL_BYTES: usize = 200_000_000;
/// A queue of 16 batches is 1 MiB; the rest is room for the allocator.
const GROWTH_KIB: usize = 16 * 1024;

fn peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_arrives_whole_and_in_little_memory() {
    let (sender, mut output) = mpsc::channel(16);
    let (_stop, stopped) = watch::channel(None);
    let env: Environment = [("PATH", "/usr/bin:/bin")].into_iter().collect();
    let line = std::str::from_utf8(LINE).unwrap().trim_end();
    let script = format!("yes {line} | head -c {TOTAL_BYTES}");
    let flood = Command::new("/bin/sh", env, "/").args(["-c", &script]);
    let expected = LINE.repeat(1024);
    let before = peak_kib();
    let exit = tokio::spawn(async move { supervise(&flood, sender, stopped).await });
    let mut total = 0;
    while let Some(batch) = output.recv().await {
        let start = total % LINE.len();
        assert!(batch.bytes == expected[start..start + batch.bytes.len()], "the bytes differ after {total}");
        assert_eq!(batch.stream, OutputStream::Stdout);
        total += batch.bytes.len();
    }
    assert_eq!(total, TOTAL_BYTES);
    assert!(exit.await.unwrap().unwrap().is_success());
    let growth = peak_kib() - before;
    assert!(growth < GROWTH_KIB, "the peak grew by {growth} KiB");
}
