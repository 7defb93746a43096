//! Builds tools with Go: where, with which flags, and into the cache only what says its version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::go::{GoTool, Layout};
use super::{Toolbox, version};
use crate::process::{output, program, run_quietly};

/// What Go says of a module that it has downloaded.
struct Downloaded {
    folder: PathBuf,
    go_mod: PathBuf,
}

impl Toolbox {
    /// Builds all programs of `tool`, and puts each into the cache at once or not at all.
    pub(super) fn build(&self, tool: &GoTool) -> anyhow::Result<()> {
        let GoTool { name, version, usually, .. } = tool;
        eprintln!("tools: building {name} {version} with Go, once; usually {usually} on two cores");
        // Beside the place where the programs go, so that they can be renamed.
        let staging = tempfile::tempdir_in(&self.cache)?;
        let folder = source(tool, staging.path())?;
        for program in tool.programs {
            let built = staging.path().join(program.name);
            run_quietly(build_command(tool, &folder).arg("-o").arg(&built).arg(program.package))?;
            let found = version::ask(&built, program.version_args);
            let found = found.with_context(|| format!("{} was built, but does not say its version", program.name))?;
            ensure!(
                found.to_string().starts_with(version),
                "{} was built as {version}, but says {found}",
                program.name
            );
            fs::rename(&built, self.bin().join(program.name))?;
        }
        Ok(())
    }

    /// A file of a module, kept in the cache under `name`.
    pub(crate) fn go_file(&self, tool: &GoTool, name: &str, paths: &[&str]) -> anyhow::Result<PathBuf> {
        let kept = self.cache.join(format!("{}-{}-{name}", tool.name, tool.version));
        if kept.exists() {
            return Ok(kept);
        }
        let folder = download(tool)?.folder;
        let read = |path: &&str| {
            fs::read_to_string(folder.join(path)).with_context(|| format!("{} has no {path}", tool.module))
        };
        let parts = paths.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let staging = tempfile::NamedTempFile::new_in(&self.cache)?;
        fs::write(staging.path(), parts.join("\n---\n"))?;
        staging.persist(&kept)?;
        Ok(kept)
    }
}

fn go() -> Command {
    let mut go = program("go");
    // A static program runs wherever it is copied to, and needs no C compiler. A go.work above us is not ours.
    go.env("CGO_ENABLED", "0").env("GOWORK", "off");
    go
}

fn build_command(tool: &GoTool, folder: &Path) -> Command {
    let set = tool.ldflags.iter().flat_map(|flag| ["-X", flag]);
    let ldflags = ["-s", "-w"].into_iter().chain(set).collect::<Vec<_>>().join(" ");
    let may_complete = if matches!(tool.layout, Layout::Complete) { "-mod=readonly" } else { "-mod=mod" };
    let mut build = go();
    build.args(["build", "-C"]).arg(folder).args(["-trimpath", "-buildvcs=false", may_complete, "-ldflags", &ldflags]);
    build
}

fn download(tool: &GoTool) -> anyhow::Result<Downloaded> {
    let module = format!("{}@v{}", tool.module, tool.version);
    if which::which("go").is_err() {
        bail!("{} {} is not on PATH, and there is no Go to build it with; install Go", tool.name, tool.version);
    }
    let said = output(go().args(["mod", "download", "-json", &module]));
    let said: Value = serde_json::from_slice(&said.with_context(|| format!("Go cannot get {module}"))?)?;
    let path = |name: &str| said[name].as_str().map(PathBuf::from).context("Go does not say where the module is");
    Ok(Downloaded { folder: path("Dir")?, go_mod: path("GoMod")? })
}

/// The folder to build in: the module's own, or a module of ours in `staging`.
fn source(tool: &GoTool, staging: &Path) -> anyhow::Result<PathBuf> {
    let module = download(tool)?;
    if matches!(tool.layout, Layout::Complete) {
        return Ok(module.folder);
    }
    let said = output(go().args(["mod", "edit", "-json"]).arg(module.go_mod));
    let said = said.with_context(|| format!("Go cannot read the go.mod of {}", tool.module))?;
    let folder = staging.join("source");
    fs::create_dir(&folder)?;
    fs::write(folder.join("go.mod"), go_mod(tool, &serde_json::from_slice(&said)?)?)?;
    if let Layout::Library(main) = tool.layout {
        fs::write(folder.join("main.go"), main)?;
    }
    Ok(folder)
}

/// The go.mod of a module of ours that only depends on `tool`; `its` is what its own go.mod says.
fn go_mod(tool: &GoTool, its: &Value) -> anyhow::Result<String> {
    let go = its["Go"].as_str().context("the module does not say which Go it is for")?;
    let GoTool { name, module, version, .. } = tool;
    let mut text = format!("module alethia.invalid/{name}\n\ngo {go}\n\nrequire {module} v{version}\n");
    if let Layout::Staging(published) = tool.layout {
        for replace in its["Replace"].as_array().into_iter().flatten() {
            let in_folder = replace["New"]["Path"].as_str().is_some_and(|path| path.starts_with("./"));
            if let Some(path) = replace["Old"]["Path"].as_str().filter(|_| in_folder) {
                text.push_str(&format!("\nreplace {path} => {path} v{published}\n"));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(layout: Layout) -> GoTool {
        let (module, version) = ("k8s.io/kubernetes", "1.33.13");
        GoTool { name: "kubernetes", module, version, programs: &[], layout, ldflags: &["a.b=c"], usually: "a year" }
    }

    #[test]
    fn folders_that_the_registry_has_not_become_modules() {
        let its = json!({ "Go": "1.24.0", "Replace": [
            { "Old": { "Path": "k8s.io/api" }, "New": { "Path": "./staging/src/k8s.io/api" } },
            { "Old": { "Path": "example.com/fork" }, "New": { "Path": "example.com/ours", "Version": "v1.0.0" } },
        ] });
        let text = go_mod(&tool(Layout::Staging("0.33.13")), &its).unwrap();
        let expected = "module alethia.invalid/kubernetes\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v1.33.13\n\n\
                        replace k8s.io/api => k8s.io/api v0.33.13\n";
        assert_eq!(text, expected);
        assert!(go_mod(&tool(Layout::Library("")), &json!({})).is_err());
    }

    #[test]
    fn only_a_module_of_ours_may_be_completed() {
        let args = |layout| {
            let command = build_command(&tool(layout), Path::new("/in"));
            command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        // Go wants -C to be the first of all flags.
        assert_eq!(args(Layout::Complete)[..3], ["build", "-C", "/in"]);
        assert!(args(Layout::Complete).contains(&"-mod=readonly".to_owned()));
        assert!(args(Layout::Library("")).contains(&"-mod=mod".to_owned()));
        assert_eq!(args(Layout::Complete).last().unwrap(), "-s -w -X a.b=c");
    }
}
