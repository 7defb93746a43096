//! One tool on this machine: which program it is, which version it says it is, and whether that will do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::{Command, Environment, JobSettings, Tool};
use process_supervisor::{StopOrder, supervise};
use semver::{Version, VersionReq};
use tokio::sync::{mpsc, watch};

use crate::known_versions::{KnownVersions, Stamp};

/// A tool that does not say its version in this time is not offered.
const PATIENCE: Duration = Duration::from_secs(10);

/// A tool that a kind needs, as this machine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTool {
    /// The tool.
    pub name: &'static str,
    /// The versions that work, as the kind says.
    pub needed: &'static str,
    /// The program that jobs get, if there is one.
    pub program: Option<PathBuf>,
    /// What it says its version is.
    pub version: Option<Version>,
    /// It is one of those that `alethia tools install` has put there.
    pub is_installed: bool,
    /// Why it is of no use, if so.
    pub problem: Option<String>,
}

/// The program that jobs get. Where that is of no use, one that is installed beside it.
pub(crate) async fn look(tool: &Tool, settings: &JobSettings, known: &KnownVersions) -> FoundTool {
    let none = FoundTool {
        name: tool.name,
        needed: tool.versions,
        program: None,
        version: None,
        is_installed: false,
        problem: None,
    };
    let needed = match VersionReq::parse(tool.versions) {
        Ok(needed) => needed,
        Err(error) => {
            let why = format!("the kind asks for {} {:?}, which is no range: {error}", tool.name, tool.versions);
            return FoundTool { problem: Some(why), ..none };
        }
    };
    let Some(program) = settings.program(tool.name, &needed) else {
        return FoundTool { problem: Some(format!("{} is not on the PATH", tool.name)), ..none };
    };
    let usual = judge(tool, &needed, program, settings, known).await;
    let operators_choice = settings.tools.contains_key(tool.name);
    match settings.installed(tool.name, &needed).filter(|_| usual.problem.is_some() && !operators_choice) {
        Some(beside) if Some(&beside) != usual.program.as_ref() => judge(tool, &needed, beside, settings, known).await,
        _ => usual,
    }
}

async fn judge(
    tool: &Tool,
    needed: &VersionReq,
    program: PathBuf,
    settings: &JobSettings,
    known: &KnownVersions,
) -> FoundTool {
    let (version, problem) = match version_of(tool, &program, settings, known).await {
        Err(why) => (None, Some(why)),
        // A pre-release fits where its release would.
        Ok(version) if needed.matches(&Version::new(version.major, version.minor, version.patch)) => {
            (Some(version), None)
        }
        Ok(version) => {
            let why = format!("{} is version {version}, needed is {}", tool.name, tool.versions);
            (Some(version), Some(why))
        }
    };
    let is_installed = settings.tools_dir.as_ref().is_some_and(|dir| program.starts_with(dir));
    FoundTool { name: tool.name, needed: tool.versions, program: Some(program), version, is_installed, problem }
}

async fn version_of(
    tool: &Tool,
    program: &Path,
    settings: &JobSettings,
    known: &KnownVersions,
) -> Result<Version, String> {
    let stamp = Stamp::of(program);
    if let Some(version) = known.get(program, stamp.as_ref()) {
        return Ok(version);
    }
    let version = ask(tool, program.to_owned(), settings).await?;
    known.put(program, stamp, &version);
    Ok(version)
}

async fn ask(tool: &Tool, program: PathBuf, settings: &JobSettings) -> Result<Version, String> {
    let name = program.display().to_string();
    let mut env: Environment = settings.env.iter().collect();
    env.set("HOME", std::env::temp_dir());
    // Nor are they to ask their makers for news.
    env.set("CHECKPOINT_DISABLE", "1").set("INFRACOST_SKIP_UPDATE_CHECK", "true");
    let command = Command::new(program, env, std::env::temp_dir()).args(tool.version_args.iter().copied());
    let (output, mut received) = mpsc::channel(16);
    let (order, ordered) = watch::channel(None);
    let ended = supervise(&command, output, ordered);
    let printed = async {
        let mut printed = Vec::new();
        while let Some(output) = received.recv().await {
            // A version is short; the rest is read only so that the tool can end.
            if printed.len() < 64 * 1024 {
                printed.extend_from_slice(&output.bytes);
            }
        }
        printed
    };
    let both = async { tokio::join!(ended, printed) };
    tokio::pin!(both);
    let (exit, printed) = tokio::select! {
        both = &mut both => both,
        () = tokio::time::sleep(PATIENCE) => {
            order.send_replace(Some(StopOrder::Kill));
            let _ = both.await;
            return Err(format!("{name} did not say its version within {} s", PATIENCE.as_secs()));
        }
    };
    exit.map_err(|error| format!("{name} does not start: {}", crate::chain(&error)))?;
    first_version(&String::from_utf8_lossy(&printed)).ok_or_else(|| format!("{name} does not say its version"))
}

/// The first thing in `text` that is a version: `"terraform_version": "1.10.3"`, `v3.12.1+gabc`, `git version 2.39.5`.
fn first_version(text: &str) -> Option<Version> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    text.split(|c: char| !is_part(c)).filter(|word| word.contains('.')).find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word).trim_end_matches('.');
        Version::parse(word).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_where_tools_hide_them() {
        let cases = [
            ("{\n  \"terraform_version\": \"1.10.3\",\n \"platform\": \"linux_amd64\"}", Some("1.10.3")),
            ("v3.12.1+gabc123", Some("3.12.1+gabc123")),
            ("git version 2.39.5", Some("2.39.5")),
            ("no version at all.", None),
        ];
        for (text, version) in cases {
            assert_eq!(first_version(text).map(|v| v.to_string()).as_deref(), version, "{text}");
        }
    }

    fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(dir).unwrap();
        let file = dir.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    const TOOL: Tool = Tool { name: "tool", versions: ">=1.7, <2", version_args: &["version"] };

    async fn look_at(settings: &JobSettings) -> FoundTool {
        look(&TOOL, settings, &KnownVersions::default()).await
    }

    fn on_path(dir: &Path) -> JobSettings {
        let path = format!("{}:/usr/bin:/bin", dir.display());
        JobSettings { env: [("PATH".to_owned(), path)].into(), ..JobSettings::default() }
    }

    #[tokio::test]
    async fn a_tool_is_of_use_if_it_says_a_version_that_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let settings = on_path(dir.path());
        let missing = look_at(&settings).await;
        assert!(missing.problem.unwrap().contains("tool is not on the PATH"));
        assert_eq!((missing.program, missing.version), (None, None));
        for (says, problem) in [
            ("echo v1.10.3", None),
            ("echo 1.9.0-rc1 >&2", None),
            ("echo v1.6.9", Some("tool is version 1.6.9, needed is >=1.7, <2")),
            ("head -c 300000 /dev/urandom", Some("does not say its version")),
            ("echo segmentation fault >&2; kill -SEGV $$", Some("does not say its version")),
            ("yes no version | head -n 200000; exit 1", Some("does not say its version")),
        ] {
            let program = script(dir.path(), "tool", says);
            let found = look_at(&settings).await;
            assert_eq!(found.program, Some(program), "{says}");
            assert_eq!(found.problem.is_none(), problem.is_none(), "{says}: {:?}", found.problem);
            assert!(found.problem.unwrap_or_default().contains(problem.unwrap_or_default()), "{says}");
        }
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = on_path(dir.path());
        settings.tools.insert("tool".to_owned(), dir.path().join("none"));
        let found = look_at(&settings).await;
        assert!(found.problem.as_ref().unwrap().contains("does not start"), "{found:?}");
        std::fs::write(dir.path().join("none"), "no program").unwrap();
        assert!(look_at(&settings).await.problem.unwrap().contains("does not start"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tool_that_hangs_when_asked_for_its_version_is_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        script(dir.path(), "tool", "echo still thinking; sleep 600 & wait");
        let found = look_at(&on_path(dir.path())).await;
        assert!(found.problem.as_ref().unwrap().contains("did not say its version within 10 s"), "{found:?}");
    }

    #[tokio::test]
    async fn what_is_installed_helps_out_and_is_no_upgrade() {
        let (dir, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let settings = JobSettings { tools_dir: Some(tools.path().to_owned()), ..on_path(dir.path()) };
        for version in ["1.8.0", "1.9.0", "2.0.0"] {
            script(&tools.path().join("tool").join(version), "tool", &format!("echo {version}"));
        }
        let installed = tools.path().join("tool/1.9.0/tool");
        assert_eq!(look_at(&settings).await.program, Some(installed.clone()), "there is nothing on the PATH");

        let usual = script(dir.path(), "tool", "echo 1.7.0");
        assert_eq!(look_at(&settings).await.program, Some(usual.clone()), "what is on the PATH will do");

        script(dir.path(), "tool", "echo 1.6.0");
        let found = look_at(&settings).await;
        assert_eq!((found.program, found.problem), (Some(installed), None), "what is on the PATH is too old");

        let chosen = JobSettings { tools: [("tool".to_owned(), usual.clone())].into(), ..settings };
        let found = look_at(&chosen).await;
        assert_eq!(found.program, Some(usual), "the operator's word is the last one");
        assert!(found.problem.unwrap().contains("tool is version 1.6.0"));
    }
}
