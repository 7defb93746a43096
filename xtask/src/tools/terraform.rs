//! Terraform: the machine's own, or tofu.

use semver::VersionReq;

use super::go::{GoTool, Layout, Program};
use super::{Toolbox, version};

const VERSION_ARGS: &[&str] = &["version", "-json"];
const TERRAFORM: &str = ">=1.5, <2";
const TOFU: &str = ">=1.6, <2";
const TOFU_PIN: GoTool = GoTool {
    name: "tofu",
    module: "github.com/opentofu/opentofu",
    version: "1.12.6",
    programs: &[Program { name: "tofu", package: "./cmd/tofu", version_args: VERSION_ARGS }],
    layout: Layout::Complete,
    ldflags: &["github.com/opentofu/opentofu/version.dev=no"],
    usually: "4 minutes",
};

impl Toolbox {
    /// Sees to it that there is a terraform or a tofu to test with.
    pub(crate) fn terraform(&self) -> anyhow::Result<()> {
        if self.machine_has("terraform", TERRAFORM)? {
            return Ok(());
        }
        if !self.machine_has("tofu", TOFU)? {
            self.tofu()?;
        }
        eprintln!("tools: no terraform {TERRAFORM} on PATH; using tofu. Tests of terraform itself are SKIPPED.");
        Ok(())
    }

    /// Sees to it that there is a tofu of the pinned version.
    pub(crate) fn tofu(&self) -> anyhow::Result<()> {
        self.go_tool(&TOFU_PIN)
    }

    fn machine_has(&self, program: &str, versions: &str) -> anyhow::Result<bool> {
        let versions = VersionReq::parse(versions)?;
        let found = self.on_machine(program).and_then(|path| version::ask(&path, VERSION_ARGS));
        Ok(found.is_some_and(|version| versions.matches(&version)))
    }
}
