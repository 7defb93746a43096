//! The templates of environments: embedded in this program, one folder per cloud.

use std::fs;
use std::path::{Path, PathBuf};

use executor_api::ExecutorError;
use include_dir::{Dir, include_dir};

use crate::snapshot::Provider;

static ENVIRONMENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates/environment");

/// Where the templates of environments come from.
#[derive(Clone, Debug)]
pub enum Templates {
    /// This program's own.
    Embedded,
    /// One template for all clouds, from a folder without folders: for tests.
    Folder(PathBuf),
}

impl Templates {
    /// Puts the template of a cloud into a folder.
    pub(crate) fn unpack(&self, provider: Provider, into: &Path) -> Result<(), ExecutorError> {
        let cannot = || ExecutorError::io("cannot unpack the template of the environment");
        match self {
            Self::Embedded => {
                let template = ENVIRONMENTS.get_dir(provider.as_str());
                let missing = || {
                    let name = provider.as_str();
                    ExecutorError::invalid(
                        "/provider",
                        format!("this program has no template of an environment on {name}"),
                    )
                };
                // Files are named from the top of all templates.
                for file in template.ok_or_else(missing)?.files() {
                    fs::write(into.join(file.path().file_name().unwrap_or_default()), file.contents())
                        .map_err(cannot())?;
                }
                Ok(())
            }
            Self::Folder(folder) => copy(folder, into).map_err(cannot()),
        }
    }
}

/// The versions of the program that the template in a folder needs, in its own words.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn required_version(folder: &Path) -> Result<Option<String>, ExecutorError> {
    find_required_version(folder).map_err(ExecutorError::io("cannot read the template of the environment"))
}

fn find_required_version(folder: &Path) -> std::io::Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tf") {
            let text = fs::read_to_string(path)?;
            let value =
                |line: &str| line.trim().strip_prefix("required_version")?.trim().strip_prefix('=').map(unquoted);
            if let Some(found) = text.lines().find_map(value) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}

fn copy(folder: &Path, into: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::copy(entry.path(), into.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use semver::{Version, VersionReq};

    use super::*;

    #[test]
    fn the_kinds_ask_for_what_the_least_demanding_template_needs() {
        let needed = [Provider::Aws, Provider::Gcp, Provider::Azure].map(|provider| {
            let folder = tempfile::tempdir().unwrap();
            Templates::Embedded.unpack(provider, folder.path()).unwrap();
            VersionReq::parse(&required_version(folder.path()).unwrap().unwrap()).unwrap()
        });
        let declared = VersionReq::parse(crate::VERSIONS).unwrap();
        for minor in 0..30 {
            let version = Version::new(1, minor, 0);
            let is_enough = needed.iter().any(|needed| needed.matches(&version));
            assert_eq!(declared.matches(&version), is_enough, "{version}");
        }
        assert!(
            !needed[0].matches(&Version::new(1, 10, 9)),
            "ephemeral values came with 1.10, write-only ones with 1.11"
        );
    }

    #[test]
    fn every_cloud_has_a_template_and_nothing_else_is_embedded() {
        for provider in [Provider::Aws, Provider::Gcp, Provider::Azure] {
            let folder = tempfile::tempdir().unwrap();
            Templates::Embedded.unpack(provider, folder.path()).unwrap();
            assert!(folder.path().join("variables.tf").exists(), "{provider:?}");
            let template = ENVIRONMENTS.get_dir(provider.as_str()).unwrap();
            assert_eq!(template.dirs().count(), 0, "a folder of {provider:?}, for example .terraform, is embedded");
        }
    }
}
