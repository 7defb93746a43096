//! Packages of providers that jobs share. Nobody works in the cache: a job has copies of its own, which it runs and
//! terraform overwrites as they like, and what appears in the cache is whole and never changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use semver::Version;
use serde::Deserialize;

/// Where terraform has the packages of a stack. The cache has the same folders in it.
const INSTALLED: &str = ".terraform/providers";
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
}

/// Brings a stack the packages that its lock file names. Whether they are those that it means, `init` looks: of others
/// it takes no notice. What the source brought itself goes away: it would come into the cache.
pub(crate) fn bring(cache: &Path, stack: &Path) -> io::Result<()> {
    let installed = stack.join(INSTALLED);
    match fs::remove_dir_all(&installed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let lock_file = fs::read_to_string(stack.join(".terraform.lock.hcl")).unwrap_or_default();
    for package in locked(&lock_file) {
        if cache.join(&package).is_dir() {
            copy(&cache.join(&package), &installed.join(&package), |from, to| fs::copy(from, to).map(drop))?;
        }
    }
    Ok(())
}

/// Keeps what `init` has fetched.
pub(crate) fn keep(cache: &Path, stack: &Path) -> io::Result<()> {
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

/// The folders of the packages that a lock file names: all but the platform.
fn locked(text: &str) -> Vec<PathBuf> {
    let lock_file: LockFile = hcl::from_str(text).unwrap_or_default();
    let folder = |(provider, locked): (String, Locked)| {
        let provider = PathBuf::from(provider);
        let stays_inside = provider.components().all(|part| matches!(part, Component::Normal(_)));
        stays_inside.then(|| provider.join(locked.version.to_string()))
    };
    lock_file.provider.into_iter().filter_map(folder).collect()
}

/// The packages below a folder, relative to it. Links are none: what they lead to is somebody else's.
fn packages(root: &Path) -> Vec<PathBuf> {
    let below = |folder: &PathBuf| {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(Result::ok);
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| folder.join(entry.file_name())).collect::<Vec<_>>()
    };
    (0..LEVELS).fold(vec![PathBuf::new()], |folders, _| folders.iter().flat_map(below).collect())
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
        assert_eq!(locked(text), [PathBuf::from("registry.terraform.io/hashicorp/aws/5.100.0")]);
        for text in ["", "provider", "provider \"a/b/c\" {\n  version = \"../x\"\n}\n"] {
            assert!(locked(text).is_empty(), "{text}");
        }
    }
}
