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

fn copy(folder: &Path, into: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        fs::copy(entry.path(), into.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
