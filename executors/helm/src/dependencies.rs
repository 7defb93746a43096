//! What a chart of the job's source depends on: whether it has it, and where helm would look for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use executor_api::ExecutorError;
use serde::Deserialize;

use crate::address::{check_reference, check_repository};

/// Where a chart names what it depends on: the file itself, and what was resolved; the last two are of charts `v1`.
const FILES: [&str; 4] = ["Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock"];
/// No such file is longer.
const MOST_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
struct ChartFile {
    #[serde(default)]
    dependencies: Option<Vec<Dependency>>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    #[serde(default)]
    repository: Option<String>,
}

/// What is missing in a chart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The repositories that helm has to know to get it, each once.
    pub(crate) repositories: BTreeSet<String>,
}

/// None if the chart has all that it depends on in its `charts/`. `root` is the source's folder: nothing outside it is
/// looked at. `pointer` is the place of the chart in the payload.
pub(crate) fn missing(chart: &Path, root: &Path, pointer: &str) -> Result<Option<Missing>, ExecutorError> {
    let mut missing = Missing::default();
    let mut is_missing = false;
    for file in FILES {
        for dependency in read(&chart.join(file), file, pointer)? {
            is_missing |= !is_there(chart, &dependency.name);
            if let Some(url) = repository(&dependency, chart, root, file, pointer)? {
                missing.repositories.insert(url);
            }
        }
    }
    Ok(is_missing.then_some(missing))
}

fn read(file: &Path, name: &str, pointer: &str) -> Result<Vec<Dependency>, ExecutorError> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(Vec::new()) };
    let wrong = |why: String| ExecutorError::invalid(pointer, format!("its {name} cannot be read: {why}"));
    if metadata.len() > MOST_BYTES {
        return Err(wrong("it is longer than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let parsed: Option<ChartFile> = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(parsed.and_then(|file| file.dependencies).unwrap_or_default())
}

/// A folder `charts/name`, or an archive `charts/name-1.2.3.tgz`.
fn is_there(chart: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(chart.join("charts")) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { return false };
        let version = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tgz"));
        file == name || version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The address that helm must know, if it is one of a repository.
fn repository(
    dependency: &Dependency,
    chart: &Path,
    root: &Path,
    file: &str,
    pointer: &str,
) -> Result<Option<String>, ExecutorError> {
    let Dependency { name, repository } = dependency;
    let wrong = |why: &str| Err(ExecutorError::invalid(pointer, format!("its {file} takes {name:?} from {why}")));
    let Some(place) = repository.as_deref().filter(|place| !place.is_empty()) else { return Ok(None) };
    if let Some(folder) = place.strip_prefix("file://") {
        return if is_inside(&chart.join(folder), root) && !Path::new(folder).is_absolute() {
            Ok(None)
        } else {
            wrong("a folder outside the source; put it into the source")
        };
    }
    let (checked, known) = if place.starts_with("oci://") {
        // What helm pulls: the chart below the place.
        (check_reference(&format!("{}/{name}", place.trim_end_matches('/'))).map(drop), None)
    } else if place.starts_with("https://") || place.starts_with("http://") {
        (check_repository(place).map(drop), Some(place.to_owned()))
    } else {
        return wrong("a repository that is no address; give its https:// or oci:// address");
    };
    match checked {
        Ok(()) => Ok(known),
        Err(why) => wrong(&format!("an address that is refused: {why}; or put {name:?} into the source")),
    }
}

/// By the words of the path alone: a source has no links.
fn is_inside(path: &Path, root: &Path) -> bool {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean.starts_with(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Option<Missing>, ExecutorError>) {
        let folder = tempfile::tempdir().unwrap();
        let chart = folder.path().join("app");
        for (name, text) in files {
            let file = chart.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let found = missing(&chart, folder.path(), "/chart/source");
        (folder, found)
    }

    fn one(repository: &str) -> String {
        format!(
            "apiVersion: v2\nname: app\ndependencies:\n- name: lib\n  version: 1.0.0\n  repository: {repository:?}\n"
        )
    }

    #[test]
    fn what_is_in_charts_is_not_fetched() {
        let text = one("https://charts.example");
        assert_eq!(chart(&[("Chart.yaml", "name: app\n")]).1.unwrap(), None);
        assert_eq!(chart(&[("Chart.yaml", &text), ("charts/lib/Chart.yaml", "")]).1.unwrap(), None);
        assert_eq!(chart(&[("Chart.yaml", &text), ("charts/lib-1.0.0.tgz", "")]).1.unwrap(), None);
        for other in ["charts/lib-x-1.0.0.tgz", "charts/other/Chart.yaml", "templates/x.yaml"] {
            let found = chart(&[("Chart.yaml", &text), (other, "")]).1.unwrap().unwrap();
            assert_eq!(found.repositories, BTreeSet::from(["https://charts.example".to_owned()]), "{other}");
        }
    }

    #[test]
    fn nothing_outside_the_source_is_taken() {
        for good in ["file://../lib", "file://./sub/lib", "oci://registry.example/charts", "oci://127.0.0.1:5000/"] {
            assert_eq!(chart(&[("Chart.yaml", &one(good))]).1.unwrap(), Some(Missing::default()), "{good}");
        }
        for bad in [
            "file:///etc",
            "file://../../x",
            "file://../lib/../../x",
            "@stable",
            "alias:x",
            "stable",
            "s3://b",
            "http://bob:hunter2-hunter2@127.0.0.1/charts",
            "https://hunter2-hunter2@charts.example",
            "https://charts.example/?token=hunter2-hunter2",
            "http://169.254.169.254/latest",
            "http://metadata.google.internal/charts",
            "oci://bob:hunter2-hunter2@registry.example/charts",
            "oci://169.254.169.254/a",
            "oci://registry.example/charts?token=hunter2-hunter2",
        ] {
            for file in FILES {
                let error = chart(&[(file, &one(bad))]).1.unwrap_err().to_string();
                assert!(error.starts_with(&format!("/chart/source: its {file} takes \"lib\" from ")), "{bad}: {error}");
                assert!(!error.contains("hunter2"), "{bad}: {error}");
            }
        }
        let error = chart(&[("Chart.yaml", "dependencies: 7")]).1.unwrap_err().to_string();
        assert!(error.starts_with("/chart/source: its Chart.yaml cannot be read"), "{error}");
    }
}
