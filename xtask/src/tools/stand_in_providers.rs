//! Stand-ins for providers of terraform that no package registry has: with the real ones' schema, and nothing behind it.
//!
//! The schema comes out of the types that were generated from the provider and published on npm, pinned by version. That
//! is enough for `terraform validate`, and for `terraform test` where the test mocks the provider.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Toolbox;
use crate::process::{program, run_quietly};

struct Provider {
    name: &'static str,
    version: &'static str,
    /// On npm, and its version: another one than the provider's.
    package: (&'static str, &'static str),
}

const PROVIDERS: [Provider; 3] = [
    Provider { name: "google", version: "6.50.0", package: ("@cdktf/provider-google", "16.12.1") },
    Provider { name: "azurerm", version: "4.55.0", package: ("@cdktf/provider-azurerm", "14.23.1") },
    Provider { name: "random", version: "3.7.2", package: ("@cdktf/provider-random", "12.0.1") },
];

const SOURCES: [(&str, &str); 4] = [
    ("main.go", include_str!("../../stand_in_providers/main.go")),
    ("go.mod", include_str!("../../stand_in_providers/go.mod")),
    ("go.sum", include_str!("../../stand_in_providers/go.sum")),
    ("schema.py", include_str!("../../stand_in_providers/schema.py")),
];

impl Toolbox {
    /// A folder that terraform can install the stand-ins from, as `filesystem_mirror`.
    pub(crate) fn stand_in_providers(&self) -> anyhow::Result<PathBuf> {
        let kept = self.cache.join(format!("stand-in-providers-{:016x}", digest()));
        if kept.exists() {
            return Ok(kept);
        }
        let lock = self.lock()?;
        if !kept.exists() {
            eprintln!("tools: making stand-ins for providers of terraform, once; usually 2 minutes");
            let staging = tempfile::tempdir_in(&self.cache)?;
            let mirror = staging.path().join("mirror");
            make(staging.path(), &mirror)?;
            fs::rename(&mirror, &kept).with_context(|| format!("cannot make {}", kept.display()))?;
        }
        drop(lock);
        Ok(kept)
    }
}

/// Another one for other sources or versions.
fn digest() -> u64 {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    for provider in &PROVIDERS {
        (provider.name, provider.version, provider.package).hash(&mut hasher);
    }
    hasher.finish()
}

fn make(staging: &Path, mirror: &Path) -> anyhow::Result<()> {
    for (name, text) in SOURCES {
        fs::write(staging.join(name), text)?;
    }
    let stand_in = staging.join("stand-in");
    let mut build = program("go");
    build.args(["build", "-trimpath", "-ldflags=-s -w", "-o"]).arg(&stand_in).arg(".").current_dir(staging);
    run_quietly(&mut build)?;
    run_quietly(&mut npm(staging)).context("npm cannot get the providers' types; apt-get install npm")?;
    PROVIDERS.iter().try_for_each(|provider| put(provider, staging, &stand_in, mirror))
}

/// Only the packages themselves: their types are read, and nothing of them runs.
fn npm(staging: &Path) -> std::process::Command {
    let mut npm = program("npm");
    npm.args(["install", "--ignore-scripts", "--legacy-peer-deps", "--no-package-lock", "--no-audit", "--no-fund"]);
    npm.args(["--silent", "--prefix"]).arg(staging);
    npm.args(PROVIDERS.iter().map(|Provider { package: (name, version), .. }| format!("{name}@{version}")));
    npm
}

/// Where terraform looks for it, with its schema beside it.
fn put(provider: &Provider, staging: &Path, stand_in: &Path, mirror: &Path) -> anyhow::Result<()> {
    let Provider { name, version, package: (package, _) } = provider;
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let folder = mirror.join(format!("registry.terraform.io/hashicorp/{name}/{version}/linux_{arch}"));
    fs::create_dir_all(&folder)?;
    fs::copy(stand_in, folder.join(format!("terraform-provider-{name}_v{version}")))?;
    let mut read = program("python3");
    read.arg(staging.join("schema.py")).arg(staging.join("node_modules").join(package)).arg(folder.join("schema.json"));
    run_quietly(&mut read)
}
