//! The two files of one job's log, and how to find a frame in them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use wire::{FRAME_HEADER_BYTES, FrameHeader};

/// Bytes of an encoded header, as a distance in the index.
pub(super) const HEADER: u64 = FRAME_HEADER_BYTES as u64;
/// The name of the file with the bytes.
pub(super) const PAYLOAD_FILE: &str = "log";
const INDEX_FILE: &str = "index";

/// How much of a log there is. Readers may look at everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of log.
    pub bytes: u64,
    /// Frames that they came in.
    pub frames: u64,
}

/// Both files, open. All reads and writes name their position, so that no two users disturb each other.
#[derive(Debug)]
pub(super) struct LogFiles {
    pub(super) payload: File,
    pub(super) index: File,
}

impl LogFiles {
    /// Opens the files in `dir`, or says that there are none.
    pub(super) fn open(dir: &Path) -> io::Result<Option<Self>> {
        match options().open(dir.join(INDEX_FILE)) {
            Ok(index) => Ok(Some(Self { payload: options().create(true).open(dir.join(PAYLOAD_FILE))?, index })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the files in `dir`, which outlive a power cut once this returns.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let payload = options().create(true).open(dir.join(PAYLOAD_FILE))?;
        let index = options().create(true).open(dir.join(INDEX_FILE))?;
        fs::File::open(dir)?.sync_all()?;
        if let Some(parent) = dir.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
        Ok(Self { payload, index })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.payload.sync_data()?;
        self.index.sync_data()
    }

    /// Makes the files end at `tail`.
    pub(super) fn cut(&self, tail: Tail) -> io::Result<()> {
        self.payload.set_len(tail.bytes)?;
        self.index.set_len(tail.frames * HEADER)
    }

    /// Headers of `count` frames from number `first`.
    pub(super) fn headers(&self, first: u64, count: u64) -> io::Result<Vec<FrameHeader>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.saturating_mul(FRAME_HEADER_BYTES)];
        self.index.read_exact_at(&mut bytes, first * HEADER)?;
        bytes
            .chunks_exact(FRAME_HEADER_BYTES)
            .map(|header| FrameHeader::decode(header).map_err(io::Error::other))
            .collect()
    }

    /// The number of the first frame that ends after `offset`.
    pub(super) fn frame_after(&self, offset: u64, tail: Tail) -> io::Result<u64> {
        let (mut low, mut high) = (0, tail.frames);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.headers(middle, 1)?[0].end() > offset {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    pub(super) fn bytes(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.payload.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
