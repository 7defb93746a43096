//! Running a tool for a job: its output to the log, the job's stop to the tool.

use std::time::Duration;

use process_supervisor::{Command, Output, OutputStream, ProcessExit, StopOrder, supervise};
use tokio::sync::{mpsc, watch};
use wire::{LogStream, Timestamp};

use crate::log_sink::ToolStream;
use crate::{ExecutorError, JobContext, LogSink, Stop};

/// Between SIGTERM and SIGKILL.
const FIRM: Duration = Duration::from_secs(10);
/// Batches of output on their way from the tool to the log.
const OUTPUT_QUEUE: usize = 16;
/// How much of a tool's standard error is kept for error messages.
const STDERR_TAIL_BYTES: usize = 16 * 1024;
/// The most that [`JobContext::capture`] takes.
const CAPTURE_BYTES: usize = 256 * 1024 * 1024;

/// How a tool ended, and what it said. That it has ended does not say that it succeeded: see [`Self::succeeded`].
#[derive(Clone, Debug)]
#[must_use = "a tool that failed has finished, too: ask whether it `succeeded`"]
pub struct Finished {
    /// How it ended.
    pub exit: ProcessExit,
    /// Its standard output, where it was captured.
    pub stdout: Vec<u8>,
    /// The end of its standard error, as the log shows it.
    pub stderr_tail: String,
}

impl Finished {
    /// The standard output of a tool that ended well. `tool` is its name for the error.
    ///
    /// # Errors
    /// [`ExecutorError::ToolFailed`] with the last line of its standard error if it did not end well.
    pub fn succeeded(self, tool: &str) -> Result<Vec<u8>, ExecutorError> {
        if self.exit.is_success() {
            return Ok(self.stdout);
        }
        let last_line = self.stderr_tail.trim_end().lines().next_back().unwrap_or_default();
        Err(ExecutorError::ToolFailed { tool: tool.to_owned(), exit: self.exit, message: last_line.trim().to_owned() })
    }
}

impl JobContext {
    /// Runs a command; both its streams go to the log as they come.
    ///
    /// # Errors
    /// [`ExecutorError::Spawn`]; [`ExecutorError::Stopped`] if the job was asked to stop, once the command has ended.
    pub async fn run(&self, command: Command) -> Result<Finished, ExecutorError> {
        self.supervised(command, Stdout::Log, Stopping::Obey).await
    }

    /// Runs a command; its standard output is returned and does not reach the log, its standard error does.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn capture(&self, command: Command) -> Result<Finished, ExecutorError> {
        self.supervised(command, Stdout::Capture, Stopping::Obey).await
    }

    /// Runs a command; both its streams go to the log as they come, and its standard output is returned too.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn tee(&self, command: Command) -> Result<Finished, ExecutorError> {
        self.supervised(command, Stdout::Both, Stopping::Obey).await
    }

    /// Runs a command that puts things in order after a stop: a request to stop does not end it, `limit` does.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn clean_up(&self, command: Command, limit: Duration) -> Result<Finished, ExecutorError> {
        self.supervised(command, Stdout::Log, Stopping::After(limit)).await
    }

    /// Looks after a stop where things stand, so that they can be put in order: as [`Self::clean_up`], and the standard
    /// output is returned and does not reach the log.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn clean_up_capture(&self, command: Command, limit: Duration) -> Result<Finished, ExecutorError> {
        self.supervised(command, Stdout::Capture, Stopping::After(limit)).await
    }

    async fn supervised(
        &self,
        command: Command,
        stdout: Stdout,
        stopping: Stopping,
    ) -> Result<Finished, ExecutorError> {
        if matches!(stopping, Stopping::Obey) {
            self.check_stop()?;
        }
        let (output, mut received) = mpsc::channel(OUTPUT_QUEUE);
        let (order, ordered) = watch::channel(None);
        let mut heard = Heard::new(&self.0.log);
        let mut ended = std::pin::pin!(supervise(&command, output, ordered));
        let mut stop = std::pin::pin!(self.pass_on_stop(stopping, order));
        let exit = loop {
            tokio::select! {
                Some(output) = received.recv() => heard.take(&output, stdout),
                exit = &mut ended => break exit?,
                () = &mut stop => {}
            }
        };
        while let Some(output) = received.recv().await {
            heard.take(&output, stdout);
        }
        heard.end();
        if let (Stopping::Obey, true, Some(stop)) = (stopping, exit.stopped, self.0.stop.requested()) {
            return Err(ExecutorError::Stopped(stop.reason));
        }
        if heard.too_much {
            let limit = CAPTURE_BYTES / (1024 * 1024);
            return Err(ExecutorError::Other(format!("{} printed more than {limit} MiB", command.name())));
        }
        let stderr_tail = String::from_utf8_lossy(&heard.stderr_tail).into_owned();
        Ok(Finished { exit, stdout: heard.captured, stderr_tail })
    }

    /// Turns requests to stop into orders for the process. Never returns: the process's end drops it.
    async fn pass_on_stop(&self, stopping: Stopping, order: watch::Sender<Option<StopOrder>>) {
        let ladder = StopOrder::Ladder { grace: self.0.grace, firm: FIRM };
        let mut known: Option<Stop> = None;
        match stopping {
            Stopping::Obey => loop {
                let stop = self.stop().changed_from(known).await;
                order.send_replace(Some(if stop.force { StopOrder::Kill } else { ladder }));
                known = Some(stop);
            },
            Stopping::After(limit) => {
                tokio::time::sleep(limit).await;
                order.send_replace(Some(StopOrder::Ladder { grace: FIRM, firm: FIRM }));
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What a tool has said so far.
struct Heard {
    stdout: ToolStream,
    stderr: ToolStream,
    captured: Vec<u8>,
    /// A part of a document is worse than none.
    too_much: bool,
    /// Of what the log shows: a part of a secret could not be told from other text.
    stderr_tail: Vec<u8>,
}

impl Heard {
    fn new(log: &LogSink) -> Self {
        Self {
            stdout: ToolStream::new(log, LogStream::Stdout),
            stderr: ToolStream::new(log, LogStream::Stderr),
            captured: Vec::new(),
            too_much: false,
            stderr_tail: Vec::new(),
        }
    }

    fn take(&mut self, output: &Output, stdout: Stdout) {
        let at = Timestamp::from(output.at);
        if output.stream == OutputStream::Stderr {
            return self.stderr.write(at, &output.bytes, &mut |shown| keep_tail(&mut self.stderr_tail, shown));
        }
        if stdout != Stdout::Log {
            self.capture(&output.bytes);
        }
        if stdout != Stdout::Capture {
            self.stdout.write(at, &output.bytes, &mut |_| {});
        }
    }

    fn end(&mut self) {
        self.stdout.end(&mut |_| {});
        self.stderr.end(&mut |shown| keep_tail(&mut self.stderr_tail, shown));
    }

    fn capture(&mut self, bytes: &[u8]) {
        if self.captured.len() + bytes.len() > CAPTURE_BYTES {
            self.too_much = true;
        } else {
            self.captured.extend_from_slice(bytes);
        }
    }
}

fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(bytes);
    let surplus = tail.len().saturating_sub(STDERR_TAIL_BYTES);
    tail.drain(..surplus);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stdout {
    Log,
    Capture,
    Both,
}

#[derive(Clone, Copy)]
enum Stopping {
    Obey,
    After(Duration),
}
