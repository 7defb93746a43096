//! Packages of providers that jobs share. Nobody works in the cache: a job has copies of its own, which it runs and
//! terraform overwrites as they like, and what appears in the cache is whole and never changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde::Deserialize;

use crate::package_hash::package_hash;

/// Where terraform has the packages of a stack. The cache has the same folders in it.
const INSTALLED: &str = ".terraform/providers";
/// Where a stack can have packages of its own, which terraform prefers to the registry's.
const BROUGHT: &str = "terraform.d/plugins";
/// A package's folder: host, namespace, type, version, platform.
const LEVELS: usize = 5;
/// What a package is called until it is whole, and when nobody can be at it any more.
const UNFINISHED: &str = ".unfinished-";
const ABANDONED: Duration = Duration::from_hours(24);

/// The parts of `.terraform.lock.hcl` that we read.
#[derive(Default, Deserialize)]
struct LockFile {
    #[serde(default)]
    provider: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    version: Version,
    #[serde(default)]
    hashes: Vec<String>,
}

/// A provider that a lock file names.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    /// Its folder, all but the platform.
    folder: PathBuf,
    /// What it may be.
    hashes: Vec<String>,
}

/// Brings a stack the packages that its lock file names, and none of which a byte differs: `init` would unpack the
/// right one over it, and leave a file that is not of it, which terraform could take for the provider. What the source
/// brought itself goes away: it would come into the cache.
pub(crate) fn bring(cache: &Path, stack: &Path) -> io::Result<()> {
    let installed = stack.join(INSTALLED);
    match fs::remove_dir_all(&installed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let lock_file = fs::read_to_string(stack.join(".terraform.lock.hcl")).unwrap_or_default();
    for Package { folder, hashes } in locked(&lock_file) {
        for package in folders(cache, &folder) {
            let copied = installed.join(&package);
            copy(&cache.join(&package), &copied, |from, to| fs::copy(from, to).map(drop))?;
            if !hashes.contains(&package_hash(&copied)?) {
                fs::remove_dir_all(&copied)?;
            }
        }
    }
    Ok(())
}

/// Keeps what `init` has fetched. What may be the stack's own would be in the way of the registry's for good.
pub(crate) fn keep(cache: &Path, stack: &Path) -> io::Result<()> {
    if stack.join(BROUGHT).exists() {
        return Ok(());
    }
    let installed = stack.join(INSTALLED);
    for package in packages(&installed) {
        let kept = cache.join(&package);
        if kept.exists() {
            continue;
        }
        fs::create_dir_all(kept.parent().unwrap_or(cache))?;
        sweep(cache);
        let staging = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(cache)?;
        let whole = staging.path().join("package");
        copy(&installed.join(&package), &whole, copy_to_disk)?;
        match fs::rename(&whole, &kept) {
            // Another job was faster.
            Err(_) if kept.exists() => {}
            renamed => renamed?,
        }
    }
    Ok(())
}

/// Takes away what a job left that was killed while it copied.
fn sweep(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().filter_map(Result::ok) {
        let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_old = made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > ABANDONED);
        if is_old && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The packages that a lock file names.
fn locked(text: &str) -> Vec<Package> {
    let lock_file: LockFile = hcl::from_str(text).unwrap_or_default();
    let package = |(provider, Locked { version, hashes }): (String, Locked)| {
        let provider = PathBuf::from(provider);
        let stays_inside = provider.components().all(|part| matches!(part, Component::Normal(_)));
        stays_inside.then(|| Package { folder: provider.join(version.to_string()), hashes })
    };
    lock_file.provider.into_iter().filter_map(package).collect()
}

/// The packages below a folder, relative to it.
fn packages(root: &Path) -> Vec<PathBuf> {
    let below = |folder: &PathBuf| folders(root, folder);
    (0..LEVELS).fold(vec![PathBuf::new()], |found, _| found.iter().flat_map(below).collect())
}

/// The folders in a folder of `root`, relative to that. Links are none: what they lead to is somebody else's.
fn folders(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| folder.join(entry.file_name())).collect()
}

fn copy(from: &Path, to: &Path, file: fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, source, dest) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&source, &dest, file)?;
        } else if kind.is_file() {
            file(&source, &dest)?;
        }
    }
    Ok(())
}

/// Without the last step a power cut could leave a package in the cache that is not whole.
fn copy_to_disk(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_names_packages_and_nothing_outside() {
        let text = r#"
# This file is maintained automatically by "terraform init".
provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = "~> 5.0"
  hashes = [
    "h1:x=",
  ]
}
provider "../../etc/x" {
  version = "1.0.0"
}
provider "/etc/x" {
  version = "1.0.0"
}
"#;
        let folder = PathBuf::from("registry.terraform.io/hashicorp/aws/5.100.0");
        assert_eq!(locked(text), [Package { folder, hashes: vec!["h1:x=".to_owned()] }]);
        for text in ["", "provider", "provider \"a/b/c\" {\n  version = \"../x\"\n}\n"] {
            assert!(locked(text).is_empty(), "{text}");
        }
    }
}
