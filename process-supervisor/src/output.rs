//! What a child prints, in the order in which it is read: whole lines where possible.

use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;

/// The most bytes of one [`Output`].
const BATCH_BYTES: usize = 64 * 1024;
/// How long an unfinished line waits for its end: a prompt has none.
const UNFINISHED: Duration = Duration::from_millis(100);

/// Which pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Some bytes that the child printed: whole lines with their line ends, or a piece of a line that is longer than
/// 64 KiB, or the last line without its end. Concatenated per stream they are what it wrote, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it printed them.
    pub stream: OutputStream,
    /// What it printed; never empty, at most 64 KiB.
    pub bytes: Bytes,
    /// When we read them.
    pub at: SystemTime,
}

/// Reads both pipes to their ends, or until `quit` is readable and they are empty.
///
/// One thread for both, so that the order in which it reads is the order of the log. Blocks while `output` is full:
/// the child then waits, and nothing is lost.
pub(crate) fn read_to_the_end(
    stdout: PipeReader,
    stderr: PipeReader,
    quit: &impl AsFd,
    output: &mpsc::Sender<Output>,
) -> io::Result<()> {
    let mut pipes =
        vec![Pipe::new(OutputStream::Stdout, stdout, output)?, Pipe::new(OutputStream::Stderr, stderr, output)?];
    let mut quitting = false;
    while !pipes.is_empty() {
        let ready = wait(&pipes, quit, quitting)?;
        let mut idle = true;
        for (pipe, ready) in pipes.iter_mut().zip(ready.pipes) {
            if ready {
                idle &= !pipe.read()?;
            }
            pipe.show_unfinished(Instant::now());
        }
        if quitting && idle {
            break;
        }
        quitting |= ready.quit;
        pipes.retain(|pipe| !pipe.ended);
    }
    for pipe in &mut pipes {
        pipe.emit(pipe.held.len());
    }
    Ok(())
}

struct Ready {
    pipes: Vec<bool>,
    quit: bool,
}

fn wait(pipes: &[Pipe<'_>], quit: &impl AsFd, quitting: bool) -> io::Result<Ready> {
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

struct Pipe<'a> {
    stream: OutputStream,
    reader: PipeReader,
    output: &'a mpsc::Sender<Output>,
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
    unfinished_at: Option<Instant>,
    ended: bool,
}

impl<'a> Pipe<'a> {
    fn new(stream: OutputStream, reader: PipeReader, output: &'a mpsc::Sender<Output>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(Self { stream, reader, output, held: Vec::new(), unfinished_at: None, ended: false })
    }

    /// Reads once; false if there was nothing.
    fn read(&mut self) -> io::Result<bool> {
        self.held.reserve_exact(BATCH_BYTES - self.held.len());
        match rustix::io::read(&self.reader, rustix::buffer::spare_capacity(&mut self.held)) {
            Ok(0) => {
                self.ended = true;
                self.emit(self.held.len());
            }
            Ok(_) => self.emit_lines(),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    fn emit_lines(&mut self) {
        match self.held.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => self.emit(end + 1),
            None if self.held.len() >= BATCH_BYTES => self.emit(self.held.len()),
            None => {}
        }
        self.unfinished_at = (!self.held.is_empty()).then(|| Instant::now() + UNFINISHED);
    }

    fn show_unfinished(&mut self, now: Instant) {
        if self.unfinished_at.is_some_and(|at| now >= at) {
            self.emit(self.held.len());
        }
    }

    fn emit(&mut self, length: usize) {
        self.unfinished_at = None;
        if length == 0 {
            return;
        }
        let rest = self.held.split_off(length);
        let bytes = Bytes::from(std::mem::replace(&mut self.held, rest));
        // Nobody listens any more: read on, so that the child never gets SIGPIPE.
        let _ = self.output.blocking_send(Output { stream: self.stream, bytes, at: SystemTime::now() });
    }
}
