//! The state backend against the real terraform.

#![expect(clippy::disallowed_methods, reason = "a test starts the real tool as its user would, from PATH")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use control_plane::state::Actor;
use executor_api::testing::tool;
use reqwest::Method;
use serde_json::{Value, json};

use crate::plane::Plane;

const STACK: &str = r#"
terraform {
  backend "http" {}
}
variable "text" {
  default = "first"
}
resource "terraform_data" "it" {
  input = var.text
}
output "text" {
  value = terraform_data.it.output
}
"#;

/// A folder with a stack, and terraform told of our backend and nothing else.
struct Stack {
    dir: tempfile::TempDir,
    terraform: PathBuf,
    address: String,
    job: &'static str,
}

impl Stack {
    /// None, and a line that says so, where there is no terraform.
    fn new(plane: &Plane, job: &'static str) -> Option<Self> {
        let terraform = tool("terraform")?;
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("main.tf"), STACK).unwrap();
        Some(Self { dir, terraform, address: plane.url("/api/state/net"), job })
    }

    async fn run(&self, args: &[&str]) -> Output {
        let (lock, home): (_, &Path) = (format!("{}/lock", self.address), self.dir.path());
        let mut command = Command::new(&self.terraform);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_HTTP_ADDRESS", &self.address)
            .env("TF_HTTP_LOCK_ADDRESS", &lock)
            .env("TF_HTTP_UNLOCK_ADDRESS", &lock)
            .env("TF_HTTP_LOCK_METHOD", "PUT")
            .env("TF_HTTP_UNLOCK_METHOD", "DELETE")
            .env("TF_HTTP_USERNAME", self.job)
            .env("TF_HTTP_PASSWORD", "1");
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn succeeds(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test]
async fn terraform_keeps_its_state_here_over_a_restart() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let Some(mut stack) = Stack::new(&plane, "j") else { return };
    stack.succeeds(&["init", "-input=false", "-no-color"]).await;
    stack.succeeds(&["apply", "-auto-approve", "-input=false", "-no-color"]).await;
    assert!(plane.storage.states.held_by_job(&"j".parse().unwrap()).await.unwrap().is_empty(), "it unlocked");
    let plane = plane.restart().await;
    stack.address = plane.url("/api/state/net");
    stack.succeeds(&["init", "-reconfigure", "-input=false", "-no-color"]).await;
    assert_eq!(stack.succeeds(&["output", "-raw", "text"]).await, "first");
    stack.succeeds(&["apply", "-auto-approve", "-input=false", "-no-color", "-var", "text=second"]).await;
    assert_eq!(stack.succeeds(&["output", "-raw", "text"]).await, "second");
    stack.succeeds(&["destroy", "-auto-approve", "-input=false", "-no-color"]).await;
    assert!(!stack.succeeds(&["state", "list"]).await.contains("terraform_data"));
}

#[tokio::test]
async fn terraform_names_the_holder_of_a_lock() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    plane.rules.add("k");
    let Some(stack) = Stack::new(&plane, "j") else { return };
    stack.succeeds(&["init", "-input=false", "-no-color"]).await;
    let lock = |method| plane.client.request(method, plane.url("/api/state/net/lock")).basic_auth("k", Some("1"));
    let info = json!({ "ID": "11111111-2222-3333-4444-555555555555", "Operation": "OperationTypeApply",
        "Who": "ann@laptop", "Version": "1.11.4", "Created": "2026-01-02T03:04:05Z", "Path": "", "Info": "" });
    assert_eq!(lock(Method::PUT).json(&info).send().await.unwrap().status(), 200);
    let error = stack.fails(&["apply", "-auto-approve", "-input=false", "-no-color"]).await;
    // Terraform shows the id and, below it, its own lock info; so the id says who holds the state, and since when.
    let said = error.split_whitespace().collect::<Vec<_>>().join(" ");
    let held: Value = lock(Method::GET).send().await.unwrap().json().await.unwrap();
    assert_eq!((&held["ID"], &held["Who"]), (&info["ID"], &info["Who"]));
    let holder = held["Info"].as_str().unwrap();
    assert!(holder.starts_with("held by job k, attempt 1, on runner runner-1, since 20"), "{holder}");
    let expected = format!("already locked: ID=11111111-2222-3333-4444-555555555555 ({holder})");
    assert!(said.contains(&expected), "{expected:?} is not in {error}");
    let mut wrong = info.clone();
    wrong["ID"] = Value::from("another");
    assert_eq!(lock(Method::DELETE).json(&wrong).send().await.unwrap().status(), 409);
    assert_eq!(lock(Method::DELETE).json(&info).send().await.unwrap().status(), 200);
    stack.succeeds(&["apply", "-auto-approve", "-input=false", "-no-color"]).await;
}

#[tokio::test]
async fn terraform_of_an_attempt_that_is_over_changes_nothing() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let Some(stack) = Stack::new(&plane, "j") else { return };
    stack.succeeds(&["init", "-input=false", "-no-color"]).await;
    plane.rules.change("j", |progress| progress.attempt = 2);
    let error = stack.fails(&["apply", "-auto-approve", "-input=false", "-no-color"]).await;
    assert!(error.contains("Error acquiring the state lock"), "{error}");
    let (name, person) = ("net".parse().unwrap(), Actor::User { id: "ann".to_owned() });
    assert_eq!(plane.storage.states.get("acme", &name, &person).await.unwrap(), None);
}
