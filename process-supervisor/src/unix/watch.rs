//! Waiting for a descriptor.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime wait until `fd` is readable.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, stays so for as long as the `AsyncFd` owns it, and names the same file throughout.
    #[expect(unsafe_code, reason = "the safe constructors are deprecated: they take what may change its descriptor")]
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(watched?)
}
