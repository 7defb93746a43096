//! Takes the one program out of a release file. Nothing else of it reaches the disk, wherever it would like to lie.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use flate2::read::GzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

/// The largest program today has a quarter of this.
const MOST_BYTES: u64 = 1 << 30;

/// Why the program did not come out of its file.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive does not hold it, or something else under its name.
    #[error("there is no file {0:?} in it")]
    NoMember(String),
    /// It is larger than any tool.
    #[error("its program has more than {MOST_BYTES} bytes")]
    TooLarge,
    /// It cannot be read as an archive.
    #[error("it cannot be unpacked")]
    Damaged(#[source] io::Error),
    /// The program could not be kept.
    #[error("the program cannot be written")]
    Io(#[source] io::Error),
}

/// Writes the program to `dest`, executable and synced. What the file at `archive` is, the end of `url` says.
pub(crate) fn program(archive: &Path, url: &str, member: Option<&str>, dest: &Path) -> Result<(), UnpackError> {
    let file = File::open(archive).map_err(UnpackError::Damaged)?;
    match member {
        None => write(file, dest),
        Some(member) if url.ends_with(".zip") => from_zip(file, member, dest),
        Some(member) => from_tar_gz(file, member, dest),
    }
}

fn from_zip(file: File, member: &str, dest: &Path) -> Result<(), UnpackError> {
    let failed = |error| match error {
        ZipError::FileNotFound => UnpackError::NoMember(member.to_owned()),
        other => UnpackError::Damaged(other.into()),
    };
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(failed)?;
    let entry = zip.by_name(member).map_err(failed)?;
    if !entry.is_file() || entry.is_symlink() {
        return Err(UnpackError::NoMember(member.to_owned()));
    }
    write(entry, dest)
}

fn from_tar_gz(file: File, member: &str, dest: &Path) -> Result<(), UnpackError> {
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tar.entries().map_err(UnpackError::Damaged)? {
        let entry = entry.map_err(UnpackError::Damaged)?;
        if *entry.path_bytes() == *member.as_bytes() && entry.header().entry_type().is_file() {
            return write(entry, dest);
        }
    }
    Err(UnpackError::NoMember(member.to_owned()))
}

fn write(source: impl Read, dest: &Path) -> Result<(), UnpackError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dest);
    let mut file = opened.map_err(UnpackError::Io)?;
    let copied = io::copy(&mut source.take(MOST_BYTES + 1), &mut file).map_err(UnpackError::Damaged)?;
    if copied > MOST_BYTES {
        return Err(UnpackError::TooLarge);
    }
    // Whatever the umask says: other users of the machine may run it.
    file.set_permissions(Permissions::from_mode(0o755)).map_err(UnpackError::Io)?;
    file.sync_all().map_err(UnpackError::Io)
}
