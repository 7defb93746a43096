//! cargo-deny, which judges the dependencies.

use std::path::{Path, PathBuf};

use super::Toolbox;
use crate::process::{cargo, output, program, run_quietly};

const PIN: &str = "0.20.2";

impl Toolbox {
    /// The cargo-deny of the pinned version.
    pub(crate) fn cargo_deny(&self) -> anyhow::Result<PathBuf> {
        let says = |path: &Path| output(program(path).args(["deny", "--version"]));
        let pinned = format!("cargo-deny {PIN}");
        let is_pinned = |said: Option<Vec<u8>>| said.is_some_and(|said| said.trim_ascii() == pinned.as_bytes());
        let cached = self.bin().join("cargo-deny");
        for candidate in [Path::new("cargo-deny"), &cached] {
            if is_pinned(says(candidate)) {
                return Ok(candidate.to_owned());
            }
        }
        eprintln!("tools: building {pinned}, once; usually 5 minutes on two cores");
        let mut install = cargo(["install", "--quiet", "--locked", "--version", PIN, "--root"]);
        run_quietly(install.arg(&self.cache).arg("cargo-deny"))?;
        Ok(cached)
    }
}
