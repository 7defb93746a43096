//! Tools that are built with Go from the module registry: what there is to say of one, and where its programs are.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Toolbox, version};

/// One module at one version, and the programs that we build from it.
pub(crate) struct GoTool {
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
    pub(crate) programs: &'static [Program],
    pub(crate) layout: Layout,
    /// What the linker sets, beside leaving symbols out.
    pub(crate) ldflags: &'static [&'static str],
    /// How long a build usually takes, on two cores.
    pub(crate) usually: &'static str,
}

/// One executable.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    /// What makes it say its version.
    pub(crate) version_args: &'static [&'static str],
}

/// How a module can be built from what the registry has of it.
pub(crate) enum Layout {
    /// In its own folder, with the dependencies that it pins. Not `go install`: it refuses a module with `replace` lines.
    Complete,
    /// It replaces dependencies by folders that its zip has not. They are published as modules of their own, at this
    /// version; so it is built as the dependency of an empty module that says that.
    Staging(&'static str),
    /// The same, but it publishes no package that can be a program: this `main.go` calls it.
    Library(&'static str),
}

impl Toolbox {
    /// Sees to it that all programs of `tool` are there.
    pub(crate) fn go_tool(&self, tool: &GoTool) -> anyhow::Result<()> {
        if !self.has(tool) {
            let lock = self.lock()?;
            // Somebody else may have built it while we waited.
            if !self.has(tool) {
                self.build(tool)?;
            }
            drop(lock);
        }
        for program in tool.programs {
            self.prefer(program.name, &self.program(tool, program.name)?)?;
        }
        Ok(())
    }

    /// Whether all programs of `tool` are there.
    pub(crate) fn has(&self, tool: &GoTool) -> bool {
        tool.programs.iter().all(|program| self.find(tool, program).is_some())
    }

    /// Where one program of `tool` is.
    pub(crate) fn program(&self, tool: &GoTool, name: &str) -> anyhow::Result<PathBuf> {
        let program = tool.programs.iter().find(|program| program.name == name);
        let found = program.and_then(|program| self.find(tool, program));
        found.with_context(|| format!("there is no {name} {} although it was built", tool.version))
    }

    fn find(&self, tool: &GoTool, program: &Program) -> Option<PathBuf> {
        let minor = version::same_minor(tool.version).ok()?;
        let ask = |path: &Path| version::ask(path, program.version_args);
        let of_machine = self.on_machine(program.name);
        if let Some(path) = of_machine.filter(|path| ask(path).is_some_and(|version| minor.matches(&version))) {
            return Some(path);
        }
        let cached = self.bin().join(program.name);
        // Without what stands behind a `+`.
        let is_pinned = |version: semver::Version| {
            format!("{}.{}.{}", version.major, version.minor, version.patch) == tool.version && version.pre.is_empty()
        };
        ask(&cached).is_some_and(is_pinned).then_some(cached)
    }
}
