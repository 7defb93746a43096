//! Which version a program is of.

use std::path::Path;

use anyhow::Context;
use semver::{Version, VersionReq};

use crate::process::{output, program};

/// The version that a program says when it is run with `args`. None if it is not there, fails, or says none.
pub(crate) fn ask(path: &Path, args: &[&str]) -> Option<Version> {
    // Terraform would fail if its settings are missing; they say nothing about its version.
    let said = output(program(path).args(args).env_remove("TF_CLI_CONFIG_FILE"))?;
    first(&String::from_utf8_lossy(&said))
}

/// The first word that is a version, with or without a `v`.
fn first(said: &str) -> Option<Version> {
    let words = said.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')' | '"'));
    words.filter_map(|word| Version::parse(word.strip_prefix('v').unwrap_or(word)).ok()).next()
}

/// What has the same minor version.
pub(crate) fn same_minor(pinned: &str) -> anyhow::Result<VersionReq> {
    let Version { major, minor, .. } = Version::parse(pinned).with_context(|| format!("{pinned} is no version"))?;
    Ok(VersionReq::parse(&format!("~{major}.{minor}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        first(text).map(|version| version.to_string())
    }

    #[test]
    fn every_tool_has_its_own_way_to_say_it() {
        for (text, version) in [
            ("Kubernetes v1.33.13\n", "1.33.13"),
            ("Client Version: v1.33.13\nKustomize Version: v5.6.0\n", "1.33.13"),
            ("etcd Version: 3.6.8\nGit SHA: Not provided\nGo Version: go1.26.8\n", "3.6.8"),
            ("kwok version v0.8.0 go1.26.8 (linux/amd64)\n", "0.8.0"),
            ("argocd: v3.2.5+unknown\n", "3.2.5+unknown"),
            ("{\n  \"terraform_version\": \"1.11.4\",\n  \"platform\": \"linux_amd64\"}", "1.11.4"),
        ] {
            assert_eq!(said(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(said("go version go1.26.8"), None);
    }

    #[test]
    fn a_version_of_the_same_minor_will_do() {
        let pinned = same_minor("1.33.13").unwrap();
        for (version, will_do) in [("1.33.0", true), ("1.33.20", true), ("1.34.0", false), ("1.33.4-dispatcher", false)]
        {
            assert_eq!(pinned.matches(&Version::parse(version).unwrap()), will_do, "{version}");
        }
        assert!(same_minor("1.33").is_err());
    }
}
