//! Starts programs for a developer: inherited terminal and environment, unlike anything in the product.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// A program in the folder where we were called.
#[expect(clippy::disallowed_methods, reason = "the wall protects jobs; this is a developer's own terminal")]
pub(crate) fn here(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// A program in the root of the work tree.
pub(crate) fn program(program: impl AsRef<OsStr>) -> Command {
    let mut command = here(program);
    command.current_dir(root());
    command
}

/// The cargo of this toolchain.
pub(crate) fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = program("cargo");
    command.args(args);
    command
}

/// Where cargo puts what it builds: a variable or a setting may have moved it.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let said = output(&mut cargo(["metadata", "--format-version=1", "--no-deps", "--offline"]));
    let said: Value = serde_json::from_slice(&said.context("cargo does not describe the work tree")?)?;
    said["target_directory"].as_str().map(PathBuf::from).context("cargo does not say where it builds")
}

/// Runs to the end; anything but exit code 0 is an error that shows the command.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Like [`run`], and shows what it printed only if it failed.
pub(crate) fn run_quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        bail!("`{}` ended with {}", shown(command), output.status);
    }
    Ok(())
}

pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What it prints on its standard output. Nothing if it is not there or fails.
pub(crate) fn output(command: &mut Command) -> Option<Vec<u8>> {
    let output = command.output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// One variable of whoever called us.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::vars_os().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// The root of the work tree.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or_else(|| manifest.to_owned(), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn we_were_built_where_cargo_builds() {
        assert!(std::env::current_exe().unwrap().starts_with(target().unwrap()));
    }
}
