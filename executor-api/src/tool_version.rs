//! Which version of a tool a job gets.

use std::path::PathBuf;
use std::time::Duration;

use process_supervisor::Command;
use semver::{Version, VersionReq};

use crate::{ExecutorError, JobContext, Tool};

/// A program must say its version within this time.
const LIMIT: Duration = Duration::from_secs(10);

impl JobContext {
    /// The runner's usual program, if it is of a version that `tool` works with and that is `wanted`; else the newest
    /// installed one that is. `ask` makes the usual one say its version, and `read` finds that in the answer.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn fitting_program(
        &self,
        tool: &Tool,
        wanted: Option<&VersionReq>,
        ask: Command,
        read: fn(&str) -> Option<Version>,
    ) -> Result<PathBuf, ExecutorError> {
        let name = tool.name;
        let (usual, wanted) = (ask.program.clone(), both(tool, wanted));
        let why = match self.version_of(name, ask, read).await {
            // A pre-release fits where its release would.
            Ok(found) if wanted.matches(&Version::new(found.major, found.minor, found.patch)) => return Ok(usual),
            Ok(found) => format!("the runner has {name} {found}"),
            Err(ExecutorError::ToolMissing(why)) => why,
            Err(other) => return Err(other),
        };
        let Some(program) = self.installed_tool(name, &wanted) else {
            return Err(ExecutorError::ToolMissing(format!(
                "needed is {name} {wanted}, and {why}; `alethia tools install {name}@VERSION` there puts one beside it"
            )));
        };
        self.log().system(format!("taking {}: needed is {name} {wanted}, and {why}", program.display()));
        Ok(program)
    }

    /// The version of a program that `ask` makes say it.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] if it does not say it, or too late.
    pub async fn version_of(
        &self,
        name: &str,
        ask: Command,
        read: fn(&str) -> Option<Version>,
    ) -> Result<Version, ExecutorError> {
        let missing =
            |why: &str| ExecutorError::ToolMissing(format!("`{name} version` {why}; is it the real program?"));
        let Ok(answer) = tokio::time::timeout(LIMIT, self.capture(ask)).await else {
            return Err(missing("did not answer within 10 s"));
        };
        let answer = answer?;
        let text = String::from_utf8_lossy(&answer.stdout);
        match read(text.trim()) {
            Some(version) if answer.exit.is_success() => Ok(version),
            _ => Err(missing(&format!("does not answer as {name} does"))),
        }
    }
}

/// What is wanted and what works. As one text they would not always parse: `*` stands alone.
fn both(tool: &Tool, wanted: Option<&VersionReq>) -> VersionReq {
    let mut both = wanted.cloned().unwrap_or_default();
    both.comparators.extend(VersionReq::parse(tool.versions).unwrap_or_default().comparators);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_that_is_wanted_is_one_that_works() {
        let tool = Tool { name: "helm", versions: ">=3.14, <4", version_args: &[] };
        let both = |wanted: &str| both(&tool, Some(&VersionReq::parse(wanted).unwrap()));
        for (wanted, version, fits) in [
            ("*", "3.18.0", true),
            ("*", "4.0.0", false),
            (">=3.18", "3.18.0", true),
            (">=3.18", "3.17.0", false),
            ("3", "3.13.0", false),
        ] {
            assert_eq!(both(wanted).matches(&Version::parse(version).unwrap()), fits, "{wanted} {version}");
        }
        assert_eq!(both(">=3.18").to_string(), ">=3.18, >=3.14, <4");
        assert_eq!(super::both(&tool, None).to_string(), ">=3.14, <4");
    }
}
