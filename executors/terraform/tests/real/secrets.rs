//! Secrets of stacks: no job shows them.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use crate::{apply_of, builder, payload, run};

const FORGETFUL: &str = include_str!("../forgetful.tf");

#[tokio::test]
async fn no_plan_shows_a_sensitive_value_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let (old, new) = ("the-old-password-1", "the-new-password-2");
    let job = |action: &str, password: &str, destroy: bool| {
        let more = json!({ "source": { "files": { "main.tf": FORGETFUL } }, "variables": { "password": password },
                           "destroy": destroy });
        builder(&payload(action, &state, &more)).build().unwrap()
    };
    run(&job("apply", old, false)).await.unwrap();
    let jobs = [job("plan", new, false), job("plan", old, true), job("drift", old, false), job("apply", new, false)];
    for job in &jobs {
        run(job).await.unwrap();
    }
    assert!(jobs[0].log().contains("~ output = \"***\" -> (known after apply)"), "{}", jobs[0].log());
    for job in &jobs {
        let artifacts = ["plan.txt", "plan.json"].map(|name| job.artifact(name).unwrap_or_default());
        for text in [job.log(), artifacts.map(|bytes| String::from_utf8(bytes).unwrap()).concat()] {
            assert!(!text.contains(old) && !text.contains(new), "{text}");
        }
    }
}

/// Prints what it forgets, too.
const PARTING: &str = r#"
variable "password" { sensitive = true }
resource "terraform_data" "x" {
  input = var.password
  provisioner "local-exec" {
    when    = destroy
    command = "echo bye ${self.output}"
  }
}
output "password" {
  value     = terraform_data.x.output
  sensitive = true
}
"#;

#[tokio::test]
async fn applying_a_plan_of_before_shows_no_sensitive_output() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let job = |action: &str, destroy: bool| {
        let more = json!({ "source": { "files": { "main.tf": PARTING } }, "destroy": destroy,
                           "variables": { "password": "the-old-password-1" } });
        builder(&payload(action, &state, &more)).build().unwrap()
    };
    run(&job("apply", false)).await.unwrap();
    let planned = job("plan", true);
    let plan = run(&planned).await.unwrap();
    let applied = apply_of(&planned, &plan, &json!({ "action": "destroy" })).build().unwrap();
    run(&applied).await.unwrap();
    assert!(applied.log().contains("bye ***"), "{}", applied.log());
    assert!(!applied.log().contains("the-old-password-1"), "{}", applied.log());
}

/// Neither plan nor state holds the variables, in terraform from 1.10.
const FLEETING: &str = r#"
variable "token" { ephemeral = true }
variable "user" {
  ephemeral = true
  default   = "nobody"
}
variable "plain" { default = "plain" }
resource "terraform_data" "x" {
  input = var.plain
  provisioner "local-exec" {
    command     = "test \"$SAID\" = 'token-canary of somebody'"
    environment = { SAID = "${var.token} of ${var.user}" }
  }
}
"#;

#[tokio::test]
async fn a_stack_with_ephemeral_variables_is_applied_with_the_values_that_no_plan_holds() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = json!({ "secret_variables": { "token": "token-canary" } });
    let job = |action: &str, state: &str| {
        let mut more = json!({ "source": { "files": { "main.tf": FLEETING } },
                               "variables": { "user": "somebody", "plain": "plain", "of_no_stack": "idle" } });
        more.as_object_mut().unwrap().extend(secrets.as_object().unwrap().clone());
        builder(&payload(action, &folder.path().join(state), &more)).build().unwrap()
    };
    let at_once = job("apply", "one");
    run(&at_once).await.unwrap_or_else(|error| panic!("{error}\n{}", at_once.log()));

    let planned = job("plan", "two");
    let plan = run(&planned).await.unwrap();
    let names = plan.metadata["ephemeral_variables"].as_array().unwrap();
    assert!(names.len() == 2 && names.contains(&json!("token")) && names.contains(&json!("user")), "{names:?}");
    let without = apply_of(&planned, &plan, &json!({ "action": "apply" })).build().unwrap();
    let error = run(&without).await.unwrap_err().to_string();
    assert!(error.starts_with("/secret_variables: the plan of job") && error.contains("hold token"), "{error}");
    assert_eq!(without.commits(), 0);

    let mut again = json!({ "action": "apply" });
    again.as_object_mut().unwrap().extend(secrets.as_object().unwrap().clone());
    let with = apply_of(&planned, &plan, &again).build().unwrap();
    run(&with).await.unwrap_or_else(|error| panic!("{error}\n{}", with.log()));
    assert_eq!(with.commits(), 1);
}

/// Prints what it is given, and calls none of it sensitive.
const TALKATIVE: &str = r#"
variable "password" {}
variable "pin" { type = string }
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command     = "echo token=$TOKEN password=$PASSWORD"
    environment = { PASSWORD = var.password }
  }
}
output "said" { value = "${var.password} and ${var.pin}" }
"#;

#[tokio::test]
async fn secrets_that_a_stack_prints_are_hidden_with_a_plan_of_before_too() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let variables = json!({ "password": "password-canary", "pin": 31_415_926, "of_no_stack": "idle-canary" });
    let env = json!({ "TOKEN": "token-canary" });
    let stack = json!({ "source": { "files": { "main.tf": TALKATIVE } }, "secret_env": env,
                        "secret_variables": variables });
    let planned = builder(&payload("plan", &state, &stack)).build().unwrap();
    let plan = run(&planned).await.unwrap();
    assert!(planned.log().contains("+ said = \"*** and ***\""), "{}", planned.log());

    let apply = |more: Value| {
        let mut payload = json!({ "action": "apply" });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        apply_of(&planned, &plan, &payload)
    };
    let other = json!({ "secret_env": env, "secret_variables": { "password": "another-canary" } });
    for (more, expected) in [
        (json!({}), "/secret_env: the plan of job"),
        (other, "/secret_variables: this has changed since the plan of job"),
    ] {
        let job = apply(more).build().unwrap();
        let error = run(&job).await.expect_err(expected).to_string();
        assert!(error.starts_with(expected) && !error.contains("canary"), "{error}");
        assert_eq!(job.commits(), 0);
    }
    let same = json!({ "secret_env": env, "secret_variables": variables });
    let refused = apply(same).refuse_commit().build().unwrap();
    assert!(matches!(run(&refused).await, Err(ExecutorError::CommitRefused(_))), "what is the same may be repeated");
    let applied = apply(json!({ "secret_env": env })).build().unwrap();
    run(&applied).await.unwrap();
    assert!(applied.log().contains("token=*** password=***"), "{}", applied.log());
    let again = builder(&payload("apply", &state, &stack)).build().unwrap();
    run(&again).await.unwrap();
    for job in [&planned, &applied, &again] {
        let artifacts = ["plan.txt", "plan.json"].map(|name| job.artifact(name).unwrap_or_default());
        for text in [job.log(), artifacts.map(|bytes| String::from_utf8(bytes).unwrap()).concat()] {
            assert!(!text.contains("canary") && !text.contains("31415926"), "{text}");
        }
    }
    assert!(!Value::Object(plan.metadata).to_string().contains("canary"));
}
