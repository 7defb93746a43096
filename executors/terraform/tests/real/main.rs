//! The real program on stacks that need no provider.

mod collector;
mod secrets;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{ExecutorError, ExecutorRegistry, Input, JobId, JobStatus, Outcome, Stop, StopReason};
use executor_terraform as _;
use serde_json::{Value, json};

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

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("terraform").unwrap().executor().execute(&job.context).await
}

pub(crate) fn payload(action: &str, state: &Path, more: &Value) -> Value {
    let mut payload = json!({ "action": action, "source": { "files": { "main.tf": STACK } },
                              "backend": { "type": "local", "path": state } });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

pub(crate) fn builder(payload: &Value) -> TestJobBuilder {
    TestJob::builder("terraform", payload)
}

/// The job that applies what `planned` planned.
pub(crate) fn apply_of(planned: &TestJob, outcome: &Outcome, payload: &Value) -> TestJobBuilder {
    let mut record = planned.context.job().clone();
    record.status = JobStatus::Success;
    record.execution_metadata = Some(Value::Object(outcome.metadata.clone()));
    // As the plane shows it.
    for name in ["secret_env", "secret_variables"] {
        if let Some(secret) = record.config_snapshot.get_mut(name) {
            *secret = json!("(hidden)");
        }
    }
    let id = record.id.clone();
    let artifact = |name: &str| Input::Artifact { job_id: id.clone(), name: name.to_owned() };
    builder(payload)
        .input(Input::JobRecord(id.clone()), serde_json::to_vec(&record).unwrap())
        .input(artifact("terraform.plan.out"), planned.artifact("terraform.plan.out").unwrap())
        .input(artifact("workspace.tar.gz"), planned.artifact("workspace.tar.gz").unwrap())
        .job(|job| job.plan_job_id = Some(id.clone()))
}

#[tokio::test]
async fn a_plan_is_applied_as_it_was_reviewed_and_taken_away_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let planned = builder(&payload("plan", &state, &json!({}))).build().unwrap();
    let plan = run(&planned).await.unwrap();
    assert_eq!(planned.commits(), 0, "a plan changes nothing");
    assert_eq!(plan.metadata["plan_summary"]["add"], 2);
    assert_eq!(plan.metadata["has_changes"], true);
    assert!(planned.log().contains("plan: 2 to add, 0 to change, 0 to destroy"));
    let text = String::from_utf8(planned.artifact("plan.txt").unwrap()).unwrap();
    assert!(text.contains("terraform_data.a will be created"), "{text}");
    let document = String::from_utf8(planned.artifact("plan.json").unwrap()).unwrap();
    assert!(document.contains("terraform_data.a") && !document.contains("hunter2"), "{document}");
    let document: Value = serde_json::from_str(&document).unwrap();
    let configuration = &document["configuration"]["root_module"]["resources"][0];
    assert_eq!(configuration["address"], "terraform_data.a", "{document}");
    assert_eq!(configuration["expressions"]["input"]["references"], json!(["var.text"]));

    let applied = apply_of(&planned, &plan, &json!({ "action": "apply" })).build().unwrap();
    let outcome = run(&applied).await.unwrap();
    assert_eq!(applied.commits(), 1);
    assert_eq!(outcome.metadata["outputs"], json!({ "text": "one", "secret": { "sensitive": true } }));
    assert!(applied.log().contains("Apply complete! Resources: 2 added"), "{}", applied.log());

    let again = apply_of(&planned, &plan, &json!({ "action": "apply" })).build().unwrap();
    let error = run(&again).await.unwrap_err().to_string();
    assert_eq!(error, "/plan_job_id: the state has changed since the plan was made; plan again");
    assert_eq!(again.commits(), 0);

    let drift = run(&builder(&payload("drift", &state, &json!({}))).build().unwrap()).await.unwrap();
    assert_eq!(drift.metadata["has_drift"], false);
    let output = run(&builder(&payload("output", &state, &json!({}))).build().unwrap()).await.unwrap();
    assert_eq!(output.metadata["outputs"]["text"], "one");

    let destroyed = builder(&payload("destroy", &state, &json!({}))).build().unwrap();
    let outcome = run(&destroyed).await.unwrap();
    assert_eq!((destroyed.commits(), &outcome.metadata["plan_summary"]["destroy"]), (1, &json!(2)));
    for job in [&planned, &applied, &again, &destroyed] {
        assert!(!job.log().contains("hunter2"), "{}", job.log());
    }
}

#[tokio::test]
async fn a_plan_that_is_not_the_reviewed_one_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let planned = builder(&payload("plan", &state, &json!({}))).build().unwrap();
    let plan = run(&planned).await.unwrap();
    let id = planned.context.job().id.clone();
    let artifact = |name: &str| Input::Artifact { job_id: id.clone(), name: name.to_owned() };
    let mut flipped = planned.artifact("terraform.plan.out").unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let record = |change: fn(&mut wire_job::Job)| {
        let mut record = planned.context.job().clone();
        record.status = JobStatus::Success;
        record.execution_metadata = Some(Value::Object(plan.metadata.clone()));
        change(&mut record);
        serde_json::to_vec(&record).unwrap()
    };
    let apply = json!({ "action": "apply" });
    let job = || apply_of(&planned, &plan, &apply);
    let other = |more: &Value| apply_of(&planned, &plan, &payload("apply", &state, more));
    for (what, job, expected) in [
        ("flipped bit", job().input(artifact("terraform.plan.out"), flipped), "/plan_job_id: the plan of job"),
        ("truncated", job().input(artifact("terraform.plan.out"), &b"PK"[..]), "/plan_job_id: the plan of job"),
        ("other workspace", job().input(artifact("workspace.tar.gz"), &b"x"[..]), "/plan_job_id: the workspace of job"),
        (
            "failed plan",
            job().input(Input::JobRecord(id.clone()), record(|job| job.status = JobStatus::Failed)),
            "/plan_job_id: job",
        ),
        (
            "other kind",
            job().input(Input::JobRecord(id.clone()), record(|job| job.job_type = "helm".to_owned())),
            "/plan_job_id: job",
        ),
        (
            "no plan",
            job().input(Input::JobRecord(id.clone()), record(|job| job.config_snapshot["action"] = json!("drift"))),
            "/plan_job_id: job",
        ),
        ("variables", other(&json!({ "variables": { "text": "two" } })), "/variables: this has changed since the plan"),
        ("targets", other(&json!({ "targets": ["terraform_data.a"] })), "/targets: this has changed since the plan"),
        ("version", other(&json!({ "version": ">=1.5" })), "/version: this has changed since the plan"),
        ("destroy", other(&json!({ "destroy": true })), "/destroy: this has changed since the plan"),
        ("to destroy", other(&json!({ "action": "destroy" })), "/action: the plan of job"),
        (
            "state",
            apply_of(&planned, &plan, &payload("apply", &folder.path().join("other"), &json!({}))),
            "/backend: this has changed since the plan",
        ),
    ] {
        let job = job.build().unwrap();
        let error = run(&job).await.expect_err(what).to_string();
        assert!(error.starts_with(expected), "{what}: {error}");
        assert_eq!(job.commits(), 0, "{what}");
    }
    assert!(!state.exists(), "nothing was applied");
}

#[tokio::test]
async fn how_long_to_wait_for_a_lock_is_the_applying_jobs_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    run(&builder(&payload("apply", &state, &json!({}))).build().unwrap()).await.unwrap();
    let of_plan = json!({ "destroy": true, "lock_timeout": "1s", "parallelism": 2 });
    let planned = builder(&payload("plan", &state, &of_plan)).build().unwrap();
    let plan = run(&planned).await.unwrap();

    let (program, calls) = (folder.path().join("terraform"), folder.path().join("calls"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> {}\nexec terraform \"$@\"\n", calls.display()))
        .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let destroy = json!({ "action": "destroy", "lock_timeout": "7s" });
    let job = apply_of(&planned, &plan, &destroy)
        .settings(|settings| drop(settings.tools.insert("terraform".to_owned(), program)));
    run(&job.build().unwrap()).await.unwrap();
    let calls = std::fs::read_to_string(calls).unwrap();
    assert!(calls.contains("-auto-approve -parallelism=2 -lock-timeout=7s "), "{calls}");
}

mod wire_job {
    pub(crate) use executor_api::Job;
}

#[tokio::test]
async fn failures_say_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let files = |text: &str| json!({ "source": { "files": { "main.tf": text } } });
    for (more, expected) in [
        (files("resource \"terraform_data\" \"a\" {"), "Error: Unclosed configuration block"),
        (files("output \"x\" { value = var.missing }"), "Reference to undeclared input variable"),
        (files("variable \"x\" {}\noutput \"x\" { value = var.x }"), "give it in `variables`"),
        (json!({ "source": { "files": { "readme.txt": "nothing" } } }), "no .tf files in its root"),
        (json!({ "version": ">=99" }), "needed is terraform >=99"),
        (json!({ "backend": { "type": "plane", "name": "x" } }), "/backend/type: there is no control plane"),
        (
            json!({ "backend": { "type": "s3", "bucket": "b", "key": "k" } }),
            "/backend/type: the runner has no S3 storage",
        ),
        (json!({ "backend": null }), "/backend: say where the state is kept"),
        (json!({ "source": null }), "/source: say what to run"),
    ] {
        let job = builder(&payload("plan", &state, &more)).build().unwrap();
        let error = run(&job).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        // The plane takes no artifact without bytes.
        assert_ne!(job.artifact("plan.txt"), Some(vec![]), "{expected}");
    }
    let nowhere = builder(&payload("plan", &state, &json!({}))).settings(|settings| {
        settings.env.insert("PATH".to_owned(), "/nonexistent".to_owned());
    });
    let error = run(&nowhere.build().unwrap()).await.unwrap_err();
    assert!(
        matches!(&error, ExecutorError::ToolMissing(text) if text.contains("terraform is not on the runner's PATH")),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_is_applied_when_the_commit_point_is_refused_or_the_job_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let refused = builder(&payload("apply", &state, &json!({}))).refuse_commit().build().unwrap();
    assert!(matches!(run(&refused).await, Err(ExecutorError::CommitRefused(_))));
    let stopped = builder(&payload("apply", &state, &json!({}))).build().unwrap();
    stopped.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    assert!(matches!(run(&stopped).await, Err(ExecutorError::Stopped(StopReason::CancelledByUser))));
    assert!(!state.exists(), "nothing was applied");
}

#[tokio::test]
async fn an_unsaved_state_in_the_source_is_not_this_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let more = json!({ "source": { "files": { "main.tf": STACK, "errored.tfstate": "of somebody" } } });
    let job = builder(&payload("apply", &folder.path().join("terraform.tfstate"), &more)).build().unwrap();
    run(&job).await.unwrap();
    assert_eq!(job.artifact("errored.tfstate"), None);
    assert!(!job.log().contains("could not save its state"), "{}", job.log());
    assert!(job.log().contains("the source's errored.tfstate is taken away"), "{}", job.log());
}

#[tokio::test]
async fn variables_are_data_and_never_expressions_or_options() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = [
        "-destroy",
        "--help",
        "a,b=c",
        "{x}",
        "@/etc/passwd",
        "$(id)",
        "${file(\"/etc/passwd\")}",
        "%{ for x in [] }",
        "line\nbreak",
        "\"quoted\"",
        "\u{202e}rtl",
    ];
    for (number, text) in hostile.into_iter().enumerate() {
        let state = folder.path().join(format!("{number}.tfstate"));
        let job = builder(&payload("apply", &state, &json!({ "variables": { "text": text } }))).build().unwrap();
        assert_eq!(run(&job).await.unwrap().metadata["outputs"]["text"], text);
    }
}

#[tokio::test]
async fn a_stack_is_validated_without_its_state() {
    let valid = json!({ "action": "validate", "source": { "files": { "main.tf": STACK } } });
    assert_eq!(run(&builder(&valid).build().unwrap()).await.unwrap().metadata["valid"], true);
    let text = "resource \"terraform_data\" \"a\" { nonsense = 1 }";
    let invalid = json!({ "action": "validate", "source": { "files": { "main.tf": text } } });
    let error = run(&builder(&invalid).build().unwrap()).await.unwrap_err().to_string();
    assert!(error.starts_with("/source: the stack is not valid: Unsupported argument"), "{error}");
}

#[tokio::test]
async fn a_version_that_is_installed_beside_the_usual_one_is_taken_where_a_job_asks_for_it() {
    let tools = tempfile::tempdir().unwrap();
    let usual = builder(&json!({})).build().unwrap().context.tool("terraform").unwrap();
    for version in ["1.98.0", "1.98.1", "1.99.0", "2.0.0"] {
        let folder = tools.path().join("terraform").join(version);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("terraform"), format!("#!/bin/sh\nexec {} \"$@\"\n", usual.display())).unwrap();
        std::fs::set_permissions(folder.join("terraform"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let job = |version: &str| {
        let payload = json!({ "action": "validate", "source": { "files": { "main.tf": STACK } }, "version": version });
        builder(&payload).settings(|settings| settings.tools_dir = Some(tools.path().to_owned())).build().unwrap()
    };
    let asked = job(">=1.98, <1.99");
    assert_eq!(run(&asked).await.unwrap().metadata["valid"], true);
    let taken = tools.path().join("terraform/1.98.1/terraform");
    assert!(asked.log().contains(&format!("taking {}", taken.display())), "{}", asked.log());

    // No job makes a version usable that we do not know.
    let asked = job(">=1.98");
    run(&asked).await.unwrap();
    assert!(asked.log().contains("terraform/1.99.0/terraform"), "{}", asked.log());

    let content = job(">=1");
    run(&content).await.unwrap();
    assert!(!content.log().contains("taking"), "the usual one will do: {}", content.log());

    let error = run(&job(">=1.100")).await.unwrap_err().to_string();
    assert!(error.contains("needed is terraform >=1.100, >=1.5, <2, and the runner has"), "{error}");
    assert!(error.contains("alethia tools install terraform@VERSION"), "{error}");
}

#[test]
fn the_payload_names_its_inputs() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    let executor = registry.get("terraform").unwrap().executor();
    let job = |payload: Value, plan: Option<&str>| -> executor_api::Job {
        serde_json::from_value(json!({ "id": JobId::generate(), "job_type": "terraform", "status": "CLAIMED",
                                       "config_snapshot": payload, "plan_job_id": plan }))
        .unwrap()
    };
    let id = "0".repeat(64);
    let plan = job(json!({ "action": "plan", "source": { "archive": id } }), None);
    assert_eq!(executor.inputs(&plan).unwrap(), [Input::Source(id)]);
    let apply = job(json!({ "action": "apply" }), Some("p"));
    assert_eq!(executor.inputs(&apply).unwrap().len(), 3);
    let wrong = job(json!({ "action": "plan", "source": { "files": { "a": "b" } } }), Some("p"));
    assert!(executor.inputs(&wrong).is_err());
}
