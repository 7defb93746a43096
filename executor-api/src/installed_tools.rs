//! The tools that `alethia tools install` has put on this machine: several versions of each, side by side.

use std::fs;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};

/// A folder with `<tool>/<version>/<tool>` in it. Whatever else lies there is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledTools(PathBuf);

impl InstalledTools {
    /// The tools in this folder, which need not exist.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// The folder that holds all versions of a tool.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the program of a version is, if it is installed.
    #[must_use]
    pub fn program(&self, name: &str, version: &Version) -> PathBuf {
        self.folder(name).join(version.to_string()).join(name)
    }

    /// The versions that are installed, newest first.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<Version> {
        let entries = fs::read_dir(self.folder(name)).into_iter().flatten().filter_map(Result::ok);
        let named = entries.filter_map(|entry| Version::parse(entry.file_name().to_str()?).ok());
        let mut versions: Vec<_> = named.filter(|version| is_program(&self.program(name, version))).collect();
        versions.sort_by(|one, two| two.cmp(one));
        versions
    }

    /// The newest installed version that fits.
    #[must_use]
    pub fn newest(&self, name: &str, wanted: &VersionReq) -> Option<(Version, PathBuf)> {
        let version = self.versions(name).into_iter().find(|version| wanted.matches(version))?;
        let program = self.program(name, &version);
        Some((version, program))
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn install(dir: &Path, version: &str, mode: u32) {
        let folder = dir.join("helm").join(version);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("helm"), "").unwrap();
        fs::set_permissions(folder.join("helm"), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn versions_are_ordered_as_versions_and_rubbish_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let tools = InstalledTools::at(dir.path());
        assert_eq!(tools.versions("helm"), []);
        for version in ["3.9.4", "3.22.0", "4.0.0"] {
            install(dir.path(), version, 0o755);
        }
        install(dir.path(), "3.23.0", 0o644);
        install(dir.path(), ".install-x", 0o755);
        fs::create_dir_all(dir.path().join("helm/3.24.0")).unwrap();
        let versions: Vec<_> = tools.versions("helm").iter().map(ToString::to_string).collect();
        assert_eq!(versions, ["4.0.0", "3.22.0", "3.9.4"]);

        let (version, program) = tools.newest("helm", &"<4".parse().unwrap()).unwrap();
        assert_eq!((version, program), (Version::new(3, 22, 0), dir.path().join("helm/3.22.0/helm")));
        assert_eq!(tools.newest("helm", &">=5".parse().unwrap()), None);
    }
}
