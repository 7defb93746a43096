//! Archives: packed the same way every time, unpacked with suspicion.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use executor_api::ExecutorError;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, Entry, EntryType, Header};

use crate::name;
use crate::staging::{MOST_ENTRIES, Staging, StagingError};

const MOST_BYTES: u64 = 2 << 30;
/// All that stands before a file's own bytes, with the headers that only say its long name.
const MOST_HEADER_BYTES: u64 = 1 << 20;
/// A text that repeats itself compresses well; a bomb compresses better.
const MOST_RATIO: u64 = 100;
const RATIO_FROM_BYTES: u64 = 10 << 20;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Hostile(String),
    #[error("it is no readable tar.gz: {0}")]
    Unreadable(#[source] io::Error),
    #[error("it cannot be unpacked: {0}")]
    Disk(#[source] io::Error),
}

impl From<StagingError> for Refused {
    fn from(error: StagingError) -> Self {
        match error {
            StagingError::Refused(why) => Self::Hostile(why),
            StagingError::Disk(error) => Self::Disk(error),
        }
    }
}

/// Unpacks a tar.gz into `dest`, an empty folder: all of it or nothing. `pointer` is the place of the archive in the
/// payload.
///
/// # Errors
/// [`ExecutorError::InvalidInput`] if the archive is refused; then `dest` is still empty.
pub async fn unpack(file: &Path, dest: &Path, pointer: &str) -> Result<(), ExecutorError> {
    let (file, dest) = (file.to_owned(), dest.to_owned());
    let unpacked = tokio::task::spawn_blocking(move || unpack_whole(&file, &dest)).await;
    match unpacked.map_err(|error| ExecutorError::Other(format!("unpacking the archive failed: {error}")))? {
        Ok(()) => Ok(()),
        Err(Refused::Disk(source)) => Err(ExecutorError::Io { what: "cannot unpack the archive".to_owned(), source }),
        Err(refused) => Err(ExecutorError::invalid(pointer, format!("the archive is refused: {refused}"))),
    }
}

fn unpack_whole(file: &Path, dest: &Path) -> Result<(), Refused> {
    let mut staging = Staging::beside(dest).map_err(Refused::Disk)?;
    unpack_entries(file, &mut staging)?;
    staging.move_to(dest).map_err(Refused::Disk)
}

fn unpack_entries(file: &Path, staging: &mut Staging) -> Result<(), Refused> {
    let packed = File::open(file).map_err(Refused::Disk)?;
    let packed_bytes = packed.metadata().map_err(Refused::Disk)?.len();
    let mut budget = Budget { packed_bytes, unpacked_bytes: 0, entries: 0 };
    let left = Cell::new(0);
    let mut archive = Archive::new(Allowance { inner: GzDecoder::new(packed), left: &left });
    let mut entries = archive.entries().map_err(Refused::Unreadable)?;
    loop {
        left.set(MOST_HEADER_BYTES);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(Refused::Unreadable)?;
        budget.take_entry()?;
        // A file's bytes are the budget's.
        left.set(u64::MAX);
        unpack_entry(&mut entry, staging, &mut budget)?;
    }
}

/// Reads on as long as there is something left to spend: the tar crate takes a long name or an extended header whole
/// into memory before we see the entry.
struct Allowance<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Allowance<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a header is larger than 1 MiB"));
        }
        let read = self.inner.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read as u64);
        Ok(read)
    }
}

fn unpack_entry(entry: &mut Entry<'_, impl Read>, staging: &mut Staging, budget: &mut Budget) -> Result<(), Refused> {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let bytes = entry.path_bytes().into_owned();
    let text = std::str::from_utf8(&bytes).map_err(|_| Refused::Hostile("a name is not UTF-8".to_owned()))?;
    if kind == EntryType::Directory && matches!(text, "." | "./") {
        return Ok(());
    }
    let path = name::check(text).map_err(Refused::Hostile)?;
    match kind {
        EntryType::Directory => Ok(staging.make_folder(&path)?),
        EntryType::Regular | EntryType::Continuous => {
            let is_program = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
            write_file(entry, staging.make_file(&path, is_program)?, budget)
        }
        other => Err(Refused::Hostile(format!(
            "{text:?} is no file and no folder ({other:?}); links and devices are refused"
        ))),
    }
}

fn write_file(entry: &mut impl Read, mut file: File, budget: &mut Budget) -> Result<(), Refused> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = entry.read(&mut buffer).map_err(Refused::Unreadable)?;
        if read == 0 {
            return Ok(());
        }
        budget.take_bytes(read as u64)?;
        io::Write::write_all(&mut file, &buffer[..read]).map_err(Refused::Disk)?;
    }
}

struct Budget {
    packed_bytes: u64,
    unpacked_bytes: u64,
    entries: usize,
}

impl Budget {
    fn take_entry(&mut self) -> Result<(), Refused> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(Refused::Hostile(format!("it has more than {MOST_ENTRIES} entries")));
        }
        Ok(())
    }

    fn take_bytes(&mut self, bytes: u64) -> Result<(), Refused> {
        self.unpacked_bytes += bytes;
        if self.unpacked_bytes > MOST_BYTES {
            return Err(Refused::Hostile("it unpacks to more than 2 GiB".to_owned()));
        }
        let is_bomb = self.unpacked_bytes > RATIO_FROM_BYTES
            && self.unpacked_bytes > self.packed_bytes.saturating_mul(MOST_RATIO);
        if is_bomb {
            return Err(Refused::Hostile(format!("it unpacks to more than {MOST_RATIO} times its size")));
        }
        Ok(())
    }
}

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A link leads out of the folder, or to a folder.
    #[error("{0} is a link that leads out of the folder or to another folder; replace it by a copy")]
    Link(PathBuf),
    /// A socket, a pipe or a device.
    #[error("{0} is neither a file nor a folder; remove it")]
    Special(PathBuf),
    /// A name that the other side would refuse.
    #[error("{0}; rename it")]
    Name(String),
}

/// Packs a folder as tar.gz: the same bytes for the same files, whoever packs them and when. What tools leave behind
/// stays out: `.terraform`, `.git`, and state files, which may hold secrets.
///
/// # Errors
/// See [`PackError`].
pub fn pack(dir: &Path) -> Result<Vec<u8>, PackError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PackError::Io { path, source }
    };
    let root = dir.canonicalize().map_err(failed(dir))?;
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for path in files_of(&root, &root)? {
        let relative = path.strip_prefix(&root).unwrap_or(&path);
        let text = relative.to_str().ok_or_else(|| PackError::Name(format!("{} is not UTF-8", relative.display())))?;
        name::check(text).map_err(PackError::Name)?;
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let mode = fs::metadata(&path).map_err(failed(&path))?.permissions().mode();
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(if mode & 0o100 == 0 { 0o644 } else { 0o755 });
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        builder.append_data(&mut header, relative, bytes.as_slice()).map_err(failed(&path))?;
    }
    builder.into_inner().and_then(GzEncoder::finish).map_err(failed(dir))
}

/// All files below `dir`, in the order of their names.
fn files_of(root: &Path, dir: &Path) -> Result<Vec<PathBuf>, PackError> {
    let failed = |source| PackError::Io { path: dir.to_owned(), source };
    let entries: io::Result<Vec<_>> = fs::read_dir(dir).map_err(failed)?.collect();
    let mut paths: Vec<_> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| !is_left_behind(path)) {
        let kind = fs::symlink_metadata(&path).map_err(failed)?.file_type();
        if kind.is_dir() {
            files.extend(files_of(root, &path)?);
        } else if kind.is_file() {
            files.push(path);
        } else if kind.is_symlink() {
            let target = path.canonicalize().map_err(|source| PackError::Io { path: path.clone(), source })?;
            if !target.starts_with(root) || !target.is_file() {
                return Err(PackError::Link(path));
            }
            files.push(path);
        } else {
            return Err(PackError::Special(path));
        }
    }
    Ok(files)
}

fn is_left_behind(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, ".terraform" | ".git" | "errored.tfstate")
        || name.ends_with(".tfstate")
        || name.contains(".tfstate.")
}
