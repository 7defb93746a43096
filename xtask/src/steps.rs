//! The steps of `cargo xtask test`, in the order in which they fail fast. All run, so that one run tells all.

use std::fmt;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;

use crate::cluster::Cluster;
use crate::process::{cargo, program, root, run as finish, shown, target};
use crate::tools::{Lack, Toolbox};

/// One thing that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// rustfmt changes nothing
    Fmt,
    /// Licences, bans and sources of the dependencies
    Deny,
    /// Lints, as errors
    Clippy,
    /// Unit, integration and system tests, and documentation examples
    Test,
    /// The command that the README promises
    Demo,
    /// Documentation without warnings
    Docs,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}

struct Ended {
    step: Step,
    took: Duration,
    result: anyhow::Result<()>,
}

/// Runs the steps (all if `only` is empty) and says at the end how each went.
pub(crate) fn run(toolbox: &Toolbox, only: &[Step], advisories: bool) -> anyhow::Result<()> {
    let chosen = Step::value_variants().iter().copied().filter(|step| only.is_empty() || only.contains(step));
    let ended: Vec<_> = chosen.map(|step| timed(toolbox, step, advisories)).collect();
    println!();
    for Ended { step, took, result } in &ended {
        match result {
            Ok(()) => println!("ok      {step:<8}{:>6.1} s", took.as_secs_f64()),
            Err(error) => println!("FAILED  {step:<8}{:>6.1} s   {error:#}", took.as_secs_f64()),
        }
    }
    if let Some(first) = ended.iter().find(|ended| ended.result.is_err()) {
        bail!("{} failed; again alone: cargo xtask test --only {}", first.step, first.step);
    }
    Ok(())
}

fn timed(toolbox: &Toolbox, step: Step, advisories: bool) -> Ended {
    println!("\n=== {step} ===");
    let begun = Instant::now();
    let result = match step {
        Step::Fmt => finish(&mut cargo(["fmt", "--all", "--check"])),
        Step::Deny => deny(toolbox, advisories),
        Step::Clippy => {
            finish(&mut cargo(["clippy", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"]))
        }
        Step::Test => test(toolbox),
        Step::Demo => demo(toolbox),
        Step::Docs => finish(
            cargo(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings"),
        ),
    };
    if let Err(error) = &result {
        println!("{step} FAILED: {error:#}");
    }
    Ended { step, took: begun.elapsed(), result }
}

fn deny(toolbox: &Toolbox, advisories: bool) -> anyhow::Result<()> {
    // It reads the manifests of all dependencies, and --offline keeps it from getting them itself.
    finish(&mut cargo(["fetch", "--locked", "--quiet"]))?;
    let mut deny = program(toolbox.cargo_deny()?);
    deny.arg("deny").arg("--all-features");
    if !advisories {
        println!("known vulnerabilities: SKIPPED, they need the internet; ask with --advisories");
        deny.arg("--offline");
    }
    deny.args(["check", "bans", "licenses", "sources"]);
    if advisories {
        deny.arg("advisories");
    }
    finish(&mut deny)
}

/// All tests, in a cluster if there can be one.
fn test(toolbox: &Toolbox) -> anyhow::Result<()> {
    let mut tests = tests("--no-fail-fast");
    let Some(mut cluster) = Cluster::for_tests(toolbox)? else {
        return finish(tests.envs(toolbox.for_tests(Lack::IsSaid)?));
    };
    let ended = cluster.run(&mut tests)?;
    if ended.interrupted {
        cluster.end_us()?;
    }
    ensure!(ended.status.success(), "the tests ended with {}", ended.status);
    Ok(())
}

fn tests(arg: &str) -> Command {
    cargo(["test", "--workspace", arg])
}

/// Runs what the README shows, with the binary that the tests built instead of the release build.
fn demo(toolbox: &Toolbox) -> anyhow::Result<()> {
    let readme = fs::read_to_string(root().join("README.md")).context("README.md cannot be read")?;
    let args = shown_demo(&readme).with_context(|| format!("README.md shows no line `{SHOWN}demo`"))?;
    toolbox.terraform()?;
    finish(tests("--no-run").arg("--quiet"))?;
    let mut demo = program(target()?.join("debug/alethia"));
    demo.args(&args).env("PATH", toolbox.path()?);
    if !args.contains(&"--destroy") {
        demo.arg("--destroy");
    }
    demo.stderr(Stdio::inherit());
    let output = demo.output().with_context(|| format!("cannot start {}", shown(&demo)))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    ensure!(output.status.success(), "`{SHOWN}{}` ended with {}", args.join(" "), output.status);
    // The words of terraform itself: once for the apply, once for the destruction.
    ensure!(said.matches("Apply complete!").count() >= 2, "the demo did not apply and destroy anything");
    Ok(())
}

const SHOWN: &str = "cargo run --release -- ";

/// The words after [`SHOWN`] of the first such line that is about the demo.
fn shown_demo(readme: &str) -> Option<Vec<&str>> {
    let mut shown = readme.lines().filter_map(|line| line.trim().trim_start_matches("$ ").strip_prefix(SHOWN));
    let args = shown.find(|args| args.starts_with("demo"))?;
    Some(args.split('#').next()?.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::shown_demo;

    #[test]
    fn the_demo_of_the_readme_is_found() {
        let readme = "text\n$ cargo run --release -- server\n  $ cargo run --release -- demo --keep  # stays\n";
        assert_eq!(shown_demo(readme), Some(vec!["demo", "--keep"]));
        assert_eq!(shown_demo("cargo run -- demo"), None);
    }
}
