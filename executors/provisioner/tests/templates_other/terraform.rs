//! Terraform's own word on the templates: their form, and, where the providers are, whether they hold together and what
//! they would make.
//!
//! No package registry has the providers of Google and Azure. Where there is no mirror of them (`ALETHIA_TEST_PROVIDERS`),
//! stand-ins take their place: they have the real ones' schema and nothing behind it
//! (`cargo xtask tools` makes them, `ALETHIA_TEST_STAND_IN_PROVIDERS` says where).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use executor_api::testing::{missing, variable};

use crate::template::{CLOUDS, Template};

#[test]
fn the_templates_and_their_tests_are_formatted() {
    let Some(terraform) = Terraform::found() else { return };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates_other");
    for folder in CLOUDS.map(Template::folder).into_iter().chain([here]) {
        terraform.succeeds(&folder, &["fmt", "-check", "-diff", "-no-color"]);
    }
}

#[test]
fn the_template_for_google_cloud_holds_together() {
    validates("gcp", "google");
}

#[test]
fn the_template_for_azure_holds_together() {
    validates("azure", "azurerm");
}

#[test]
fn the_template_for_google_cloud_makes_what_is_asked_for() {
    makes_what_is_asked_for("gcp");
}

#[test]
fn the_template_for_azure_makes_what_is_asked_for() {
    makes_what_is_asked_for("azure");
}

/// With the real providers where they are.
fn validates(cloud: &str, provider: &str) {
    let real = real_providers().filter(|mirror| has(mirror, provider) && has(mirror, "random"));
    if real.is_none() {
        println!("no mirror has hashicorp/{provider}: a stand-in with its schema takes its place");
    }
    let Some(mirror) = real.or_else(stand_ins) else { return };
    let Some(stack) = Stack::of(cloud, &mirror) else { return };
    stack.succeeds(&["validate", "-no-color"]);
}

/// With the stand-ins in any case: a real provider would not take the ids that a mock makes up.
fn makes_what_is_asked_for(cloud: &str) {
    let Some(mirror) = stand_ins() else { return };
    let Some(stack) = Stack::of(cloud, &mirror) else { return };
    let said = stack.succeeds(&["test", "-no-color"]);
    assert!(said.contains("Success!") && !said.contains(" skip"), "{said}");
}

struct Terraform {
    program: PathBuf,
    /// Its own, so that it finds no settings of whoever runs this.
    home: tempfile::TempDir,
}

impl Terraform {
    /// None, and a line that says so, where there is no terraform.
    fn found() -> Option<Self> {
        let path = variable("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("terraform")).find(|file| file.is_file());
        if program.is_none() {
            missing("terraform is not on PATH");
        }
        program.map(|program| Self { program, home: tempfile::tempdir().unwrap() })
    }

    fn run(&self, folder: &Path, args: &[&str]) -> Output {
        #[expect(clippy::disallowed_methods, reason = "a test starts terraform as a person would")]
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(folder).env_clear();
        command.env("HOME", self.home.path()).env("CHECKPOINT_DISABLE", "1").env("TMPDIR", self.home.path());
        command.env("TF_CLI_CONFIG_FILE", self.home.path().join("terraformrc"));
        command.output().unwrap()
    }

    fn succeeds(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.run(folder, args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?} in {}: {said}{complaint}", folder.display());
        said
    }
}

/// A template with the tests of it, ready to run.
pub(crate) struct Stack {
    terraform: Terraform,
    pub(crate) folder: tempfile::TempDir,
}

impl Stack {
    pub(crate) fn of(cloud: &str, mirror: &Path) -> Option<Self> {
        let terraform = Terraform::found()?;
        let folder = tempfile::tempdir().unwrap();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/templates_other/{cloud}.tftest.hcl"));
        let files = fs::read_dir(Template::folder(cloud)).unwrap().map(|entry| entry.unwrap().path());
        for file in files.chain([tests]).filter(|file| file.is_file()) {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        let settings = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        fs::write(terraform.home.path().join("terraformrc"), settings).unwrap();
        let stack = Self { terraform, folder };
        stack.succeeds(&["init", "-no-color", "-input=false", "-backend=false"]);
        Some(stack)
    }

    pub(crate) fn succeeds(&self, args: &[&str]) -> String {
        self.terraform.succeeds(self.folder.path(), args)
    }
}

/// Where this kind of machine has real ones, as the tests of credentials look for them.
fn real_providers() -> Option<PathBuf> {
    let folder = variable("ALETHIA_TEST_PROVIDERS").map_or_else(PathBuf::new, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn has(mirror: &Path, provider: &str) -> bool {
    mirror.join("registry.terraform.io/hashicorp").join(provider).is_dir()
}

pub(crate) fn stand_ins() -> Option<PathBuf> {
    let folder = variable("ALETHIA_TEST_STAND_IN_PROVIDERS").map(PathBuf::from);
    if folder.is_none() {
        missing("no providers of Google and Azure; `cargo xtask test` has stand-ins for them");
    }
    folder
}
