//! What the machine has that the tests run on.

use std::io::Write;
use std::path::PathBuf;

/// A variable of the test run itself; none if it is empty.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test runs in the environment of whoever started it")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says that a test cannot run here. It fails with `ALETHIA_REQUIRE_TOOLS`, where everything has to be there.
///
/// # Panics
/// If `ALETHIA_REQUIRE_TOOLS` is set.
#[track_caller]
pub fn missing(what: &str) {
    say_skipped(what);
    assert!(variable("ALETHIA_REQUIRE_TOOLS").is_none(), "ALETHIA_REQUIRE_TOOLS is set: {what}");
}

/// A program on the PATH.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    which::which_in(program, variable("PATH"), "/").ok()
}

/// A program on the PATH that every machine can have; none, and a visible line, where there is none.
///
/// # Panics
/// If `ALETHIA_REQUIRE_TOOLS` is set and there is no such program.
#[must_use]
#[track_caller]
pub fn tool(program: &str) -> Option<PathBuf> {
    let found = find(program);
    if found.is_none() {
        missing(&format!("no {program} on the PATH; CONTRIBUTING.md says what the tests need"));
    }
    found
}

/// infracost on the PATH. No package registry has it, so nobody can be asked to install it.
#[must_use]
pub fn infracost() -> Option<PathBuf> {
    let found = find("infracost");
    if found.is_none() {
        say_skipped("no infracost on the PATH");
    }
    found
}

/// The kubeconfig of the test cluster's administrator; none, and a visible line, where there is no cluster.
///
/// # Panics
/// If `ALETHIA_REQUIRE_TOOLS` is set and there is no cluster.
#[must_use]
#[track_caller]
pub fn kubeconfig() -> Option<PathBuf> {
    let found = variable("ALETHIA_TEST_KUBECONFIG").map(PathBuf::from);
    if found.is_none() {
        missing("no test cluster; run this with `cargo xtask cluster -- cargo test`");
    }
    found
}

/// The address of moto, which plays AWS; none, and a visible line, where there is none.
///
/// # Panics
/// If `ALETHIA_REQUIRE_TOOLS` is set and there is no moto.
#[must_use]
#[track_caller]
pub fn moto() -> Option<String> {
    let found = variable("ALETHIA_TEST_MOTO");
    if found.is_none() {
        missing("no moto; run this with `cargo xtask cluster --without-argocd -- cargo test`");
    }
    found
}

/// A folder of terraform's providers with that of AWS; `cargo xtask` finds one that the machine has
/// (`ALETHIA_TEST_PROVIDERS`). No package registry has it, so nobody can be asked to install it.
#[must_use]
pub fn aws_provider() -> Option<PathBuf> {
    let folder = variable("ALETHIA_TEST_PROVIDERS").map_or_else(PathBuf::new, PathBuf::from);
    if folder.join("registry.terraform.io/hashicorp/aws").is_dir() {
        return Some(folder);
    }
    say_skipped(&format!("no terraform AWS provider in {:?}; set ALETHIA_TEST_PROVIDERS", folder.display()));
    None
}

/// Not with `eprintln!`: the test harness keeps what a passing test prints so, and nobody would see it.
fn say_skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
