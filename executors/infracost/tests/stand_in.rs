//! Against a script that plays infracost: what it is called with, and what its bad days come to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{ExecutorError, ExecutorRegistry, Input, JobId, LogStream, Outcome, Stop, StopReason};
use executor_infracost::{CostError, Infracost};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "ico-Secret0123456789";

/// Writes down how it is called, and then does what the test says.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
printf '%s\n' "$*" >> "$here/calls"
for arg in "$@"; do printf '%s\0' "$arg"; done > "$here/argv"
env > "$here/env"
ls -A > "$here/beside"
for arg in "$@"; do
    if [ "$before" = --out-file ]; then out=$arg; fi
    before=$arg
done
. "$here/behaviour"
"#;

struct StandIn(TempDir);

impl StandIn {
    /// It does this, in `sh`; `$out` is where its document belongs.
    fn doing(behaviour: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("infracost"), SCRIPT).unwrap();
        fs::set_permissions(dir.path().join("infracost"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("behaviour"), behaviour).unwrap();
        Self(dir)
    }

    /// It writes this document.
    fn writing(document: &str) -> Self {
        let stand_in = Self::doing(r#"cp "$here/document" "$out""#);
        fs::write(stand_in.0.path().join("document"), document).unwrap();
        stand_in
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }

    fn argv(&self) -> Vec<String> {
        self.read("argv").split_terminator('\0').map(str::to_owned).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        self.read("env").lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    fn job(&self, payload: &Value) -> TestJobBuilder {
        TestJob::builder("infracost", payload).settings(|settings| {
            settings.tools.insert("infracost".to_owned(), self.0.path().join("infracost"));
            settings.infracost_api_key = Some(KEY.to_owned());
        })
    }

    /// A job that prices a plan.
    fn of_plan(&self, payload: &Value, plan: &str) -> TestJobBuilder {
        let id = JobId::generate();
        let input = Input::Artifact { job_id: id.clone(), name: "plan.json".to_owned() };
        self.job(payload).input(input, plan).job(|job| job.plan_job_id = Some(id))
    }
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("infracost").unwrap().executor().execute(&job.context).await
}

const PLAN: &str = r#"{ "format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [
    { "address": "aws_instance.web", "type": "aws_instance", "name": "web", "provider_name": "aws",
      "change": { "actions": ["create"], "before": null, "after": { "instance_type": "t3.micro" } } }] }"#;

fn document() -> Value {
    json!({
        "version": "0.2", "currency": "USD", "totalMonthlyCost": "7.6752", "totalHourlyCost": "0.0105139726027397256",
        "diffTotalMonthlyCost": "-2.5",
        "projects": [{ "name": "p", "metadata": { "type": "terraform_plan_json" },
            "breakdown": { "resources": [
                { "name": "aws_s3_bucket.b", "resourceType": "aws_s3_bucket" },
                { "name": "aws_instance.web", "resourceType": "aws_instance", "monthlyCost": "7.6752",
                  "hourlyCost": "0.0105139726027397256" }] },
            "diff": { "resources": [
                { "name": "aws_instance.old", "resourceType": "aws_instance", "monthlyCost": "-10.1752" },
                { "name": "aws_instance.web", "resourceType": "aws_instance", "monthlyCost": "7.6752" },
                { "name": "aws_s3_bucket.b", "resourceType": "aws_s3_bucket", "monthlyCost": "0" }] } }],
        "summary": { "totalNoPriceResources": 1, "totalUnsupportedResources": 2 },
    })
}

fn breakdown(more: &Value) -> Value {
    let mut payload = json!({ "action": "breakdown" });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

#[tokio::test]
async fn a_plan_is_priced_with_a_key_that_only_its_environment_shows() {
    let stand_in = StandIn::writing(&document().to_string());
    fs::write(
        stand_in.0.path().join("behaviour"),
        "cp \"$here/document\" \"$out\"\necho \"key $INFRACOST_API_KEY\" >&2\n",
    )
    .unwrap();
    let job = stand_in.of_plan(&breakdown(&json!({})), PLAN).build().unwrap();
    let outcome = run(&job).await.unwrap();

    let dir = job.context.paths().temp.join("infracost");
    let file = |name: &str| dir.join(name).display().to_string();
    let expected =
        ["breakdown", "--path", &file("plan.json"), "--format", "json", "--out-file", &file("breakdown.json")];
    assert_eq!(stand_in.argv(), expected);
    assert_eq!(stand_in.variable("INFRACOST_API_KEY").as_deref(), Some(KEY));
    assert_eq!(stand_in.variable("INFRACOST_CURRENCY").as_deref(), Some("USD"));
    assert_eq!(stand_in.variable("INFRACOST_ENABLE_CLOUD").as_deref(), Some("false"));
    assert_eq!(stand_in.variable("HOME"), Some(job.context.paths().home.display().to_string()));
    let names = stand_in.read("env");
    let known = ["PATH", "HOME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"];
    let strange = names.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let strange: Vec<_> = strange.filter(|name| !known.contains(name) && !name.starts_with("INFRACOST_")).collect();
    assert_eq!(strange, [""; 0], "nothing else is inherited");
    assert!(job.log().contains("key ***") && !job.log().contains(KEY), "{}", job.log());
    assert_eq!(job.commits(), 0);

    assert_eq!(
        outcome.metadata["cost_summary"],
        json!({ "currency": "USD", "total_monthly": "7.6752", "total_hourly": "0.0105139726027397256",
                "diff_monthly": "-2.5", "resources_with_cost": 1, "resources_free": 2, "total_resources": 3 })
    );
    let dearest = json!({ "name": "aws_instance.web", "type": "aws_instance", "monthly": "7.6752",
                          "hourly": "0.0105139726027397256" });
    assert_eq!(outcome.metadata["resources"][0], dearest);
    assert_eq!(outcome.metadata["resources"][1]["monthly"], Value::Null);
    assert_eq!(outcome.metadata["warnings"].as_array().unwrap().len(), 2);
    assert_eq!(outcome.metadata.get("resource_changes"), None);
    let kept: Value = serde_json::from_slice(&job.artifact("infracost.json").unwrap()).unwrap();
    assert_eq!(kept, document());
    assert_eq!(outcome.metadata["cost_file_key"], format!("{}/infracost.json", job.context.job().id));
    let said = String::from_utf8(job.log_of(LogStream::System)).unwrap();
    assert!(said.starts_with("costs 7.6752 USD a month; 1 of 3 resources cost something\nwarning: "), "{said}");

    let given: Value = serde_json::from_str(&fs::read_to_string(dir.join("plan.json")).unwrap()).unwrap();
    assert_eq!(given["planned_values"]["root_module"]["resources"][0]["values"]["instance_type"], "t3.micro");
}

#[tokio::test]
async fn a_source_is_compared_with_another_and_none_of_its_files_is_obeyed() {
    let euro = document().to_string().replace("\"USD\"", "\"EUR\"");
    let stand_in = StandIn::writing(&euro);
    let files = json!({ "files": { "main.tf": "", ".env": "INFRACOST_PRICING_API_ENDPOINT=http://evil.example",
                                   "usage/u.yml": "version: 0.1" } });
    let payload = json!({ "action": "diff", "source": files, "compare_to": { "files": { "main.tf": "" } },
                          "currency": "EUR", "usage": { "path": "usage/u.yml" } });
    let job = stand_in.job(&payload).build().unwrap();
    let outcome = run(&job).await.unwrap();
    let changes = outcome.metadata["resource_changes"].as_array().unwrap().iter();
    let changes: Vec<_> = changes.map(|change| (change["name"].as_str(), change["diff_monthly"].as_str())).collect();
    assert_eq!(changes, [(Some("aws_instance.old"), Some("-10.1752")), (Some("aws_instance.web"), Some("7.6752"))]);

    let (work, dir) = (job.context.work_dir().display(), job.context.paths().temp.join("infracost"));
    let (dir, usage) = (dir.display(), format!("--usage-file {work}/source/usage/u.yml"));
    let expected = [
        format!("breakdown --path {work}/compare_to --format json --out-file {dir}/breakdown.json {usage}"),
        format!(
            "diff --path {work}/source --format json --out-file {dir}/diff.json {usage} --compare-to {dir}/breakdown.json"
        ),
    ];
    assert_eq!(stand_in.read("calls").lines().collect::<Vec<_>>(), expected);
    assert_eq!(stand_in.variable("INFRACOST_CURRENCY").as_deref(), Some("EUR"));
    assert_eq!(stand_in.read("beside"), "breakdown.json\n", "nothing of the source is in its working directory");
    assert_eq!(stand_in.variable("INFRACOST_DISABLE_ENVFILE").as_deref(), Some("true"));
}

#[tokio::test]
async fn usage_reaches_infracost_as_data_however_hostile() {
    let hostile = ["-x", "--help", "a,b", "{x}", "@/etc/passwd", "$(id)", "line\nbreak", "nul\0", "\u{202e}", "<b>"];
    let long = "x".repeat(100 * 1024);
    let values: Vec<_> = hostile.into_iter().chain([long.as_str()]).collect();
    let usage = json!({ "version": "0.1", "resource_usage": { values[0]: values } });
    let stand_in = StandIn::writing(&document().to_string());
    let job = stand_in.of_plan(&breakdown(&json!({ "usage": { "inline": usage } })), PLAN).build().unwrap();
    run(&job).await.unwrap();
    let argv = stand_in.argv();
    let file = job.context.paths().temp.join("infracost/usage.yml");
    assert_eq!(argv[argv.len() - 2..], ["--usage-file", file.to_str().unwrap()]);
    let written: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, usage);
    for value in values {
        assert!(!argv.iter().any(|arg| arg == value), "{value:?}");
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_started() {
    for key in [None, Some(String::new()), Some(" ".to_owned())] {
        let stand_in = StandIn::writing(&document().to_string());
        let job = stand_in.of_plan(&breakdown(&json!({})), PLAN);
        let job = job.settings(|settings| settings.infracost_api_key = key).build().unwrap();
        let error = run(&job).await.unwrap_err().to_string();
        assert!(error.contains("its operator sets INFRACOST_API_KEY"), "{error}");
        assert_eq!(stand_in.read("calls"), "");
        let Err(no_key) = Infracost::find(&job.context) else { panic!("there is no key") };
        assert!(matches!(no_key, CostError::NoKey));
        assert!(no_key.into_warning().unwrap().starts_with("no cost estimate: the runner has no key"));
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stand_in = StandIn::writing(&document().to_string());
    let nowhere = stand_in.of_plan(&breakdown(&json!({})), PLAN).settings(|settings| {
        settings.tools.clear();
        settings.env.insert("PATH".to_owned(), "/nonexistent".to_owned());
    });
    let error = run(&nowhere.build().unwrap()).await.unwrap_err();
    assert!(
        matches!(&error, ExecutorError::ToolMissing(text) if text.contains("alethia tools install infracost")),
        "{error}"
    );

    let files = json!({ "files": { "main.tf": "" } });
    let payload = breakdown(&json!({ "source": files, "usage": { "path": "usage.yml" } }));
    let error = run(&stand_in.job(&payload).build().unwrap()).await.unwrap_err().to_string();
    assert_eq!(error, "/usage/path: the source has no such file");

    let payload = breakdown(&json!({ "currency": "QQQ" }));
    let error = run(&stand_in.of_plan(&payload, PLAN).build().unwrap()).await.unwrap_err().to_string();
    assert_eq!(error, "/currency: infracost does not know the currency QQQ and has taken USD");

    for plan in ["", "{}", "[1]", "{\"format_version\":\"1.2\"}"] {
        let error =
            run(&stand_in.of_plan(&breakdown(&json!({})), plan).build().unwrap()).await.unwrap_err().to_string();
        assert!(error.starts_with("the plan cannot be priced: "), "{plan}: {error}");
    }
}

#[tokio::test]
async fn a_bad_day_of_infracost_is_an_error_that_says_what_it_was() {
    let unreachable = json!({ "version": "0.2", "currency": "USD", "totalMonthlyCost": "0", "totalHourlyCost": "0",
        "projects": [{ "metadata": { "type": "error", "errors": [{ "code": 0, "isError": false,
            "message": "Error sending API request: Post \"x\": giving up after 5 attempt(s): connect: connection refused" }] },
            "breakdown": { "resources": [] } }] });
    for (behaviour, expected) in [
        (
            "echo 'Error: Invalid API Key, please check your INFRACOST_API_KEY environment variable' >&2; exit 1"
                .to_owned(),
            "the pricing service does not take the runner's key",
        ),
        (format!("echo '{unreachable}' > \"$out\""), "gave no prices (connect: connection refused)"),
        (
            "echo 'ERROR noise' >&2; echo 'Error: boom' >&2; exit 1".to_owned(),
            "infracost breakdown failed with exit code 1: Error: boom",
        ),
        ("exit 3".to_owned(), "infracost breakdown failed with exit code 3"),
        ("kill -KILL $$".to_owned(), "infracost breakdown failed with killed by signal 9"),
        ("head -c 3000000 /dev/zero >&2; exit 1".to_owned(), "infracost breakdown failed with exit code 1"),
        ("exit 0".to_owned(), "infracost ended well and wrote no document"),
        ("printf '{\"currency\":\"USD\",\"proj' > \"$out\"".to_owned(), "infracost's document cannot be read: EOF"),
        ("echo '<html>' > \"$out\"".to_owned(), "infracost's document cannot be read: expected value"),
        ("truncate -s 500M \"$out\"".to_owned(), "infracost's document cannot be read: it has 524288000 bytes"),
        ("mkdir \"$out\"".to_owned(), "infracost's document cannot be read"),
    ] {
        let stand_in = StandIn::doing(&behaviour);
        let job = stand_in.of_plan(&breakdown(&json!({})), PLAN).build().unwrap();
        let error = run(&job).await.expect_err(&behaviour).to_string();
        let expected = expected.replace("the pricing", "Infracost's pricing");
        assert!(error.contains(&expected), "{behaviour}: {expected:?} is not in {error:?}");
        assert_eq!(job.artifact("infracost.json"), None, "{behaviour}");
    }
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_as_cancelled() {
    let stand_in = StandIn::doing("trap 'exit 130' INT; : > \"$here/begun\"; while :; do sleep 0.05; done");
    let job = stand_in.of_plan(&breakdown(&json!({})), PLAN).build().unwrap();
    let begun: PathBuf = stand_in.0.path().join("begun");
    let cancel = async {
        until(&begun).await;
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    };
    let (ended, ()) = tokio::join!(run(&job), cancel);
    assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
}

async fn until(file: &Path) {
    while !file.exists() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_payload_names_its_inputs() {
    let registry = ExecutorRegistry::from_linked().unwrap();
    let executor = registry.get("infracost").unwrap().executor();
    let inputs = |payload: Value, plan: Option<&str>| {
        let job = json!({ "id": "j", "job_type": "infracost", "status": "CLAIMED", "config_snapshot": payload,
                          "plan_job_id": plan });
        executor.inputs(&serde_json::from_value(job).unwrap())
    };
    let plan = inputs(json!({ "action": "breakdown" }), Some("p")).unwrap();
    let job_id: JobId = serde_json::from_value(json!("p")).unwrap();
    assert_eq!(plan, [Input::Artifact { job_id, name: "plan.json".to_owned() }]);
    let archive = json!({ "archive": "0".repeat(64) });
    let both = json!({ "action": "diff", "source": archive, "compare_to": archive });
    assert_eq!(inputs(both, None).unwrap(), [Input::Source("0".repeat(64))]);
    assert!(inputs(json!({ "action": "breakdown" }), None).unwrap_err().to_string().starts_with("/source"));
    assert!(inputs(json!({ "action": "breakdown", "sauce": {} }), None).is_err());
}
