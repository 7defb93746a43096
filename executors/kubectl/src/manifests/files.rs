//! Manifests as files, and what is in them.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use executor_api::{Command, ExecutorError, JobContext};
use serde_json::Value;

use super::parse;
use crate::object::Identity;
use crate::secrets;

const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;
const DEEPEST: usize = 64;
/// What kubectl takes out of a folder.
const NAMES: [&str; 3] = [".yaml", ".yml", ".json"];

/// Manifests that were read once, in the order in which kubectl takes them.
#[derive(Clone, Debug)]
pub struct ManifestFiles {
    root: PathBuf,
    /// Relative to the root.
    path: PathBuf,
    objects: Vec<Identity>,
}

impl ManifestFiles {
    /// Checks a path before there are any files: it stays inside, and is one file or folder for kubectl, too. `pointer` is
    /// for messages.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with what would be right.
    pub fn check_path(path: &str, pointer: &str) -> Result<(), ExecutorError> {
        let why = "give a relative path without `..`, `,` and `\"`, for example `deploy/web.yaml`";
        if is_one(Path::new(path)) { Ok(()) } else { Err(ExecutorError::invalid(pointer, why)) }
    }

    /// The manifests of a file or a folder, `path`, below `root`. The data of Secrets in them is hidden from the log from
    /// here on. `pointer` is for messages.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if there are none, if one cannot be read, or if one lies outside of `root`.
    pub fn read(job: &JobContext, root: &Path, path: &str, pointer: &str) -> Result<Self, ExecutorError> {
        let wrong = |why: String| ExecutorError::invalid(pointer, why);
        let root = root.canonicalize().map_err(ExecutorError::io("cannot find the folder of the manifests"))?;
        let target = root.join(path).canonicalize().ok().filter(|target| target.starts_with(&root));
        let target = target.ok_or_else(|| wrong(format!("there is no file or folder {path:?} in the source")))?;
        let path = Path::new(".").join(target.strip_prefix(&root).unwrap_or(&target));
        // A link may lead to what nobody could name.
        if !is_one(&path) {
            return Err(wrong(format!("{:?} has a name that kubectl reads as several", path.display())));
        }
        let mut walk = Walk { root: &root, files: Vec::new(), bytes: 0 };
        walk.visit(&target, 0).map_err(wrong)?;
        let objects = walk.read().map_err(wrong)?;
        if objects.is_empty() {
            return Err(wrong(
                "there are no manifests here: no .yaml, .yml or .json file with an object in it".to_owned(),
            ));
        }
        secrets::mask(job, &objects);
        Ok(Self { path, objects: objects.iter().filter_map(Identity::of).collect(), root })
    }

    /// What they are about, as far as they say it.
    pub(crate) fn objects(&self) -> &[Identity] {
        &self.objects
    }

    /// Kubectl runs where the files are, so that its messages name them as the source does.
    pub(crate) fn add_to(&self, command: Command) -> Command {
        let mut file = OsString::from("--filename=");
        file.push(&self.path);
        command.dir(&self.root).arg("--recursive").arg(file)
    }
}

/// Kubectl splits its list of files at commas, and reads quotes in it: behind a comma any file of the runner could stand.
fn is_one(path: &Path) -> bool {
    let inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
    path.to_str().is_some_and(|text| {
        (1..=1024).contains(&text.len()) && !text.chars().any(|c| c.is_control() || ",\"\\".contains(c))
    }) && path.components().all(inside)
}

struct Walk<'a> {
    root: &'a Path,
    files: Vec<PathBuf>,
    bytes: u64,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        let name = path.strip_prefix(self.root).unwrap_or(path).display().to_string();
        let unreadable = |error: std::io::Error| format!("{name:?} cannot be read: {error}");
        let kind = fs::symlink_metadata(path).map_err(unreadable)?.file_type();
        if kind.is_dir() {
            if depth > DEEPEST {
                return Err(format!("the folders have more than {DEEPEST} levels"));
            }
            let mut entries: Vec<_> = fs::read_dir(path).and_then(Iterator::collect).map_err(unreadable)?;
            entries.sort_by_key(fs::DirEntry::file_name);
            return entries.iter().try_for_each(|entry: &fs::DirEntry| self.visit(&entry.path(), depth + 1));
        }
        if depth > 0 && !NAMES.iter().any(|end| name.ends_with(end)) {
            return Ok(());
        }
        if !path.canonicalize().is_ok_and(|target| target.starts_with(self.root) && target.is_file()) {
            return Err(format!("{name:?} is no file of the source"));
        }
        self.bytes += fs::metadata(path).map_err(unreadable)?.len();
        self.files.push(path.to_owned());
        if self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
            return Err(format!("there are more than {MOST_FILES} files or {} MiB of manifests", MOST_BYTES >> 20));
        }
        Ok(())
    }

    fn read(&self) -> Result<Vec<Value>, String> {
        let mut objects = Vec::new();
        for file in &self.files {
            let name = file.strip_prefix(self.root).unwrap_or(file).display();
            let text = fs::read_to_string(file).map_err(|error| format!("{name} cannot be read: {error}"))?;
            let is_json = file.extension().is_some_and(|end| end == "json");
            let found = if is_json { parse::json(&text) } else { parse::yaml(&text) };
            objects.extend(found.map_err(|why| format!("{name}: {why}"))?);
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor_api::testing::TestJob;
    use serde_json::json;

    #[test]
    fn what_kubectl_would_split_is_refused_behind_a_link_too() {
        let job = TestJob::builder("kubectl", &json!({})).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let object = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#;
        fs::create_dir(folder.path().join("x,")).unwrap();
        fs::write(folder.path().join("x,/a.json"), object).unwrap();
        fs::write(folder.path().join("a.json"), object).unwrap();
        std::os::unix::fs::symlink("x,/a.json", folder.path().join("link")).unwrap();
        for (path, is_taken) in [("a.json", true), ("x,/a.json", false), ("link", false)] {
            let read = ManifestFiles::read(&job.context, folder.path(), path, "/path");
            let refused = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(
                (refused.starts_with("/path: "), refused.is_empty()),
                (!is_taken, is_taken),
                "{path}: {refused}"
            );
        }
        for path in ["x,/etc/passwd", "\"a\"", "a\\b", "../a", "/etc", "", "a\nb"] {
            assert!(ManifestFiles::check_path(path, "/path").is_err(), "{path:?}");
        }
        assert!(ManifestFiles::check_path("deploy/web.yaml", "/path").is_ok());
    }
}
