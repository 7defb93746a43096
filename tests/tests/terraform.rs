//! The real terraform through real processes, its state in the plane: plan, apply of exactly that plan, output,
//! destroy, and what of it must be refused.

use std::fs;
use std::path::PathBuf;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use system_tests::fake_terraform::{ERRS, FakeTerraform};
use system_tests::process::tool;
use system_tests::rig::Rig;

const STACK: &str = r#"
variable "text" { default = "one" }
resource "terraform_data" "a" { input = var.text }
resource "terraform_data" "b" { input = sensitive("hunter2-hunter2") }
output "text" { value = terraform_data.a.output }
output "secret" {
  value     = terraform_data.b.output
  sensitive = true
}
"#;

/// A plane and a runner, where there is a terraform; a line that says so where there is none.
async fn rig() -> Option<Rig> {
    tool("terraform")?;
    Some(Rig::with(|home| home.with_args(&["--slots", "2"])).await.started().await)
}

/// A payload for this stack, with its state under this name.
fn payload(action: &str, state: &str, stack: &str) -> Value {
    json!({ "action": action, "source": { "files": { "main.tf": stack } },
            "backend": { "type": "plane", "name": state } })
}

/// Runs a job to its end.
async fn run(rig: &Rig, payload: &Value) -> Value {
    let job = rig.user.submit("terraform", payload).await;
    rig.ended(&job).await
}

fn application(plan: &Value, payload: &Value) -> Value {
    json!({ "job_type": "terraform", "config_snapshot": payload, "plan_job_id": plan["id"] })
}

/// Applies the plan of a job.
async fn apply(rig: &Rig, plan: &Value, payload: &Value) -> Value {
    let job = rig.user.submit_as(&application(plan, payload)).await;
    rig.ended(&job).await
}

/// Why the plane does not even take the job that would apply a plan.
async fn refused(rig: &Rig, plan: &Value) -> String {
    let submission = application(plan, &json!({ "action": "apply" }));
    let (status, answer) = rig.call(Method::POST, "/api/jobs", Some(&submission)).await;
    assert_eq!((status.as_u16(), &answer["pointer"]), (400, &json!("/plan_job_id")), "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

async fn succeeded(rig: &Rig, job: &Value) -> String {
    let log = rig.log(id(job)).await;
    assert_eq!((&job["status"], &job["log_complete"]), (&json!("SUCCESS"), &json!(true)), "{job}\n{log}");
    log
}

fn id(job: &Value) -> &str {
    job["id"].as_str().unwrap()
}

/// The words of a failure, which is the job's and in its log.
async fn failed(rig: &Rig, job: &Value) -> String {
    assert_eq!(job["status"], "FAILED", "{job}");
    let text = job["error_message"].as_str().unwrap().to_owned();
    let log = rig.log(id(job)).await;
    assert!(log.contains(text.lines().next().unwrap()), "{text}\nis not in\n{log}");
    text
}

/// What the state holds, as an output job sees it.
async fn text_of(rig: &Rig, state: &str) -> Value {
    let job = run(rig, &payload("output", state, STACK)).await;
    succeeded(rig, &job).await;
    job["execution_metadata"]["outputs"]["text"].clone()
}

/// A stand-in plays terraform.
#[tokio::test]
async fn a_state_that_could_not_be_saved_is_an_artifact() {
    let fake = FakeTerraform::new(ERRS);
    let terraform = fake.path().display().to_string();
    let rig = Rig::with(|home| home.with_env("ALETHIA_TERRAFORM", terraform)).await.started().await;
    let applied = run(&rig, &payload("apply", "net", "")).await;
    failed(&rig, &applied).await;
    assert_eq!(rig.artifact(id(&applied), "errored.tfstate").await, b"all that is known\n");
}

#[tokio::test]
async fn a_stack_is_planned_applied_as_planned_read_and_destroyed() {
    let Some(rig) = rig().await else { return };
    let planned = run(&rig, &payload("plan", "net", STACK)).await;
    let log = succeeded(&rig, &planned).await;
    assert!(log.contains("Plan: 2 to add, 0 to change, 0 to destroy."), "{log}");
    let facts = &planned["execution_metadata"];
    assert_eq!((&facts["plan_completed"], &facts["plan_summary"]["add"]), (&json!(true), &json!(2)));
    assert_eq!(facts["plan_file_key"], format!("{}/terraform.plan.out", id(&planned)));
    let plan = rig.artifact(id(&planned), "terraform.plan.out").await;
    assert!(plan.starts_with(b"PK"), "terraform's plans are zip files");

    let applied = apply(&rig, &planned, &json!({ "action": "apply" })).await;
    let log = succeeded(&rig, &applied).await;
    assert!(log.contains("Apply complete! Resources: 2 added, 0 changed, 0 destroyed."), "{log}");
    assert!(!log.contains("Terraform will perform the following actions"), "it was not planned again: {log}");
    let outputs = json!({ "text": "one", "secret": { "sensitive": true } });
    assert_eq!(applied["execution_metadata"]["outputs"], outputs);
    assert_eq!(text_of(&rig, "net").await, "one");

    let again = run(&rig, &payload("plan", "net", STACK)).await;
    assert_eq!(again["execution_metadata"]["has_changes"], false);
    let destroyed = run(&rig, &payload("destroy", "net", STACK)).await;
    let log = succeeded(&rig, &destroyed).await;
    assert!(log.contains("Apply complete! Resources: 0 added, 0 changed, 2 destroyed."), "{log}");
    assert_eq!(text_of(&rig, "net").await, Value::Null);
}

#[tokio::test]
async fn a_plan_is_used_once_and_never_when_the_state_has_moved_on() {
    let Some(rig) = rig().await else { return };
    let planned = run(&rig, &payload("plan", "net", STACK)).await;
    let other = run(&rig, &payload("plan", "net", STACK)).await;
    let applied = apply(&rig, &planned, &json!({ "action": "apply" })).await;
    succeeded(&rig, &applied).await;

    let expected = format!("the plan of job {} was applied by job {}; plan again", id(&planned), id(&applied));
    assert_eq!(refused(&rig, &planned).await, expected);

    let stale = failed(&rig, &apply(&rig, &other, &json!({ "action": "apply" })).await).await;
    assert!(stale.contains("the state has changed since the plan was made; plan again"), "{stale}");
}

#[tokio::test]
async fn a_plan_is_for_its_own_stack_and_state() {
    let Some(rig) = rig().await else { return };
    let planned = run(&rig, &payload("plan", "net", STACK)).await;
    let mut variables = payload("apply", "net", STACK);
    variables["variables"] = json!({ "text": "two" });
    for (what, payload) in [
        ("/backend", payload("apply", "other", STACK)),
        ("/source", payload("apply", "net", "resource \"terraform_data\" \"x\" {}")),
        ("/variables", variables),
    ] {
        let job = apply(&rig, &planned, &payload).await;
        let text = failed(&rig, &job).await;
        assert!(text.starts_with(&format!("{what}: this has changed since the plan of job")), "{text}");
        assert_eq!((&job["reason"], &job["phase"]), (&json!("invalid_input"), &json!("ending")));
    }
    let failing = run(&rig, &payload("plan", "net", "output \"x\" { value = var.missing }")).await;
    let text = refused(&rig, &failing).await;
    assert!(text.contains("is FAILED; only a plan that ended with SUCCESS can be applied"), "{text}");
    // None of them used the plan up.
    succeeded(&rig, &apply(&rig, &planned, &json!({ "action": "apply" })).await).await;
}

#[tokio::test]
async fn of_two_jobs_with_one_plan_one_applies_it() {
    let Some(mut rig) = rig().await else { return };
    let (_, _, loser) = two_with_one_plan(&mut rig).await;
    let text = failed(&rig, &loser).await;
    assert!(text.contains("the state has changed since the plan was made; plan again"), "{text}");
    let log = rig.log(id(&loser)).await;
    assert!(!log.contains("Creating..."), "{log}");

    // Now there is nothing to do, so the state does not show that it was done: the plane knows.
    let (planned, winner, loser) = two_with_one_plan(&mut rig).await;
    let text = failed(&rig, &loser).await;
    let expected = format!("the plan of job {} was already applied by job {}", id(&planned), id(&winner));
    assert!(text.contains(&expected), "{text}");
    let log = rig.log(id(&loser)).await;
    assert!(!log.contains("Apply complete!"), "{log}");
}

/// A plan, the job that applied it, and the one that did not.
async fn two_with_one_plan(rig: &mut Rig) -> (Value, Value, Value) {
    let planned = run(rig, &payload("plan", "net", STACK)).await;
    // Nobody begins before both are there.
    rig.stop_runner().await;
    let submission = application(&planned, &json!({ "action": "apply" }));
    let (one, two) = (rig.user.submit_as(&submission).await, rig.user.submit_as(&submission).await);
    rig.start_runner().await;
    let (one, two) = (rig.ended(&one).await, rig.ended(&two).await);
    let (winner, loser) = if one["status"] == "SUCCESS" { (one, two) } else { (two, one) };
    succeeded(rig, &winner).await;
    (planned, winner, loser)
}

/// The stored bytes of an artifact.
fn blob(rig: &Rig, content: &[u8]) -> PathBuf {
    let mut folders = vec![rig.plane.data_dir().join("artifacts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if fs::read(entry.path()).unwrap() == content {
                return entry.path();
            }
        }
    }
    panic!("the artifact is not stored");
}

#[tokio::test]
async fn a_plan_that_was_changed_on_the_plane_is_not_applied() {
    let Some(rig) = rig().await else { return };
    for name in ["terraform.plan.out", "workspace.tar.gz"] {
        let planned = run(&rig, &payload("plan", "net", STACK)).await;
        let bytes = rig.artifact(id(&planned), name).await;
        let file = blob(&rig, &bytes);
        let mut changed = bytes;
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::remove_file(&file).unwrap();
        fs::write(&file, changed).unwrap();
        let job = apply(&rig, &planned, &json!({ "action": "apply" })).await;
        let text = failed(&rig, &job).await;
        assert!(text.contains("SHA-256"), "{name}: {text}");
        assert_ne!(job["phase"], "committed");
    }
    assert_eq!(text_of(&rig, "net").await, Value::Null, "nothing was applied");
}

#[tokio::test]
async fn a_lock_held_by_another_is_named_with_its_holder() {
    let Some(rig) = rig().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let release = folder.path().join("release");
    let waiting = format!(
        "resource \"terraform_data\" \"w\" {{\n  provisioner \"local-exec\" {{\n    command = \"echo holding; while [ ! -e {} ]; do sleep 0.05; done\"\n  }}\n}}\n",
        release.display()
    );
    let holder = rig.user.submit("terraform", &payload("apply", "net", &waiting)).await;
    rig.log_has(&holder, "(local-exec): holding").await;
    // Jobs on one state wait for each other; one that names another key meets the lock itself.
    let waiting = rig.user.submit("terraform", &payload("apply", "net", STACK)).await;
    let why = rig.user.call(Method::GET, &wire::paths::explain(&waiting)).send().await.unwrap();
    let why: Value = why.json().await.unwrap();
    let why = why["summary"].as_str().unwrap().to_owned();
    assert!(why.starts_with(&format!("job {holder} (terraform) works on the same thing: state ")), "{why}");
    let rash =
        json!({ "job_type": "terraform", "config_snapshot": payload("apply", "net", STACK), "concurrency_key": "x" });
    let rash = rig.user.submit_as(&rash).await;
    let text = failed(&rig, &rig.ended(&rash).await).await;
    // Who asks the plane gets the lock's id.
    let token = fs::read_to_string(rig.plane.data_dir().join("admin-token")).unwrap();
    let lock = Client::builder().no_proxy().build().unwrap().get(format!("{}/api/state/net/lock", rig.plane.origin));
    let lock: Value = lock.basic_auth("me", Some(token.trim())).send().await.unwrap().json().await.unwrap();
    let expected = format!(
        "the state is locked with id {}, held by job {holder}, attempt 1, on runner {}, since 2",
        lock["ID"].as_str().unwrap(),
        rig.identity().id
    );
    assert!(text.contains(&expected), "{expected:?} is not in {text:?}");
    let since = lock["Info"].as_str().unwrap().rsplit_once("since ").unwrap().1;
    assert!(text.contains(&format!("since {since}, for ")), "{since} is not in {text:?}");
    fs::write(release, "").unwrap();
    succeeded(&rig, &rig.ended(&holder).await).await;
    succeeded(&rig, &rig.ended(&waiting).await).await;
}

#[tokio::test]
async fn failures_of_terraform_say_what_and_where() {
    let Some(rig) = rig().await else { return };
    let broken = "resource \"terraform_data\" \"a\" {";
    let missing_provider =
        "terraform {\n  required_providers {\n    x = { source = \"127.0.0.1:9/no/such\" }\n  }\n}\n";
    let fails_at_apply = "resource \"terraform_data\" \"a\" {\n  provisioner \"local-exec\" { command = \"echo on the way; exit 3\" }\n}\n";
    for (what, action, stack, tool, expected) in [
        ("parsing", "plan", broken, "terraform init", "Unclosed configuration block"),
        ("init", "plan", missing_provider, "terraform init", "Failed to query available provider packages"),
        ("plan", "plan", "output \"x\" { value = var.missing }", "terraform plan", "undeclared input variable"),
        ("apply", "apply", fails_at_apply, "terraform apply", "local-exec provisioner error"),
    ] {
        let job = run(&rig, &payload(action, what, stack)).await;
        let text = failed(&rig, &job).await;
        assert!(text.contains(tool) && text.contains(expected), "{what}: {text}");
        assert_eq!(job["reason"], "tool_failed", "{what}: {text}");
        assert_eq!(job["log_complete"], true);
    }
    // What was made before the failure is in the state: a destroy finds it, and its lock is free.
    let destroyed = run(&rig, &payload("destroy", "apply", STACK)).await;
    let log = succeeded(&rig, &destroyed).await;
    assert!(log.contains("1 destroyed"), "{log}");
}
