//! The tools that the tests need: used as they are where the machine has them in the pinned minor version, otherwise
//! got once from the package registries, pinned, into a cache outside the work tree.

mod argocd;
mod cargo_deny;
mod debian;
mod for_tests;
mod go;
mod go_build;
mod kubernetes;
mod moto;
pub(crate) mod provider_mirror;
mod stand_in_providers;
mod terraform;
mod version;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub(crate) use for_tests::Lack;
pub(crate) use kubernetes::KubernetesTools;

use crate::cluster::ArgoCd;
use crate::process::variable;

/// Where tools come from.
pub(crate) struct Toolbox {
    cache: PathBuf,
}

impl Toolbox {
    /// A toolbox over this cache folder, which is made if it is not there.
    pub(crate) fn new(cache: PathBuf) -> anyhow::Result<Self> {
        for folder in ["bin", "first"] {
            let folder = cache.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make the cache {}", folder.display()))?;
        }
        Ok(Self { cache })
    }

    /// Everything that `cargo xtask test` needs; tofu too if there are `spares`, although there is a terraform.
    pub(crate) fn get_all(&self, spares: Spares) -> anyhow::Result<()> {
        self.for_tests(Lack::IsAnError)?;
        self.for_cluster(ArgoCd::With)?;
        if spares == Spares::Also {
            self.tofu()?;
        }
        self.cargo_deny().map(drop)
    }

    /// PATH with the cached tools behind the machine's own; only in front of those that are of another version.
    pub(crate) fn path(&self) -> anyhow::Result<OsString> {
        let machine = self.machine_path();
        let folders = std::iter::once(self.first()).chain(std::env::split_paths(&machine)).chain([self.bin()]);
        std::env::join_paths(folders).context("PATH cannot be extended")
    }

    /// PATH without us: somebody may run an xtask inside an xtask.
    fn machine_path(&self) -> OsString {
        let found = variable("PATH").unwrap_or_default();
        let machine = std::env::split_paths(&found).filter(|folder| !folder.starts_with(&self.cache));
        // What was split can be joined.
        std::env::join_paths(machine).unwrap_or(found)
    }

    fn on_machine(&self, program: &str) -> Option<PathBuf> {
        which::which_in(program, Some(self.machine_path()), "/").ok()
    }

    fn bin(&self) -> PathBuf {
        self.cache.join("bin")
    }

    fn first(&self) -> PathBuf {
        self.cache.join("first")
    }

    /// Sees to it that whoever looks on PATH finds `used`, and not another version that the machine has.
    fn prefer(&self, program: &str, used: &Path) -> anyhow::Result<()> {
        let link = self.first().join(program);
        let shadowed = self.on_machine(program).is_some_and(|found| found != used);
        let made = if shadowed {
            let new = tempfile::tempdir_in(&self.cache)?;
            let staged = new.path().join(program);
            symlink(used, &staged).and_then(|()| fs::rename(&staged, &link))
        } else {
            fs::remove_file(&link).or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) })
        };
        made.with_context(|| format!("cannot change {}", link.display()))
    }

    /// Held while something is built: two at a time would build it twice.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.cache.join("lock");
        let file = File::create(&path).and_then(|file| file.lock().map(|()| file));
        file.with_context(|| format!("cannot lock {}", path.display()))
    }
}

/// Whether tools are wanted that the tests can do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spares {
    Also,
    Not,
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
