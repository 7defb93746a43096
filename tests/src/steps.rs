//! What the program `test-tool` does, step by step, and the bytes that it must have written by then.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step of the tool. Records are numbered through all steps of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Appends a line to the ledger.
    Mark(String),
    /// Writes so many records.
    Emit(u64),
    /// Waits for a file.
    Wait(String),
    /// Writes records until there is a file.
    Flow(String),
    /// Writes so many lines of 80 bytes as fast as it can.
    Lines(u64),
    /// Writes one line of so many bytes.
    Line(u64),
    /// Writes every byte there is, NUL and invalid UTF-8 too, without an end of line.
    Rubbish,
    /// Writes to standard error.
    Complain(String),
    /// Ends with this code.
    Exit(i32),
}

/// The file of marks.
pub const LEDGER: &str = "ledger";
/// Between two looks of the tool for a file, and two records of a flow.
const PACE: Duration = Duration::from_millis(2);

/// What record `number` looks like: it says its number, its length and its checksum, so that a lost, doubled or torn one
/// shows.
#[must_use]
pub fn record(number: u64) -> String {
    let mut seed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let length = 20 + seed % 180;
    let payload: String = (0..length)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((seed >> 33) % 95).unwrap_or_default())
        })
        .collect();
    format!("{number:08}|{length}|{:08x}|{payload}\n", crc32c::crc32c(payload.as_bytes()))
}

/// Records from the first on.
#[must_use]
pub fn records(count: u64) -> Vec<u8> {
    (0..count).flat_map(|number| record(number).into_bytes()).collect()
}

/// Whether there is the file. Without its folder the test is over, and a tool that outlived its runner with it.
fn is_there(folder: &Path, file: &str) -> io::Result<bool> {
    folder.metadata()?;
    Ok(folder.join(file).exists())
}

/// Does the steps: output to `out`, marks and files in `folder`. Returns the number of the next record.
///
/// # Errors
/// If something cannot be written.
pub fn carry_out(steps: &[Step], mut next: u64, folder: &Path, out: &mut impl Write) -> io::Result<u64> {
    for step in steps {
        match step {
            Step::Mark(text) => mark(folder, text)?,
            Step::Emit(count) => {
                for number in next..next + count {
                    out.write_all(record(number).as_bytes())?;
                }
                next += count;
            }
            Step::Wait(file) => {
                out.flush()?;
                while !is_there(folder, file)? {
                    std::thread::sleep(PACE);
                }
            }
            Step::Flow(file) => {
                while !is_there(folder, file)? {
                    out.write_all(record(next).as_bytes())?;
                    out.flush()?;
                    next += 1;
                    std::thread::sleep(PACE);
                }
            }
            Step::Complain(text) => eprintln!("{text}"),
            Step::Exit(code) => {
                out.flush()?;
                std::process::exit(*code);
            }
            Step::Lines(_) | Step::Line(_) | Step::Rubbish => write_fixed(step, out)?,
        }
        out.flush()?;
    }
    Ok(next)
}

/// The steps whose output depends on nothing.
///
/// # Errors
/// If it cannot be written.
pub fn write_fixed(step: &Step, out: &mut impl Write) -> io::Result<()> {
    match step {
        Step::Lines(count) => {
            for number in 0..*count {
                writeln!(out, "{number:010} {:068}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))?;
            }
        }
        Step::Line(bytes) => {
            let piece: Vec<u8> = (0..=u16::MAX).map(|at| b'a' + u8::try_from(at % 23).unwrap_or_default()).collect();
            let mut left = usize::try_from(*bytes).unwrap_or(usize::MAX);
            while left > 0 {
                let some = left.min(piece.len());
                out.write_all(&piece[..some])?;
                left -= some;
            }
            out.write_all(b"\n")?;
        }
        Step::Rubbish => {
            for round in 0..=u8::MAX {
                let bytes: Vec<u8> = (0..=u8::MAX).map(|byte| byte ^ round).collect();
                out.write_all(&bytes)?;
            }
        }
        _ => return Err(io::Error::other("the output of this step depends on others")),
    }
    Ok(())
}

/// One write per line, so that lines of two processes cannot mix.
fn mark(folder: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut ledger = OpenOptions::new().create(true).append(true).open(folder.join(LEDGER))?;
    ledger.write_all(format!("{text}\n").as_bytes())?;
    ledger.sync_all()
}
