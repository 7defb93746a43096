//! Puts a release into its place, whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::InstalledTools;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::download::{DownloadError, Downloader};
use crate::mirror::Mirror;
use crate::pins::Pin;
use crate::unpack::{self, UnpackError};

/// What unfinished installs lie in; no version is called so.
const UNFINISHED: &str = ".install-";

/// Installs tools into one folder.
pub struct ToolManager {
    tools: InstalledTools,
    downloader: Downloader,
}

/// A tool in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The program.
    pub program: PathBuf,
    /// It was there before.
    pub already: bool,
}

/// Why a tool was not installed. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is not the file that was pinned.
    #[error(
        "{place} is not the release that is known here: its SHA-256 is {found}, expected {expected}; nothing was installed"
    )]
    WrongHash {
        /// Where the file came from.
        place: String,
        /// Its hash.
        found: String,
        /// The pinned one.
        expected: String,
    },
    /// It did not come.
    #[error("cannot fetch {place}")]
    Download {
        /// From where.
        place: String,
        /// Why not.
        #[source]
        source: DownloadError,
    },
    /// Its program did not come out.
    #[error("cannot unpack {place}")]
    Unpack {
        /// Where the file came from.
        place: String,
        /// Why not.
        #[source]
        source: UnpackError,
    },
    /// The folder of tools could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl ToolManager {
    /// Installs into `dir`, from `mirror`.
    ///
    /// # Errors
    /// If no connections can be made at all.
    pub fn new(dir: impl Into<PathBuf>, mirror: Mirror) -> Result<Self, reqwest::Error> {
        Ok(Self { tools: InstalledTools::at(dir), downloader: Downloader::new(mirror)? })
    }

    /// For tests: gives up on a connection that is silent for `stalled`, and tries again without a pause.
    ///
    /// # Errors
    /// If no connections can be made at all.
    pub fn impatient(self, stalled: Duration) -> Result<Self, reqwest::Error> {
        Ok(Self { downloader: self.downloader.impatient(stalled)?, ..self })
    }

    /// Installs a release, if it is not there. Several programs may do it at once: one does, the others wait for it.
    /// `say` hears what takes its time.
    ///
    /// # Errors
    /// [`InstallError`]; then nothing has changed.
    pub async fn install(&self, pin: &Pin, say: &(dyn Fn(&str) + Sync)) -> Result<Installed, InstallError> {
        let program = self.tools.program(&pin.name, &pin.version);
        if program.exists() {
            return Ok(Installed { program, already: true });
        }
        let folder = self.tools.folder(&pin.name);
        fs::create_dir_all(&folder).map_err(io_error(format!("make the folder {}", folder.display())))?;
        let _lock = lock(&folder).await?;
        if program.exists() {
            return Ok(Installed { program, already: true });
        }
        sweep(&folder);
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&folder);
        let unfinished = made.map_err(io_error(format!("make a folder in {}", folder.display())))?;
        let place = self.downloader.place(&pin.url);
        say(&format!("fetching {place}"));
        let archive = unfinished.path().join("release");
        let fetched = self.downloader.fetch(&place, &archive, say).await;
        let place = place.to_string();
        let found = fetched.map_err(|source| InstallError::Download { place: place.clone(), source })?;
        if found != pin.sha256 {
            return Err(InstallError::WrongHash { place, found, expected: pin.sha256.clone() });
        }
        put(pin.clone(), place, unfinished, program.clone()).await?;
        Ok(Installed { program, already: false })
    }
}

/// Unpacks, syncs and renames: whoever looks sees no version, or a whole one.
async fn put(pin: Pin, place: String, unfinished: TempDir, program: PathBuf) -> Result<(), InstallError> {
    let work = move || {
        let version = unfinished.path().join("version");
        fs::create_dir(&version).map_err(io_error("make a folder".to_owned()))?;
        let unpacked = unpack::program(
            &unfinished.path().join("release"),
            &pin.url,
            pin.member.as_deref(),
            &version.join(&pin.name),
        );
        unpacked.map_err(|source| InstallError::Unpack { place, source })?;
        let target = program.parent().unwrap_or(&program);
        let moved = sync_dir(&version).and_then(|()| fs::rename(&version, target));
        let moved = moved.and_then(|()| target.parent().map_or(Ok(()), sync_dir));
        moved.map_err(io_error(format!("put it into {}", target.display())))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).map_err(io_error("unpack it".to_owned()))?
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Waits until nobody else installs this tool. Ends with the file, and with the process.
async fn lock(folder: &Path) -> Result<File, InstallError> {
    let path = folder.join(".lock");
    let what = format!("lock {}", path.display());
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    locked.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(io_error(what))
}

/// What an install that was killed has left. Under the lock it is nobody's.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // It only takes room.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn io_error(what: String) -> impl FnOnce(io::Error) -> InstallError {
    move |source| InstallError::Io { what, source }
}
