//! What terraform itself takes of a job: a program of its name that calls it and stamps begin and end.
//!
//! The stamps are as near to the call as can be, so what the wrapper needs for itself counts as work of the product.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::clock;
use crate::programs::{self, Programs};

/// What jobs look for on their PATH.
const TOOL: &str = "terraform";
/// Beside the wrapper: a link to what it calls.
const REAL: &str = "real-terraform";
/// Beside the wrapper: a line `VERB BEGIN END` per call.
const STAMPS: &str = "stamps";

/// A folder with the wrapper in it.
pub(crate) struct ToolClock {
    folder: PathBuf,
    /// The program that is timed.
    pub(crate) real: PathBuf,
}

/// A call that has ended; times as of [`clock::now_ns`].
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// For example `init`.
    pub(crate) verb: String,
    pub(crate) begun_ns: i64,
    pub(crate) ended_ns: i64,
}

impl ToolClock {
    /// Makes the folder. The wrapper is a copy of the probe: a program knows its own path, and nothing else here.
    pub(crate) fn install(programs: &Programs, folder: PathBuf) -> anyhow::Result<Self> {
        let real = which::which_in(TOOL, Some(programs::path()), "/").context("there is no terraform on the PATH")?;
        fs::create_dir(&folder)?;
        fs::copy(&programs.probe, folder.join(TOOL))?;
        symlink(&real, folder.join(REAL))?;
        File::create(folder.join(STAMPS))?;
        Ok(Self { folder, real })
    }

    /// A PATH on which the wrapper comes first.
    pub(crate) fn path(&self) -> anyhow::Result<String> {
        let found = programs::path();
        let path = std::env::join_paths(std::iter::once(self.folder.clone()).chain(std::env::split_paths(&found)))?;
        path.into_string().ok().context("PATH is not UTF-8")
    }

    /// The calls between two times, in the order in which they ended.
    pub(crate) fn calls(&self, begun_ns: i64, ended_ns: i64) -> anyhow::Result<Vec<Call>> {
        let stamps = fs::read_to_string(self.folder.join(STAMPS))?;
        let calls: anyhow::Result<Vec<_>> = stamps.lines().map(Call::parse).collect();
        Ok(calls?.into_iter().filter(|call| call.begun_ns >= begun_ns && call.ended_ns <= ended_ns).collect())
    }
}

impl Call {
    /// How long it took.
    pub(crate) fn ms(&self) -> f64 {
        clock::ms_between(self.begun_ns, self.ended_ns)
    }

    fn parse(line: &str) -> anyhow::Result<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let [verb, begun, ended] = words[..] else { anyhow::bail!("{line:?} is no stamp") };
        Ok(Self { verb: verb.to_owned(), begun_ns: begun.parse()?, ended_ns: ended.parse()? })
    }
}

/// What the wrapper does. The exit code of the call, or none if this program is not the wrapper.
///
/// # Errors
/// If the real program cannot be started, or there is no room for a stamp.
#[expect(clippy::disallowed_methods, reason = "it stands between a job and its tool, and adds nothing")]
pub fn stand_between() -> io::Result<Option<i32>> {
    let own = std::env::current_exe()?;
    let Some(folder) = own.parent().filter(|_| own.ends_with(TOOL)) else { return Ok(None) };
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut real = std::process::Command::new(folder.join(REAL));
    let begun = clock::now_ns();
    let status = real.args(&args).status()?;
    let ended = clock::now_ns();
    let verb = args.first().map_or("none", |verb| verb.to_str().unwrap_or("none"));
    stamp(&folder.join(STAMPS), &format!("{verb} {begun} {ended}\n"))?;
    Ok(Some(status.code().unwrap_or(1)))
}

/// In one write: others append to the same file.
fn stamp(file: &Path, line: &str) -> io::Result<()> {
    File::options().append(true).open(file)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let call = Call::parse("init 1000000 3500000").unwrap();
        assert_eq!((call.verb.as_str(), call.begun_ns), ("init", 1_000_000));
        assert!((call.ms() - 2.5).abs() < f64::EPSILON);
        assert!(Call::parse("init 1").is_err());
    }
}
