//! The loop over one child: exit, stop, grace over.

use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use backon::{BlockingRetryable, ConstantBuilder};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::ladder::{Ladder, Step};
use crate::output::{Outlet, read_to_the_end, timespec};
use crate::{Command, Output, ProcessExit, SpawnError, StopOrder, unix};

/// How long a pipe may stay open after the child's own end: a grandchild may hold it.
const LINGER: Duration = Duration::from_secs(2);
/// How long reading may take once nobody of the group is left: only something that left the group holds the pipe.
const LAST_READ: Duration = Duration::from_millis(500);

/// Runs `command` to its end.
///
/// Output goes into `output` in the order in which it was read; when that channel is full the child waits (nothing
/// is dropped, memory stays bounded); when it is closed the rest is read and thrown away. `stop` is looked at while
/// the child runs. Returns once the child has ended, its output has been read to the end or to a short deadline
/// (a grandchild may hold the pipe), and no process of its group is left.
///
/// Dropping the future kills the group.
///
/// # Errors
/// [`SpawnError`] if it could not be started; then nothing ran.
pub async fn supervise(
    command: &Command,
    output: mpsc::Sender<Output>,
    mut stop: watch::Receiver<Option<StopOrder>>,
) -> Result<ProcessExit, SpawnError> {
    check(command)?;
    let refused = |source| SpawnError::Refused { program: command.program.clone(), source };
    let orders = Orders::new().map_err(refused)?;
    let (report, mut reported) = oneshot::channel();
    // Dropped with this future: a receiver that never receives then holds up no thread.
    let (_want, wanted) = watch::channel(());
    let of_thread = (command.clone(), orders.clone(), Outlet::new(output, wanted));
    // A thread of its own and never the runtime's pool: it starts and waits for the child, for hours.
    thread::Builder::new()
        .name(command.name())
        .spawn(move || {
            let (command, orders, outlet) = of_thread;
            // Nobody listens when the future was dropped; the group is dead by then.
            let _ = report.send(run(&command, &orders, outlet));
        })
        .map_err(refused)?;
    let kill_if_dropped = KillIfDropped(orders.clone());
    let mut last = None;
    let ended = loop {
        tokio::select! {
            ended = &mut reported => break ended,
            order = next_order(&mut stop, last) => {
                orders.give(order);
                last = Some(order);
            }
        }
    };
    drop(kill_if_dropped);
    ended.unwrap_or_else(|_| Err(refused(io::Error::other("the thread that watched it panicked"))))
}

/// The next order other than the last one; waits for ever when nobody can give one any more.
async fn next_order(stop: &mut watch::Receiver<Option<StopOrder>>, last: Option<StopOrder>) -> StopOrder {
    match stop.wait_for(|order| order.is_some() && *order != last).await.map(|order| *order) {
        Ok(Some(order)) => order,
        _ => std::future::pending().await,
    }
}

pub(crate) fn check(command: &Command) -> Result<(), SpawnError> {
    use std::os::unix::ffi::OsStrExt;
    if !command.program.is_absolute() {
        return Err(SpawnError::NotAbsolute(command.program.clone()));
    }
    let has_nul = |text: &std::ffi::OsStr| text.as_bytes().contains(&0);
    if has_nul(command.program.as_os_str()) || has_nul(command.dir.as_os_str()) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "its path or its directory holds a NUL byte");
        return Err(SpawnError::Refused { program: command.program.clone(), source });
    }
    let arg = command.args.iter().position(|arg| has_nul(arg)).map(|at| format!("{}", at + 1));
    let variable = || {
        let bad = command.env.iter().find(|(name, value)| has_nul(name) || has_nul(value));
        bad.map(|(name, _)| name.display().to_string().replace('\0', "\\0"))
    };
    arg.or_else(variable).map_or(Ok(()), |what| Err(SpawnError::Nul(what)))
}

/// The system does not say whether it misses the program or the directory.
pub(crate) fn refused(command: &Command, source: io::Error) -> SpawnError {
    let dir = &command.dir;
    let source = if source.kind() == io::ErrorKind::NotFound && !dir.is_dir() {
        io::Error::new(source.kind(), format!("its directory {} does not exist", dir.display()))
    } else {
        source
    };
    SpawnError::Refused { program: command.program.clone(), source }
}

/// The firmest order given so far, and a bell for the thread that carries it out.
#[derive(Clone)]
struct Orders(Arc<(Mutex<Option<StopOrder>>, OwnedFd)>);

impl Orders {
    fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new((Mutex::new(None), bell))))
    }

    fn give(&self, order: StopOrder) {
        let mut given = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *given != Some(StopOrder::Kill) {
            *given = Some(order);
        }
        drop(given);
        // A full counter means that the bell rings already.
        let _ = rustix::io::write(&self.0.1, &1u64.to_ne_bytes());
    }

    fn given(&self) -> Option<StopOrder> {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silence(&self) {
        let _ = rustix::io::read(&self.0.1, &mut [0u8; 8]);
    }
}

struct KillIfDropped(Orders);

impl Drop for KillIfDropped {
    fn drop(&mut self) {
        self.0.give(StopOrder::Kill);
    }
}

fn run(command: &Command, orders: &Orders, outlet: Outlet) -> Result<ProcessExit, SpawnError> {
    let refused = |source| refused(command, source);
    let (stdout, stdout_writer) = pipe().map_err(refused)?;
    let (stderr, stderr_writer) = pipe().map_err(refused)?;
    // All that may be refused comes before the start, so that a refusal means that nothing ran.
    let reader = Reader::start(stdout, stderr, outlet).map_err(refused)?;
    drop(pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| refused(error.into()))?);
    let started = Instant::now();
    let handle = start(command, stdout_writer, stderr_writer).map_err(refused)?;
    let watched = Child::of(&handle).and_then(|child| Ok((watch_child(&child, orders)?, child)));
    let (ladder, child) = watched.map_err(|source| {
        kill_unwatched(&handle);
        refused(source)
    })?;
    let duration = started.elapsed();
    reader.ended_within(LINGER, Some(orders));
    // Waited for before the group is emptied: a zombie would count as a member, and hide that nobody else is left.
    let ended = handle.wait().map(|output| output.status);
    let killed_stragglers = child.empty_group();
    reader.finish(LAST_READ);
    let status = ended.map_err(refused)?;
    let (code, signal) = (status.code(), status.signal());
    Ok(ProcessExit { code, signal, stopped: ladder != Ladder::Running, duration, killed_stragglers })
}

/// Another thread may have taken the last descriptor just now. What cannot be watched must not live.
fn kill_unwatched(handle: &duct::Handle) {
    if let Some(group) = handle.pids().first().and_then(|&pid| Pid::from_raw(pid.cast_signed())) {
        // It has not been waited for, so the number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = handle.wait();
    }
}

/// The expression holds copies of the pipes' write ends; it ends with this function, so that the readers see the end.
fn start(command: &Command, stdout: PipeWriter, stderr: PipeWriter) -> io::Result<duct::Handle> {
    let expression = duct::cmd(&command.program, &command.args)
        .dir(&command.dir)
        .full_env(command.env.iter())
        .stdin_null()
        .stdout_file(stdout)
        .stderr_file(stderr)
        .unchecked()
        .before_spawn(|child| {
            child.process_group(0);
            Ok(())
        });
    once_it_is_written(|| expression.start())
}

/// A program that was written just now is busy for a moment, if another thread has begun to start a process meanwhile: until
/// that is the program that it shall be, it has a copy of all that is open here.
fn once_it_is_written<T>(start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const PAUSES: ConstantBuilder = ConstantBuilder::new().with_delay(Duration::from_millis(5)).with_max_times(200);
    let is_busy = |error: &io::Error| error.kind() == io::ErrorKind::ExecutableFileBusy;
    start.retry(PAUSES).sleep(thread::sleep).when(is_busy).call()
}

struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Child {
    fn of(handle: &duct::Handle) -> io::Result<Self> {
        let pid = handle.pids().first().and_then(|&pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| io::Error::other("the child has no process id"))?;
        Ok(Self { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())? })
    }

    fn send(&self, step: Step) {
        // It may have ended in the meantime; then there is nobody to signal.
        let _ = match step {
            Step::Interrupt => pidfd_send_signal(&self.pidfd, Signal::INT),
            Step::Terminate => kill_process_group(self.pid, Signal::TERM),
            Step::Kill => kill_process_group(self.pid, Signal::KILL),
        };
    }

    /// Kills what is left of the group; true if there was anything. Called when the child itself has been waited for;
    /// the group's number cannot become another's while a member lives, and none is signalled unless one was just seen.
    fn empty_group(&self) -> bool {
        let mut killed = false;
        // One signal can miss a fork in flight. The bound is for a process that the kernel cannot end (state D).
        for _ in 0..200 {
            if !unix::group_is_alive(self.pid) {
                break;
            }
            killed = true;
            self.send(Step::Kill);
            thread::sleep(Duration::from_millis(5));
        }
        killed
    }
}

/// Until the child itself has ended; says how far down the ladder it went.
fn watch_child(child: &Child, orders: &Orders) -> io::Result<Ladder> {
    let mut ladder = Ladder::Running;
    loop {
        let (next, step) = ladder.advance(orders.given(), Instant::now());
        ladder = next;
        if let Some(step) = step {
            child.send(step);
        }
        if wait_for([&child.pidfd, &orders.0.1], ladder.next_at())? {
            return Ok(ladder);
        }
        orders.silence();
    }
}

/// Waits for one of two until a time; true if the first is ready.
fn wait_for(fds: [&OwnedFd; 2], until: Option<Instant>) -> io::Result<bool> {
    let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::IN));
    let timeout = until.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!fds[0].revents().is_empty()),
        Err(error) => Err(error.into()),
    }
}

/// The thread that reads the child's output, and how to end it.
struct Reader {
    /// Closed by the thread when it ends.
    ended: PipeReader,
    quit: PipeWriter,
}

impl Reader {
    fn start(stdout: PipeReader, stderr: PipeReader, mut outlet: Outlet) -> io::Result<Self> {
        let (ended, alive) = pipe()?;
        let (quit_seen, quit) = pipe()?;
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            // A pipe that cannot be read any more is at its end.
            let _ = read_to_the_end(stdout, stderr, &quit_seen, &mut outlet);
            drop(outlet);
            drop(alive);
        })?;
        Ok(Self { ended, quit })
    }

    /// Whether all was read in that time; gives up at once when the order is to kill.
    fn ended_within(&self, time: Duration, orders: Option<&Orders>) -> bool {
        let until = Instant::now() + time;
        loop {
            if orders.is_some_and(|orders| orders.given() == Some(StopOrder::Kill)) {
                return false;
            }
            let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
            if let Some(orders) = orders {
                fds.push(PollFd::from_borrowed_fd(orders.0.1.as_fd(), PollFlags::IN));
            }
            let timeout = timespec(until.saturating_duration_since(Instant::now()));
            let _ = poll(&mut fds, Some(&timeout));
            if !fds[0].revents().is_empty() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            if let Some(orders) = orders {
                orders.silence();
            }
        }
    }

    /// Lets the thread read what is there, and then leave.
    fn finish(self, time: Duration) {
        if !self.ended_within(time, None) {
            drop(self.quit);
            // With a reader that is slow but alive, wait as long as it takes: nothing may be lost. When nobody
            // listens any more, sending fails and the thread ends at once.
            let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
            while let Err(rustix::io::Errno::INTR) = poll(&mut fds, None) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_still_written_is_waited_for_and_nothing_else_is() {
        let after = |busy: u32, then: Option<io::ErrorKind>| {
            let mut tries = 0;
            let ended = once_it_is_written(|| {
                tries += 1;
                let error = if tries <= busy { Some(io::ErrorKind::ExecutableFileBusy) } else { then };
                error.map_or(Ok(()), |kind| Err(kind.into()))
            });
            (tries, ended.map_err(|error| error.kind()))
        };
        assert_eq!(after(3, None), (4, Ok(())));
        assert_eq!(after(0, Some(io::ErrorKind::NotFound)), (1, Err(io::ErrorKind::NotFound)));
        assert_eq!(after(u32::MAX, None), (201, Err(io::ErrorKind::ExecutableFileBusy)), "not for ever");
    }
}
