//! A short name for a job's temporary folder. Programs meet at sockets in it, terraform and its providers for one, and the
//! name of a socket has its limit: where the runner's state is kept decides about no job.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use executor_api::{JobPaths, LogSink};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

/// In bytes: `sun_path` of unix(7), less its NUL.
const LONGEST_SOCKET: usize = 107;
/// Room for what programs put behind the folder; `/plugin` and ten digits for a provider of terraform.
const BEHIND: usize = 32;
/// Short, and there on every system.
const LINKS: &str = "/tmp";

/// The name, for as long as this lives.
pub(crate) struct ShortName {
    link: Option<PathBuf>,
}

impl ShortName {
    /// Gives `paths` a TMPDIR that is short enough. Where that cannot be done the log says so, and the job goes on: most
    /// programs need no socket.
    pub(crate) fn give(paths: &mut JobPaths, log: &LogSink) -> Self {
        let Some(link) = link_of(&paths.temp) else { return Self { link: None } };
        match make(&link, &paths.temp) {
            Ok(()) => {
                paths.tmpdir.clone_from(&link);
                Self { link: Some(link) }
            }
            Err(error) => {
                log.system(format!(
                    "{} is a long name for a folder of sockets, and there can be no link to it at {}: {error}; if a \
                     provider of terraform does not start, choose a shorter ALETHIA_STATE_DIR",
                    paths.temp.display(),
                    link.display()
                ));
                Self { link: None }
            }
        }
    }
}

impl Drop for ShortName {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            let _ = fs::remove_file(link);
        }
    }
}

/// Takes away what a process that was killed has left.
pub(crate) fn remove(temp: &Path) {
    if let Some(link) = link_of(temp)
        && matches!(is_ours(&link, temp), Ok(true))
    {
        let _ = fs::remove_file(link);
    }
}

/// None where the folder's own name is short enough.
fn link_of(temp: &Path) -> Option<PathBuf> {
    let name = temp.as_os_str();
    (name.len() + BEHIND > LONGEST_SOCKET).then(|| {
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        Path::new(LINKS).join(format!("alethia-{}", &digest[..16]))
    })
}

fn make(link: &Path, temp: &Path) -> io::Result<()> {
    match symlink(temp, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match is_ours(link, temp)? {
            true => Ok(()),
            false => Err(io::Error::other("somebody else has it")),
        },
        made => made,
    }
}

/// Everybody may make links there, and whoever owns one says where it leads.
fn is_ours(link: &Path, temp: &Path) -> io::Result<bool> {
    let leads = fs::read_link(link)?;
    Ok(leads.as_os_str() == temp.as_os_str() && fs::symlink_metadata(link)?.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use executor_api::LogWriter;
    use wire::{LogStream, Timestamp};

    use super::*;

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl LogWriter for Said {
        fn append(&mut self, _: LogStream, _: Timestamp, bytes: &[u8]) {
            self.0.lock().unwrap().extend_from_slice(bytes);
        }
    }

    impl Said {
        fn log(&self) -> LogSink {
            LogSink::new(Box::new(self.clone()))
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// A folder whose name leaves no room for a socket.
    fn long(folder: &Path) -> JobPaths {
        let paths = JobPaths::below(&folder.join("l".repeat(LONGEST_SOCKET)));
        fs::create_dir_all(&paths.temp).unwrap();
        paths
    }

    #[test]
    fn a_short_name_stays() {
        let mut short = JobPaths::below(Path::new("/var/lib/alethia/jobs/x"));
        let before = short.tmpdir.clone();
        let name = ShortName::give(&mut short, &Said::default().log());
        assert_eq!(short.tmpdir, before);
        assert!(name.link.is_none());
    }

    #[test]
    fn a_socket_can_be_made_under_the_short_name_and_is_in_the_jobs_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = long(folder.path());
        let provider = |dir: &Path| std::os::unix::net::UnixListener::bind(dir.join("plugin1234567890"));
        assert!(provider(&paths.temp).is_err(), "or this test shows nothing");
        let name = ShortName::give(&mut paths, &Said::default().log());
        provider(&paths.tmpdir).unwrap();
        assert!(paths.temp.join("plugin1234567890").exists());
        drop(name);
        assert!(fs::symlink_metadata(&paths.tmpdir).is_err(), "nothing is left behind");
        assert!(paths.temp.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = long(folder.path());
        std::mem::forget(ShortName::give(&mut paths, &Said::default().log()));
        let again = ShortName::give(&mut paths, &Said::default().log());
        assert!(again.link.is_some(), "the same job finds its own link");
        std::mem::forget(again);
        remove(&paths.temp);
        assert!(fs::symlink_metadata(&paths.tmpdir).is_err());
    }

    #[test]
    fn a_link_of_somebody_else_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = long(folder.path());
        let link = link_of(&paths.temp).unwrap();
        symlink(folder.path(), &link).unwrap();
        let said = Said::default();
        let name = ShortName::give(&mut paths, &said.log());
        assert!(name.link.is_none());
        assert_eq!(paths.tmpdir, paths.temp);
        assert!(said.text().contains("somebody else has it; if a provider"), "{}", said.text());
        remove(&paths.temp);
        assert!(fs::symlink_metadata(&link).is_ok(), "it is not ours to take away");
        fs::remove_file(link).unwrap();
    }
}
