//! The programs that a benchmark starts: the release binaries beside its own, and the tools of the machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use crate::clock;

/// Where they are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The product.
    pub(crate) alethia: PathBuf,
    /// A runner that links the benchmark's own kinds.
    pub(crate) runner: PathBuf,
    /// The same with the clouds.
    pub(crate) cloud_runner: PathBuf,
    /// What the jobs run.
    pub(crate) probe: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let folder = own.parent().context("the benchmark has no folder")?;
        let find = |name: &str| {
            let program = folder.join(name);
            ensure!(program.exists(), "{} is not built; use `cargo xtask bench`", program.display());
            Ok(program)
        };
        Ok(Self {
            alethia: find("alethia")?,
            runner: find("bench-runner")?,
            cloud_runner: find("cloud-runner")?,
            probe: find("probe")?,
        })
    }
}

/// A program with a clean environment: PATH alone.
#[expect(clippy::disallowed_methods, reason = "floors and contenders are started bare, without the supervisor")]
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// Where tools are looked up.
pub(crate) fn path() -> OsString {
    std::env::vars_os().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default()
}

/// A child that is killed when it is forgotten.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to leave and waits. How long that took, in milliseconds.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<f64> {
        let begun = clock::now_ns();
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.0.wait()?;
        let took = clock::ms_since(begun);
        ensure!(status.success(), "it left with {status} after SIGTERM");
        Ok(took)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
