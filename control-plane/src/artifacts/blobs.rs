//! Files named by the SHA-256 of their bytes. A file with such a name is whole: it was synced before it got it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Gathered before it goes to the file, so that a small chunk costs no system call of its own.
const BUFFER_BYTES: usize = 256 << 10;
const INCOMING: &str = "incoming";

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let fits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidDigest) }
    }
}

/// Why a text is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits")]
pub struct InvalidDigest;

/// Bytes that are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Their name.
    pub digest: Digest,
    /// How many.
    pub size_bytes: u64,
}

/// What a body must be to be stored.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The most bytes that it may have.
    pub limit_bytes: u64,
    /// What its digest must be, where the sender said so.
    pub digest: Option<Digest>,
    /// What it must start with.
    pub magic: &'static [u8],
}

/// Why a body was not stored. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There was nothing in it.
    #[error("the body is empty")]
    Empty,
    /// It has more bytes than it may.
    #[error("the body has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is not what its sender said.
    #[error("the body's SHA-256 is {found}, not the {expected} that the request named; send it again")]
    Mismatch {
        /// What the sender said.
        expected: String,
        /// What came.
        found: String,
    },
    /// It does not start as it should.
    #[error("the body is not of the type that is expected here")]
    WrongType,
    /// The sender stopped before the end.
    #[error("the body was cut off: {0}")]
    CutOff(String),
    /// The file system failed.
    #[error("storing the body failed: {0}")]
    Io(#[from] io::Error),
}

/// The files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlobStore {
    dir: PathBuf,
}

impl BlobStore {
    /// Uses `dir`, and forgets what an earlier process had not received to the end.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let incoming = dir.join(INCOMING);
        make_dir(&incoming)?;
        // Every shelf is there and on the disk before the first body, so that a body waits for its own shelf alone.
        for first_byte in 0..=u8::MAX {
            make_dir(&dir.join(hex::encode([first_byte])))?;
        }
        File::open(dir)?.sync_all()?;
        for left in fs::read_dir(&incoming)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Stores a body under its digest once all of it came. The same bytes again are stored once.
    ///
    /// # Errors
    /// See [`BlobError`]; nothing is kept then.
    pub async fn receive<E: std::fmt::Display>(
        &self,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
        expected: &Incoming,
    ) -> Result<Blob, BlobError> {
        let dir = self.dir.clone();
        let mut receiving = blocking(move || Receiving::start(&dir)).await?;
        let mut body = body;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| BlobError::CutOff(error.to_string()))?;
            receiving.take(&chunk, expected.limit_bytes)?;
            if receiving.buffer.len() >= BUFFER_BYTES {
                receiving = blocking(move || receiving.flush()).await?;
            }
        }
        let (expected, dir) = (expected.clone(), self.dir.clone());
        blocking(move || receiving.finish(&expected, &dir)).await
    }

    /// Where the bytes are, if they are stored.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(&digest.0[..2]).join(&digest.0)
    }
}

/// A body on its way in. Dropped before the end, it leaves nothing.
struct Receiving {
    file: NamedTempFile,
    hash: Sha256,
    size_bytes: u64,
    start: Vec<u8>,
    buffer: Vec<u8>,
}

impl Receiving {
    fn start(dir: &Path) -> Result<Self, BlobError> {
        let file = NamedTempFile::new_in(dir.join(INCOMING))?;
        Ok(Self { file, hash: Sha256::new(), size_bytes: 0, start: Vec::new(), buffer: Vec::new() })
    }

    fn take(&mut self, chunk: &[u8], limit_bytes: u64) -> Result<(), BlobError> {
        self.size_bytes += chunk.len() as u64;
        if self.size_bytes > limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes });
        }
        if self.start.len() < 16 {
            self.start.extend(chunk.iter().take(16));
        }
        self.buffer.extend_from_slice(chunk);
        Ok(())
    }

    fn flush(mut self) -> Result<Self, BlobError> {
        self.hash.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(self)
    }

    fn finish(self, expected: &Incoming, dir: &Path) -> Result<Blob, BlobError> {
        let received = self.flush()?;
        if received.size_bytes == 0 {
            return Err(BlobError::Empty);
        }
        if !received.start.starts_with(expected.magic) {
            return Err(BlobError::WrongType);
        }
        let digest = Digest(hex::encode(received.hash.finalize()));
        if let Some(expected) = expected.digest.as_ref().filter(|expected| **expected != digest) {
            return Err(BlobError::Mismatch { expected: expected.0.clone(), found: digest.0 });
        }
        let shelf = dir.join(&digest.0[..2]);
        received.file.as_file().sync_all()?;
        received.file.persist(shelf.join(&digest.0)).map_err(|error| error.error)?;
        File::open(&shelf)?.sync_all()?;
        Ok(Blob { digest, size_bytes: received.size_bytes })
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(BlobError::Io(io::Error::other(failed))))
}
