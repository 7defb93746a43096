//! The SHA-256 of an attempt's log, kept up while the log grows.

use std::io;

use sha2::{Digest, Sha256};

use super::files::LogFiles;

/// The digest of the bytes from `base` to `end`.
#[derive(Clone, Debug, Default)]
pub(super) struct RunningDigest {
    pub(super) base: u64,
    end: u64,
    hash: Sha256,
}

impl RunningDigest {
    pub(super) fn starting_at(base: u64) -> Self {
        Self { base, end: base, hash: Sha256::new() }
    }

    /// Takes in bytes that were stored at `offset`; ignores them if it has not come that far.
    pub(super) fn update(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.end {
            self.hash.update(bytes);
            self.end += bytes.len() as u64;
        }
    }

    /// Reads what it has not seen, up to `end`.
    pub(super) fn catch_up(&mut self, files: &LogFiles, end: u64) -> io::Result<()> {
        while self.end < end {
            let bytes = files.bytes(self.end, end.min(self.end + (1 << 20)))?;
            self.update(self.end, &bytes);
        }
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        self.end - self.base
    }

    pub(super) fn finish(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}
