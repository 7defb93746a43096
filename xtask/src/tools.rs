//! The tools that the tests need: used as they are where the machine has them, otherwise built once from the
//! package registries, pinned, into a cache outside the work tree.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use semver::{Version, VersionReq};

use crate::process::{self, output, program};

const TERRAFORM: &str = ">=1.5, <2";
const TOFU: &str = ">=1.6, <2";
const TOFU_PIN: &str = "1.12.6";
const CARGO_DENY_PIN: &str = "0.20.2";

/// Where tools come from.
pub(crate) struct Toolbox {
    cache: PathBuf,
}

impl Toolbox {
    /// A toolbox over this cache folder, which is made if it is not there.
    pub(crate) fn new(cache: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(cache.join("bin")).with_context(|| format!("cannot make the cache {}", cache.display()))?;
        Ok(Self { cache })
    }

    /// PATH with the cached tools behind the machine's own.
    pub(crate) fn path(&self) -> anyhow::Result<OsString> {
        let found = std::env::vars_os().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&found).collect();
        folders.push(self.bin());
        std::env::join_paths(folders).context("PATH cannot be extended")
    }

    /// Sees to it that there is a terraform or a tofu to test with.
    pub(crate) fn terraform(&self) -> anyhow::Result<()> {
        if usable("terraform".as_ref(), TERRAFORM)?.is_some() {
            return Ok(());
        }
        let tofu = self.bin().join("tofu");
        let found = match usable("tofu".as_ref(), TOFU)? {
            Some(version) => Some(version),
            None => usable(&tofu, &format!("={TOFU_PIN}"))?,
        };
        let version = match found {
            Some(version) => version.to_string(),
            None => self.build_tofu(&tofu)?,
        };
        println!(
            "tools: no terraform {TERRAFORM} on PATH; using tofu {version}. Tests of terraform itself are SKIPPED."
        );
        Ok(())
    }

    fn build_tofu(&self, tofu: &Path) -> anyhow::Result<String> {
        if which::which("go").is_err() {
            bail!(
                "neither terraform {TERRAFORM} nor tofu is on PATH, and there is no Go to build tofu with: install one"
            );
        }
        println!("tools: building tofu {TOFU_PIN} with Go, once; usually 4 minutes on two cores");
        // Not `go install`: it refuses a module with `replace` lines.
        let module = format!("github.com/opentofu/opentofu@v{TOFU_PIN}");
        let said = output(program("go").args(["mod", "download", "-json", &module]));
        let said: serde_json::Value =
            serde_json::from_slice(&said.with_context(|| format!("Go cannot get {module}"))?)?;
        let folder = said["Dir"].as_str().context("Go does not say where the module is")?;
        let flags = "-s -w -X github.com/opentofu/opentofu/version.dev=no";
        let mut build = program("go");
        build.args(["build", "-C", folder, "-buildvcs=false", "-ldflags", flags, "-o"]).arg(tofu).arg("./cmd/tofu");
        process::run_quietly(build.env("CGO_ENABLED", "0"))?;
        let built = usable(tofu, &format!("={TOFU_PIN}"))?;
        Ok(built.with_context(|| format!("{} does not say version {TOFU_PIN}", tofu.display()))?.to_string())
    }

    /// The cargo-deny of the pinned version.
    pub(crate) fn cargo_deny(&self) -> anyhow::Result<PathBuf> {
        let says = |program_path: &Path| output(program(program_path).args(["deny", "--version"]));
        let pinned = format!("cargo-deny {CARGO_DENY_PIN}");
        let is_pinned = |said: Option<Vec<u8>>| said.is_some_and(|said| said.trim_ascii() == pinned.as_bytes());
        let cached = self.bin().join("cargo-deny");
        for candidate in [Path::new("cargo-deny"), &cached] {
            if is_pinned(says(candidate)) {
                return Ok(candidate.to_owned());
            }
        }
        println!("tools: building {pinned}, once; usually 5 minutes on two cores");
        let mut install = process::cargo(["install", "--quiet", "--locked", "--version", CARGO_DENY_PIN, "--root"]);
        process::run_quietly(install.arg(&self.cache).arg("cargo-deny"))?;
        Ok(cached)
    }

    fn bin(&self) -> PathBuf {
        self.cache.join("bin")
    }
}

/// The version of a terraform or tofu, if it is there and fits.
fn usable(tool: &Path, versions: &str) -> anyhow::Result<Option<Version>> {
    let Some(said) = output(program(tool).args(["version", "-json"]).env_remove("TF_CLI_CONFIG_FILE")) else {
        return Ok(None);
    };
    let said: serde_json::Value = serde_json::from_slice(&said)?;
    let version = said["terraform_version"].as_str().unwrap_or_default();
    let version = Version::parse(version).with_context(|| format!("{} has no version", tool.display()))?;
    Ok(VersionReq::parse(versions)?.matches(&version).then_some(version))
}
