//! Starts a process that lives on without us.
//!
//! `posix_spawn`, and not the standard library: that can start a session only after a fork, which copies the page tables
//! of this process, and makes each page that it touches afterwards a fault.

use std::ffi::{CString, OsStr, c_char};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use libc::{c_int, posix_spawn_file_actions_t, posix_spawnattr_t, sigset_t};
use rustix::process::Pid;

use crate::Command;

/// Starts a program as the leader of a new session, with `output` as its standard output and error. It is a child of this
/// process, and not waited for: see `DetachedProcess`.
pub(crate) fn spawn_in_new_session(command: &Command, output: &File) -> io::Result<Pid> {
    let program = c_string(command.program.as_os_str())?;
    let words = std::iter::once(Ok(program.clone())).chain(command.args.iter().map(|arg| c_string(arg)));
    let words = words.collect::<io::Result<Vec<_>>>()?;
    let variables = command.env.iter().map(|(name, value)| {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        Ok(CString::new([name, b"=", value].concat())?)
    });
    let variables = variables.collect::<io::Result<Vec<_>>>()?;
    let (attributes, actions) = (Attributes::new()?, Actions::new(command, output)?);
    let mut pid = 0;
    // SAFETY: both lists end with null and point into texts that end with NUL and live longer than the call; the
    // attributes and actions are initialised.
    #[expect(unsafe_code, reason = "the standard library has no stable way to start a session without a fork")]
    let result = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            pointers(&words).as_ptr(),
            pointers(&variables).as_ptr(),
        )
    };
    check(result)?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("the child has no process id"))
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

fn pointers(texts: &[CString]) -> Vec<*mut c_char> {
    texts.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

/// These functions return the error instead of setting `errno`.
fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// A session of its own, no signal blocked, none ignored: Rust's programs ignore SIGPIPE, and who is started in the
/// background by a script ignores SIGINT. Both would be inherited by every tool.
struct Attributes(posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: initialised by the first call, whose failure ends this.
        #[expect(unsafe_code, reason = "see above")]
        let mut attributes = unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            Self(attributes.assume_init())
        };
        let flags = libc::POSIX_SPAWN_SETSID
            | libc::POSIX_SPAWN_SETSIGMASK as libc::c_short
            | libc::POSIX_SPAWN_SETSIGDEF as libc::c_short;
        let (none, all) = (signals(libc::sigemptyset), signals(libc::sigfillset));
        // SAFETY: all that is pointed to is initialised, and copied.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            check(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags))?;
            check(libc::posix_spawnattr_setsigmask(&raw mut attributes.0, &raw const none))?;
            check(libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const all))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used again.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            libc::posix_spawnattr_destroy(&raw mut self.0);
        }
    }
}

fn signals(fill: unsafe extern "C" fn(*mut sigset_t) -> c_int) -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: initialised by the first call, which cannot fail.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        fill(set.as_mut_ptr());
        set.assume_init()
    }
}

/// Standard input empty, standard output and error to a file, the command's directory.
struct Actions(posix_spawn_file_actions_t);

impl Actions {
    fn new(command: &Command, output: &File) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: initialised by the first call, whose failure ends this.
        #[expect(unsafe_code, reason = "see above")]
        let mut actions = unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Self(actions.assume_init())
        };
        let (dir, output) = (c_string(command.dir.as_os_str())?, output.as_raw_fd());
        // SAFETY: the texts end with NUL and are copied; `output` is open for longer than this call, and for the spawn
        // because its caller holds it.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            let actions = &raw mut actions.0;
            check(libc::posix_spawn_file_actions_addopen(actions, 0, c"/dev/null".as_ptr(), libc::O_RDONLY, 0))?;
            check(libc::posix_spawn_file_actions_adddup2(actions, output, 1))?;
            check(libc::posix_spawn_file_actions_adddup2(actions, output, 2))?;
            check(libc::posix_spawn_file_actions_addchdir_np(actions, dir.as_ptr()))?;
        }
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used again.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            libc::posix_spawn_file_actions_destroy(&raw mut self.0);
        }
    }
}
