//! What a child prints, in the order in which it is read: whole lines where possible.

use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

/// The most bytes of one [`Output`].
const BATCH_BYTES: usize = 64 * 1024;
/// How long an unfinished line waits for its end: a prompt has none.
const UNFINISHED: Duration = Duration::from_millis(100);
/// How much of each pipe is read after `quit`: the most that a pipe holds. More comes from one who left the group,
/// and may come for ever.
const LAST_BYTES: usize = 1024 * 1024;

/// Which pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Some bytes that the child printed: whole lines with their line ends, or a piece of a line that is longer than
/// 64 KiB or unfinished for 100 ms (a prompt), or the last line without its end. Concatenated per stream they are what it wrote, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it printed them.
    pub stream: OutputStream,
    /// What it printed; never empty, at most 64 KiB.
    pub bytes: Bytes,
    /// When we read them.
    pub at: SystemTime,
}

/// Where output goes.
pub(crate) struct Outlet {
    /// None once nobody listens.
    output: Option<mpsc::Sender<Output>>,
    /// Its sender goes when the future of `supervise` is dropped.
    wanted: watch::Receiver<()>,
    runtime: Handle,
}

impl Outlet {
    /// Must be called within a tokio runtime. Once the sender of `wanted` is gone, nobody need receive any more.
    pub(crate) fn new(output: mpsc::Sender<Output>, wanted: watch::Receiver<()>) -> Self {
        Self { output: Some(output), wanted, runtime: Handle::current() }
    }

    /// Waits while the channel is full. When nobody listens any more the output is thrown away: reading goes on, so
    /// that the child never gets SIGPIPE.
    fn put(&mut self, one: Output) {
        let Some(output) = &self.output else { return };
        let is_sent = match output.try_send(one) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(one)) => self.runtime.block_on(async {
                tokio::select! {
                    sent = output.send(one) => sent.is_ok(),
                    _ = self.wanted.changed() => false,
                }
            }),
        };
        if !is_sent {
            self.output = None;
        }
    }
}

/// Reads both pipes to their ends, or until `quit` is readable and they are empty.
///
/// One thread for both, so that the order in which it reads is the order of the log. Blocks while the outlet's channel
/// is full: the child then waits, and nothing is lost.
pub(crate) fn read_to_the_end(
    stdout: PipeReader,
    stderr: PipeReader,
    quit: &impl AsFd,
    outlet: &mut Outlet,
) -> io::Result<()> {
    let mut pipes = vec![Pipe::new(OutputStream::Stdout, stdout)?, Pipe::new(OutputStream::Stderr, stderr)?];
    let mut quitting = false;
    while !pipes.is_empty() {
        let ready = wait(&pipes, quit, quitting)?;
        let mut idle = true;
        for (pipe, ready) in pipes.iter_mut().zip(ready.pipes) {
            if ready {
                let count = pipe.read(outlet)?;
                pipe.last_bytes += if quitting { count } else { 0 };
                idle &= count == 0;
            }
            pipe.show_unfinished(Instant::now(), outlet);
            pipe.ended |= pipe.last_bytes >= LAST_BYTES;
        }
        if quitting && idle {
            break;
        }
        quitting |= ready.quit;
        for pipe in pipes.extract_if(.., |pipe| pipe.ended) {
            pipe.end(outlet);
        }
    }
    for pipe in pipes {
        pipe.end(outlet);
    }
    Ok(())
}

struct Ready {
    pipes: Vec<bool>,
    quit: bool,
}

fn wait(pipes: &[Pipe], quit: &impl AsFd, quitting: bool) -> io::Result<Ready> {
    let until = pipes.iter().filter_map(|pipe| pipe.unfinished_at).min();
    let timeout =
        if quitting { Some(Duration::ZERO) } else { until.map(|at| at.saturating_duration_since(Instant::now())) };
    let timeout = timeout.map(timespec);
    let mut fds: Vec<_> = pipes.iter().map(|pipe| PollFd::new(&pipe.reader, PollFlags::IN)).collect();
    if !quitting {
        fds.push(PollFd::new(quit, PollFlags::IN));
    }
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
    let quit = !quitting && ready.pop() == Some(true);
    Ok(Ready { pipes: ready, quit })
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    // Rounded up to a millisecond, so that a wait never ends just before its time and spins.
    let duration = duration + Duration::from_millis(1);
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
}

struct Pipe {
    stream: OutputStream,
    reader: PipeReader,
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
    /// When the line is shown without its end.
    unfinished_at: Option<Instant>,
    /// Read after `quit`.
    last_bytes: usize,
    ended: bool,
}

impl Pipe {
    fn new(stream: OutputStream, reader: PipeReader) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(Self { stream, reader, held: Vec::new(), unfinished_at: None, last_bytes: 0, ended: false })
    }

    /// Reads once; how much.
    fn read(&mut self, outlet: &mut Outlet) -> io::Result<usize> {
        self.held.reserve_exact(BATCH_BYTES - self.held.len());
        match rustix::io::read(&self.reader, rustix::buffer::spare_capacity(&mut self.held)) {
            Ok(count) => {
                self.ended = count == 0;
                self.emit_lines(outlet);
                Ok(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn emit_lines(&mut self, outlet: &mut Outlet) {
        match self.held.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => self.emit(end + 1, outlet),
            None if self.held.len() >= BATCH_BYTES => self.emit(self.held.len(), outlet),
            None => {}
        }
        // A line that grows and grows, like a progress bar, keeps its time.
        if !self.held.is_empty() && self.unfinished_at.is_none() {
            self.unfinished_at = Some(Instant::now() + UNFINISHED);
        }
    }

    fn show_unfinished(&mut self, now: Instant, outlet: &mut Outlet) {
        if self.unfinished_at.is_some_and(|at| now >= at) {
            self.emit(self.held.len(), outlet);
        }
    }

    fn end(mut self, outlet: &mut Outlet) {
        self.emit(self.held.len(), outlet);
    }

    fn emit(&mut self, length: usize, outlet: &mut Outlet) {
        self.unfinished_at = None;
        if length == 0 {
            return;
        }
        let rest = self.held.split_off(length);
        let bytes = Bytes::from(std::mem::replace(&mut self.held, rest));
        outlet.put(Output { stream: self.stream, bytes, at: SystemTime::now() });
    }
}
