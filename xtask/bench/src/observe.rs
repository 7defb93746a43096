//! What `/proc` says about a process and about the machine.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::programs::command;

const OFTEN: Duration = Duration::from_millis(500);

/// A line `Name:   123 kB` of `/proc/PID/status`, in KiB (or as the count that it is).
pub(crate) fn status(pid: u32, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    number(&text, name).with_context(|| format!("process {pid} has no {name}"))
}

/// From here on, `VmHWM` is the peak of what comes.
pub(crate) fn forget_peak(pid: u32) -> anyhow::Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// How often a process gives up the processor by itself in a time, over all its threads: its wake-ups. It is looked at again
/// and again, because what a thread did is forgotten when it ends.
pub(crate) async fn wakeups(pid: u32, time: Duration) -> anyhow::Result<u64> {
    let before = of_threads(pid)?;
    let (mut latest, until) = (before.clone(), Instant::now() + time);
    while Instant::now() < until {
        tokio::time::sleep_until(until.min(Instant::now() + OFTEN).into()).await;
        latest.extend(of_threads(pid)?);
    }
    Ok(latest.values().sum::<u64>().saturating_sub(before.values().sum()))
}

fn of_threads(pid: u32) -> anyhow::Result<HashMap<OsString, u64>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    let count = |thread: &DirEntry| {
        let text = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        number(&text, "voluntary_ctxt_switches").unwrap_or(0)
    };
    Ok(threads.map(|thread| (thread.file_name(), count(&thread))).filter(|(_, count)| *count > 0).collect())
}

/// The processes whose command line holds `word`.
pub(crate) fn with_argument(word: &str) -> Vec<u32> {
    let holds = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
}

/// Share of the last ten seconds in which somebody waited for a processor, in percent.
pub(crate) fn cpu_pressure() -> f64 {
    let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let word = text.split_whitespace().find_map(|word| word.strip_prefix("avg10="));
    word.and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// What was measured where, in one line.
pub(crate) fn machine() -> String {
    let first = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.map(|line| line.trim_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
    };
    let commit = command("git".as_ref()).args(["describe", "--always", "--dirty"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (model, kernel) = (first("/proc/cpuinfo", "model name"), first("/proc/sys/kernel/osrelease", ""));
    format!("commit {commit}, {cores} cores of {model}, Linux {kernel}")
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
