//! Terraform's own word: whatever is read as a snapshot, the variables of its template take. They are tried alone, without
//! the template's resources, so no provider is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use executor_api::testing::{missing, variable};
use executor_provisioner::tfvars::tfvars;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environments::{PROVIDERS, full, in_existing_network, read, smallest};
use crate::strategies::payload_of;

/// Environments at random, for each cloud.
const TRIES: usize = 12;

#[test]
fn terraform_takes_what_is_read() {
    let Some(terraform) = Terraform::found() else { return };
    // The same in every run: what fails here has to fail again.
    let mut runner = TestRunner::deterministic();
    for provider in PROVIDERS {
        let random = (0..TRIES).map(|_| payload_of(provider).new_tree(&mut runner).unwrap().current());
        let fixed = [smallest(provider), full(provider), in_existing_network(provider), longest(provider)];
        for payload in fixed.into_iter().chain(random) {
            terraform.takes(provider, &payload);
        }
    }
}

#[test]
fn terraform_refuses_what_a_variable_does_not_take() {
    let Some(terraform) = Terraform::found() else { return };
    for (provider, name) in [("aws", "vpc_cidr"), ("gcp", "network_cidr"), ("azure", "vnet_cidr")] {
        let mut variables = tfvars(&read(&smallest(provider)));
        variables.insert(name.to_owned(), json!("10.0.0.0/30"));
        assert!(terraform.complaint(provider, &Value::Object(variables)).is_some_and(|text| text.contains(name)));
    }
}

/// Names as long as they may be.
fn longest(provider: &str) -> Value {
    let mut payload = full(provider);
    payload["project_name"] = json!("p".repeat(25));
    payload["cluster"]["node_max_size"] = json!(1000);
    for (list, length) in [("databases", 30), ("caches", 20), ("queues", 35), ("topics", 35), ("storage_buckets", 24)] {
        payload[list][0]["name"] = json!(list[..1].repeat(length));
    }
    payload
}

struct Terraform {
    program: PathBuf,
    /// Its own, so that it finds no settings of whoever runs this.
    home: TempDir,
}

impl Terraform {
    /// None, and a line that says so, where there is no terraform.
    fn found() -> Option<Self> {
        let path = variable("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|folder| folder.join("terraform")).find(|file| file.is_file());
        if program.is_none() {
            missing("no terraform on PATH");
        }
        program.map(|program| Self { program, home: tempfile::tempdir().unwrap() })
    }

    fn takes(&self, provider: &str, payload: &Value) {
        let complaint = self.complaint(provider, &Value::Object(tfvars(&read(payload))));
        assert!(complaint.is_none(), "{provider}: {}\n{payload:#}", complaint.unwrap_or_default());
    }

    /// What terraform says against values; it would only warn of one that is not declared.
    fn complaint(&self, provider: &str, values: &Value) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/environment").join(provider);
        std::fs::copy(template.join("variables.tf"), folder.path().join("variables.tf")).unwrap();
        std::fs::write(folder.path().join("terraform.tfvars.json"), values.to_string()).unwrap();
        std::fs::write(self.home.path().join("terraformrc"), "").unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test starts terraform as a person would")]
        let mut command = Command::new(&self.program);
        command.args(["plan", "-no-color", "-input=false"]).current_dir(folder.path()).env_clear();
        command.env("HOME", self.home.path()).env("CHECKPOINT_DISABLE", "1").env("TMPDIR", self.home.path());
        command.env("TF_CLI_CONFIG_FILE", self.home.path().join("terraformrc"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let is_well = output.status.success() && !said.contains("undeclared") && !said.contains("Warning");
        (!is_well).then(|| said.into_owned())
    }
}
