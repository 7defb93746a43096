//! The processes of a cluster: started with us, watched, and ended with us.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::SIGINT;

use super::interrupts::Interrupts;
use crate::process::program;

/// Longer than anything takes, even on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(180);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);
const SHOWN_LINES: usize = 20;

pub(super) struct Processes {
    interrupts: Interrupts,
    folder: PathBuf,
    path: OsString,
    running: Vec<Process>,
}

struct Process {
    name: &'static str,
    child: Child,
}

/// How a command in the foreground ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Somebody wanted us to end meanwhile.
    pub(crate) interrupted: bool,
}

impl Processes {
    /// None yet. They will keep everything in `folder`, and find what they call on `path`.
    pub(super) fn new(folder: &Path, path: &OsStr) -> anyhow::Result<Self> {
        let interrupts = Interrupts::catch()?;
        Ok(Self { interrupts, folder: folder.to_owned(), path: path.to_owned(), running: Vec::new() })
    }

    /// A folder of its own for a process, made.
    pub(super) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// A command in a clean environment, to be changed further and then started.
    ///
    /// The kernel kills it when we die, so that nothing is left even if we are killed.
    pub(super) fn command(&self, tool: &Path) -> Command {
        let mut command = program("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(tool).current_dir(&self.folder);
        command.env_clear().env("PATH", &self.path).env("HOME", &self.folder).env("TMPDIR", &self.folder);
        command
    }

    /// Starts a process in the background; what it says goes to a file.
    pub(super) fn start(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        let log = File::create(self.log(name))?;
        let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C is for us; we end them in order.
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        self.running.push(Process { name, child });
        Ok(())
    }

    /// Asks until there is an answer.
    pub(super) fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            if self.interrupts.look().is_some() {
                bail!("ended while waiting: {what}");
            }
            if let Some(dead) = self.dead()? {
                bail!(dead);
            }
            if let Some(answer) = ask(self) {
                return Ok(answer);
            }
            if begun.elapsed() > TOO_LONG {
                let last = self.running.last().map_or_else(String::new, |process| self.tail(process.name));
                bail!("waited {} s in vain: {what}{last}", TOO_LONG.as_secs());
            }
            std::thread::sleep(BETWEEN_QUESTIONS);
        }
    }

    /// Runs a command in the foreground to its end.
    ///
    /// It is never ended because of a dead process here: it will see that for itself, and its own report says more.
    pub(super) fn foreground(&mut self, command: &mut Command) -> anyhow::Result<Ended> {
        let mut child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let (mut interrupted, mut told) = (false, false);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Ended { status, interrupted });
            }
            if let Some(dead) = self.dead()?.filter(|_| !told) {
                eprintln!("cluster: {dead}");
                told = true;
            }
            let Some(signal) = self.interrupts.wait() else { continue };
            if interrupted {
                child.kill()?;
            } else if signal != SIGINT {
                // SIGINT it has already: the terminal sends that to all that is in the foreground.
                kill_process(Pid::from_child(&child), Signal::TERM)?;
            }
            interrupted = true;
        }
    }

    /// Waits until somebody wants us to end.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(dead) = self.dead()? {
                bail!(dead);
            }
            if self.interrupts.wait().is_some() {
                return Ok(());
            }
        }
    }

    /// The first process that has ended, though none should.
    fn dead(&mut self) -> anyhow::Result<Option<String>> {
        for process in &mut self.running {
            if let Some(status) = process.child.try_wait()? {
                let name = process.name;
                return Ok(Some(format!("{name} ended with {status}{}", self.tail(name))));
            }
        }
        Ok(None)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn tail(&self, name: &str) -> String {
        let text = fs::read(self.log(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!("; the last that {name} said:\n{}", last.join("\n"))
    }
}

impl Drop for Processes {
    /// At once and hard: all that they know is thrown away.
    fn drop(&mut self) {
        for process in self.running.iter_mut().rev() {
            if matches!(process.child.try_wait(), Ok(None)) {
                // With the group go those that it has started.
                let _ = kill_process_group(Pid::from_child(&process.child), Signal::KILL);
            }
        }
        for process in &mut self.running {
            let _ = process.child.wait();
        }
    }
}

impl Ended {
    /// The exit code as a shell would say it.
    pub(crate) fn code(&self) -> u8 {
        let code = self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_was_killed_has_the_code_that_a_shell_says() {
        for (raw, code) in [(0, 0), (7 << 8, 7), (9, 137), (15, 143)] {
            assert_eq!(Ended { status: ExitStatus::from_raw(raw), interrupted: false }.code(), code);
        }
    }
}
