//! Which releases are known, and which of them is meant.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};
use serde::Deserialize;

/// The releases that can be installed, by tool.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Pins(BTreeMap<String, PinnedTool>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinnedTool {
    url: String,
    #[serde(default)]
    member: Option<String>,
    release: Vec<Release>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    version: Version,
    /// Where its hashes were found.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people, and for the test that asks for two"))]
    sources: Vec<String>,
    /// By platform.
    sha256: BTreeMap<String, String>,
}

/// A release for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The tool.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Where the project publishes the file.
    pub url: String,
    /// The SHA-256 of that file, in hexadecimal.
    pub sha256: String,
    /// The program inside the file, if the file is an archive.
    pub member: Option<String>,
}

/// What a program is made for, as releases are named: `linux-amd64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    os: &'static str,
    arch: &'static str,
}

/// Why there is no such release.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// Nobody knows the tool.
    #[error("no tool {name:?}; known are {known}")]
    UnknownTool {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// What stands for a version is none.
    #[error("{text:?} is no version; give for example 1.11.4, or 1.11 for the newest of that line")]
    NotAVersion {
        /// It.
        text: String,
    },
    /// It is not pinned.
    #[error(
        "{name} {asked} is not among the releases that can be checked for {platform}; known are {known}. Another can be put on \
         the PATH by hand"
    )]
    UnknownVersion {
        /// The tool.
        name: String,
        /// The version, or the range.
        asked: String,
        /// For which platform.
        platform: String,
        /// What there is.
        known: String,
    },
}

impl Pins {
    /// Those of this program.
    #[must_use]
    pub fn known() -> Self {
        Self::parse(include_str!("pins.toml")).expect("the file is read by a test")
    }

    /// Others, in the form of `pins.toml`.
    ///
    /// # Errors
    /// If the text is not of that form.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut pins: Self = toml::from_str(text)?;
        for tool in pins.0.values_mut() {
            tool.release.sort_by(|one, two| two.version.cmp(&one.version));
        }
        Ok(pins)
    }

    /// The tools, by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All releases of a tool for a platform, newest first.
    #[must_use]
    pub fn of(&self, name: &str, platform: Platform) -> Vec<Pin> {
        let Some(tool) = self.0.get(name) else { return Vec::new() };
        tool.release.iter().filter_map(|release| tool.pin(name, release, platform)).collect()
    }

    /// The newest release that is wanted.
    #[must_use]
    pub fn newest(&self, name: &str, wanted: &VersionReq, platform: Platform) -> Option<Pin> {
        self.of(name, platform).into_iter().find(|pin| wanted.matches(&pin.version))
    }

    /// The release that a person means: a whole version is that one, `1.11` the newest of that line, nothing the newest
    /// that is `usable`.
    ///
    /// # Errors
    /// If there is none; the text lists what there is.
    pub fn choose(
        &self,
        name: &str,
        asked: Option<&str>,
        usable: &VersionReq,
        platform: Platform,
    ) -> Result<Pin, PinError> {
        if !self.0.contains_key(name) {
            let known = self.names().collect::<Vec<_>>().join(", ");
            return Err(PinError::UnknownTool { name: name.to_owned(), known });
        }
        let wanted = asked.map(wanted).transpose()?;
        self.newest(name, wanted.as_ref().unwrap_or(usable), platform).ok_or_else(|| PinError::UnknownVersion {
            name: name.to_owned(),
            asked: asked.map_or_else(|| usable.to_string(), str::to_owned),
            platform: platform.to_string(),
            known: self.list(name, platform),
        })
    }

    fn list(&self, name: &str, platform: Platform) -> String {
        let versions: Vec<_> = self.of(name, platform).iter().map(|pin| pin.version.to_string()).collect();
        if versions.is_empty() { "none".to_owned() } else { versions.join(", ") }
    }
}

impl PinnedTool {
    fn pin(&self, name: &str, release: &Release, platform: Platform) -> Option<Pin> {
        let fill = |template: &str| {
            let text = template.replace("{version}", &release.version.to_string());
            text.replace("{os}", platform.os).replace("{arch}", platform.arch)
        };
        Some(Pin {
            name: name.to_owned(),
            version: release.version.clone(),
            url: fill(&self.url),
            sha256: release.sha256.get(&platform.to_string())?.clone(),
            member: self.member.as_deref().map(fill),
        })
    }
}

fn wanted(text: &str) -> Result<VersionReq, PinError> {
    let number = text.strip_prefix('v').unwrap_or(text);
    let wanted = match Version::parse(number) {
        Ok(version) => format!("={version}"),
        Err(_) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("~{number}"),
        Err(_) => return Err(PinError::NotAVersion { text: text.to_owned() }),
    };
    VersionReq::parse(&wanted).map_err(|_| PinError::NotAVersion { text: text.to_owned() })
}

impl Platform {
    /// The machine that this program was built for.
    #[must_use]
    pub fn of_this_program() -> Self {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { os: std::env::consts::OS, arch }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.os, self.arch)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const AMD64: Platform = Platform { os: "linux", arch: "amd64" };
    const ARM64: Platform = Platform { os: "linux", arch: "arm64" };

    #[test]
    fn every_hash_is_one_and_was_found_in_two_places() {
        let pins = Pins::known();
        assert_eq!(pins.names().collect::<Vec<_>>(), ["argocd", "helm", "infracost", "kubectl", "terraform", "tofu"]);
        let mut hashes = BTreeSet::new();
        for (name, tool) in &pins.0 {
            assert!(tool.release.len() >= 2, "{name} has more than one version");
            for release in &tool.release {
                let what = format!("{name} {}", release.version);
                let sources: BTreeSet<_> = release.sources.iter().map(|s| s.split(',').next()).collect();
                assert!(sources.len() >= 2, "{what}: {sources:?}");
                assert!(release.sha256.contains_key("linux-amd64"), "{what}");
                for (platform, sha256) in &release.sha256 {
                    assert!(["linux-amd64", "linux-arm64"].contains(&platform.as_str()), "{what}: {platform}");
                    assert_eq!(hex::decode(sha256).map(|bytes| bytes.len()), Ok(32), "{what}");
                    assert_eq!(sha256, &sha256.to_lowercase(), "{what}");
                    assert!(hashes.insert(sha256), "{what}: the hash of another release");
                }
            }
        }
    }

    #[test]
    fn urls_and_members_are_those_of_the_projects() {
        let pins = Pins::known();
        let of = |name: &str, platform| {
            let pin = pins.of(name, platform).remove(0);
            (pin.url.replace(&pin.version.to_string(), "V"), pin.member)
        };
        for (name, platform, url, member) in [
            ("terraform", ARM64, "https://releases.hashicorp.com/terraform/V/terraform_V_linux_arm64.zip", "terraform"),
            ("tofu", AMD64, "https://github.com/opentofu/opentofu/releases/download/vV/tofu_V_linux_amd64.zip", "tofu"),
            ("helm", ARM64, "https://get.helm.sh/helm-vV-linux-arm64.tar.gz", "linux-arm64/helm"),
            ("kubectl", AMD64, "https://dl.k8s.io/release/vV/bin/linux/amd64/kubectl", ""),
            ("argocd", ARM64, "https://github.com/argoproj/argo-cd/releases/download/vV/argocd-linux-arm64", ""),
            (
                "infracost",
                AMD64,
                "https://github.com/infracost/infracost/releases/download/vV/infracost-linux-amd64.tar.gz",
                "infracost-linux-amd64",
            ),
        ] {
            assert_eq!(of(name, platform), (url.to_owned(), Some(member.to_owned()).filter(|m| !m.is_empty())));
        }
    }

    #[test]
    fn what_a_person_says_is_one_release_or_a_list_of_them() {
        let release = |version: &str| {
            let sha256 = "0".repeat(64);
            format!("[[t.release]]\nversion = '{version}'\nsources = []\nsha256.linux-amd64 = '{sha256}'\n")
        };
        let releases: String = ["1.9.8", "2.0.0", "1.11.4", "1.11.10"].map(release).concat();
        let pins = Pins::parse(&format!("[t]\nurl = 'u'\n{releases}")).unwrap();
        let choose = |asked| pins.choose("t", asked, &"<2".parse().unwrap(), AMD64).map(|pin| pin.version.to_string());
        for (asked, version) in [
            (None, "1.11.10"),
            (Some("1.11.4"), "1.11.4"),
            (Some("v1.11.4"), "1.11.4"),
            (Some("1.11"), "1.11.10"),
            (Some("1.9"), "1.9.8"),
            (Some("1"), "1.11.10"),
            (Some("2"), "2.0.0"),
        ] {
            assert_eq!(choose(asked).as_deref(), Ok(version), "{asked:?}");
        }
        let error = choose(Some("1.10")).unwrap_err().to_string();
        assert!(error.contains("t 1.10 is not among") && error.contains("2.0.0, 1.11.10, 1.11.4, 1.9.8"), "{error}");
        for bad in ["latest", "", "-x", ">=1", "../1", "1.2.3.4", "1.x y"] {
            assert_eq!(choose(Some(bad)), Err(PinError::NotAVersion { text: bad.to_owned() }), "{bad:?}");
        }
        let error = pins.choose("../t", None, &VersionReq::STAR, AMD64).unwrap_err();
        assert_eq!(error.to_string(), "no tool \"../t\"; known are t");
        let error = pins.choose("t", None, &VersionReq::STAR, ARM64).unwrap_err().to_string();
        assert!(error.contains("for linux-arm64; known are none"), "{error}");
    }
}
