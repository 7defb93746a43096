//! What other processes of the same user must not read.

use std::ffi::{CStr, CString, c_char};
use std::fs;
use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keeps this process's secrets from other processes of the same user, which could read its memory and, in
/// `/proc/PID/environ`, its first environment. The variables read as empty from then on. Call it before any other
/// thread starts.
///
/// # Errors
/// If another thread runs, which may be reading the environment, or the system refuses. Nothing is hidden then.
pub fn hide_secrets(variables: &[&str]) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the standard library copies values, and here the original is wanted")]
    unsafe extern "C" {
        fn getenv(name: *const c_char) -> *mut c_char;
    }
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("another thread may be reading the environment"));
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for name in variables {
        let name = CString::new(*name)?;
        // SAFETY: `getenv` returns null or a text that ends with NUL, in memory that is ours to write; no other thread
        // exists that could read or move it.
        #[expect(unsafe_code, reason = "nothing else reaches the block that the kernel shows to others")]
        unsafe {
            let value = getenv(name.as_ptr());
            if !value.is_null() {
                value.write_bytes(0, CStr::from_ptr(value).count_bytes());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_touched_while_somebody_may_read_them() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert!(hide_secrets(&["PATH"]).is_err());
        drop(end);
        assert!(other.join().unwrap().is_err());
    }
}
