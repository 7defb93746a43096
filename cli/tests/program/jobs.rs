//! Jobs as people and scripts meet them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use system_tests::process::{eventually, tool};

use crate::desk::{Desk, leaves};
use crate::stand_in::StandIn;

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/stacks/hello");
const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "echo begun; until [ -e ${path.root}/../go ]; do sleep 0.05; done" }
}
"#;
const BROKEN: &str = "resource \"terraform_data\" {}\n";

#[tokio::test]
async fn three_processes_plan_and_apply() {
    let Some(_) = tool("terraform") else { return };
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = desk.hire().await;

    let planned = desk.run(&["job", "submit", "terraform", "--dir", HELLO, "--follow"]).await.expect(0);
    assert!(planned.out.contains("Plan: 5 to add, 0 to change, 0 to destroy"), "{}", planned.out);
    let hint = planned.err.lines().find(|line| line.contains("apply exactly this plan: alethia ")).unwrap().to_owned();
    let hint = hint.split_once("alethia ").unwrap().1.to_owned();
    let hint: Vec<_> = hint.split_whitespace().collect();
    let plan = hint[hint.iter().position(|word| *word == "--plan").unwrap() + 1];
    assert!(!planned.out.contains('\u{1b}'), "no colours where nobody looks");

    let applied = desk.run(&hint).await.expect(0);
    assert!(applied.out.contains("Apply complete! Resources: 5 added"), "{}", applied.out);
    assert!(applied.out.contains("password = (sensitive)"), "{}", applied.out);

    let delivered = desk.run(&["job", "artifacts", plan, "--json"]).await.expect(0).json();
    let names: Vec<_> = delivered["artifacts"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["plan.json", "plan.txt", "terraform.plan.out", "workspace.tar.gz"]);
    let text = desk.run(&["job", "artifacts", plan, "plan.txt"]).await.expect(0);
    assert!(text.out.contains("Plan: 5 to add"), "{}", text.out);
    let file = desk.arg("plan.zip");
    desk.run(&["job", "artifacts", plan, "terraform.plan.out", "--output", &file]).await.expect(0);
    assert!(fs::read(&file).unwrap().starts_with(b"PK"), "a plan is a zip");
    let missing = desk.run(&["job", "artifacts", plan, "nothing"]).await.expect(1);
    assert!(missing.err.contains("there is no such artifact"), "{}", missing.err);

    let again = desk.run(&hint).await.expect(1);
    assert!(again.err.contains("/plan_job_id: the plan of job") && again.err.contains("plan again"), "{}", again.err);

    let jobs = desk.run(&["job", "list", "--json"]).await.expect(0).json();
    assert_eq!((jobs["total"].as_u64(), jobs["jobs"][1]["id"].as_str()), (Some(2), Some(plan)));
    let shown = desk.run(&["job", "show", plan, "--json"]).await.expect(0).json();
    assert_eq!((&shown["status"], &shown["log_complete"]), (&Value::from("SUCCESS"), &Value::from(true)));
    let raw = desk.run(&["job", "logs", plan, "--raw"]).await.expect(0);
    assert_eq!(Some(raw.out.len() as u64), shown["log_length"].as_u64());

    leaves(runner).await;
    leaves(server).await;
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_job() {
    let Some(_) = tool("terraform") else { return };
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = desk.hire().await;

    let broken = desk.stack("broken", BROKEN);
    let failed = desk.run(&["job", "submit", "terraform", "--dir", &broken, "--follow"]).await.expect(1);
    assert!(failed.out.contains("FAILED"), "{}", failed.out);
    let failed = desk.run(&["job", "submit", "terraform", "--dir", &broken, "--follow", "--json"]).await.expect(1);
    let lines = failed.out.trim_end().split_inclusive("\n{\n").last().unwrap_or_default();
    assert!(lines.contains("\"FAILED\""), "it ends with the job: {}", failed.out);

    let slow = desk.stack("slow", SLOW);
    let args = ["job", "submit", "terraform", "--dir", &slow, "--action", "apply", "--json"];
    let job = desk.run(&args).await.expect(0).json()["id"].as_str().unwrap().to_owned();
    let mut follower = desk.start(&["job", "logs", "--follow", &job]);
    follower.until_said("begun").await;
    follower.signal(Signal::INT);
    assert_eq!(follower.ended().await.code(), Some(130));
    follower.until_said(&format!("the job goes on; follow it: alethia job logs -f {job}")).await;
    let shown = desk.run(&["job", "show", &job, "--json"]).await.expect(0).json();
    assert_eq!(shown["status"], "PROCESSING", "Ctrl-C of one who looks on changes nothing");

    let mut follower = desk.start(&["job", "logs", "--follow", &job]);
    follower.until_said("begun").await;
    desk.run(&["job", "cancel", &job]).await.expect(0);
    assert_eq!(follower.ended().await.code(), Some(3), "{}", follower.said());

    leaves(runner).await;
    leaves(server).await;
}

#[tokio::test]
async fn wrong_input_is_refused_with_its_place_and_a_remedy() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    fs::write(desk.path("payload.json"), r#"{ "action": "plna" }"#).unwrap();
    for (args, code, says) in [
        (vec!["job", "sumbit"], 2, "a similar subcommand exists: 'submit'"),
        (vec!["job", "submit", "terrafrom"], 1, "/job_type: unknown kind \"terrafrom\"; known are: "),
        (vec!["job", "submit", "terraform", "--payload", "payload.json"], 1, "/action: "),
        (vec!["job", "show", "0"], 1, "there is no such job"),
        (vec!["job", "submit", "terraform", "--dir", "nowhere"], 1, "nowhere"),
        (vec!["job", "list", "--limit", "1000"], 2, "1000"),
        (vec!["job", "list", "--origin", "ftp://plane"], 78, "--origin"),
        (vec!["job", "list", "--origin", "http://127.0.0.1:1"], 1, "does not answer; is it running?"),
        (vec!["job", "list", "--token-file", "nowhere"], 78, "nowhere"),
        (vec!["runner", "start"], 78, "ALETHIA_WORKER_ID"),
    ] {
        let said = desk.run(&args).await.expect(code);
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
        assert!(!said.err.contains("panicked"), "{args:?}: {}", said.err);
    }
    let said = desk.run(&["job", "submit", "terraform", "--payload", "payload.json", "--json"]).await.expect(1);
    let document = said.json();
    assert_eq!(document["pointer"], "/config_snapshot/action", "{document}");
    let error = document["error"].as_str().unwrap();
    assert!(error.starts_with("it is none of: ") && error.contains("\"plan\", \"apply\""), "{document}");

    let port = desk.env.iter().find(|(name, _)| name == "ALETHIA_WEB_ORIGIN").unwrap().1.clone();
    let listen = port.strip_prefix("http://").unwrap();
    let second = desk.run(&["server", "--listen", listen, "--data", "other"]).await.expect(78);
    assert!(second.err.contains(listen), "{}", second.err);
    let second = desk.run(&["server", "--listen", "127.0.0.1:0", "--data", "plane"]).await.expect(78);
    assert!(second.err.contains("plane"), "{}", second.err);
    leaves(server).await;
}

#[tokio::test]
async fn a_token_is_checked_before_it_is_sent() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let file = |name: &str, mode: u32, text: &str| {
        fs::write(desk.path(name), text).unwrap();
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(mode)).unwrap();
        desk.arg(name)
    };
    let token = fs::read_to_string(desk.path("plane/admin-token")).unwrap();
    let open = file("open", 0o644, &token);
    let wrong = file("wrong", 0o600, &"0".repeat(64));
    let said = desk.run(&["job", "list", "--token-file", &open]).await.expect(78);
    assert!(said.err.contains("chmod 600"), "{}", said.err);
    let said = desk.run(&["job", "list", "--token-file", &wrong]).await.expect(1);
    assert!(said.err.contains("does not accept the token"), "{}", said.err);
    assert!(!said.err.contains("000000"), "the token is not shown: {}", said.err);
    desk.run(&["job", "list"]).await.expect(0);
    leaves(server).await;
}

#[tokio::test]
async fn a_job_runs_without_a_control_plane() {
    let Some(_) = tool("terraform") else { return };
    let desk = Desk::new();
    let hello = Path::new(HELLO).canonicalize().unwrap().display().to_string();
    let said = desk.run(&["run", "terraform", "--dir", &hello]).await.expect(0);
    assert!(said.out.contains("Plan: 5 to add"), "{}\n{}", said.out, said.err);
    let broken = desk.stack("broken", BROKEN);
    desk.run(&["run", "terraform", "--dir", &broken]).await.expect(1);
}

#[tokio::test]
async fn every_job_can_be_listed() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let submit = ["job", "submit", "terraform", "--dir", HELLO];
    let first = desk.run(&submit).await.expect(0).out.trim().to_owned();
    let second = desk.run(&submit).await.expect(0).out.trim().to_owned();
    let newest = desk.run(&["job", "list", "--limit", "1"]).await.expect(0);
    assert!(newest.out.contains(&second) && !newest.out.contains(&first), "{}", newest.out);
    assert!(newest.err.contains("1 of 2; older ones with --offset 1"), "{}", newest.err);
    let oldest = desk.run(&["job", "list", "--limit", "1", "--offset", "1"]).await.expect(0);
    assert!(oldest.out.contains(&first) && !oldest.out.contains(&second), "{}", oldest.out);
    assert_eq!(oldest.err, "", "there are no more");
    leaves(server).await;
}

#[tokio::test]
async fn the_plan_of_an_environment_is_applied_by_another_kind() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire_for(&desk, &["PLAN"]).await;
    fs::write(desk.path("env.json"), "{}").unwrap();
    let ended = async {
        let metadata = json!({ "plan_completed": true, "has_changes": true });
        let job = runner.claim().await;
        runner.end(&job, "planned", &json!({ "status": "SUCCESS", "execution_metadata": metadata })).await;
        job.id
    };
    let (said, id) = tokio::join!(desk.run(&["job", "submit", "PLAN", "--payload", "env.json", "--follow"]), ended);
    let said = said.expect(0);
    let hint = format!("alethia job submit DEPLOY --payload FILE --plan {id} --follow");
    assert!(said.err.contains(&hint), "{}{}", said.out, said.err);
    leaves(server).await;
}

#[tokio::test]
async fn a_plan_whose_file_is_not_there_says_so_in_place_of_how_to_apply_it() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = StandIn::hire_for(&desk, &["PLAN"]).await;
    fs::write(desk.path("env.json"), "{}").unwrap();
    for (key, name) in [("artifact_refused", "terraform.plan.out"), ("outbox_damaged", "outbox.000001.artifact")] {
        let why = "413: too large; the runner keeps it";
        let ended = async {
            let metadata = json!({ "plan_completed": true, "has_changes": true, (format!("{key}:{name}")): why });
            let job = runner.claim().await;
            runner.end(&job, "planned", &json!({ "status": "SUCCESS", "execution_metadata": metadata })).await;
            job.id
        };
        let (said, id) = tokio::join!(desk.run(&["job", "submit", "PLAN", "--payload", "env.json", "--follow"]), ended);
        let said = said.expect(0);
        let note = format!("the control plane does not have {name}: {why}");
        assert!(said.err.contains(&note), "{}{}", said.out, said.err);
        assert!(!said.err.contains("apply exactly this plan"), "{}", said.err);
        let shown = desk.run(&["job", "show", id.as_str()]).await.expect(0);
        assert!(shown.out.contains(&format!("missing    {name}: {why}")), "{}", shown.out);
    }
    leaves(server).await;
}

#[tokio::test]
async fn what_is_no_control_plane_is_never_taken_for_one() {
    // A stand-in for a portal that answers everything with a page of its own.
    let portal = axum::Router::new().fallback(async || axum::response::Html("<html>please log in</html>"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, portal).await });
    let mut desk = Desk::new();
    desk.set("ALETHIA_WEB_ORIGIN", &origin);
    desk.set("ALETHIA_TOKEN", "token");
    for args in [
        &["job", "list"][..],
        &["job", "logs", "1"],
        &["job", "logs", "--follow", "1"],
        &["job", "logs", "--raw", "1"],
        &["job", "artifacts", "1", "plan.txt"],
        &["state", "unlock", "net", "1"],
    ] {
        let said = desk.run(args).await.expect(1);
        assert!(said.err.contains("does not speak as a control plane does"), "{args:?}: {}", said.err);
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[tokio::test]
async fn one_who_follows_a_job_that_nobody_takes_hears_why() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let mut follower = desk.start(&["job", "submit", "terraform", "--dir", HELLO, "--follow"]);
    follower.until_said("waiting: no runner is registered; register and start one").await;
    desk.run(&["runner", "register", "--name", "laptop"]).await.expect(0);
    follower.until_said("  laptop: is offline").await;
    follower.signal(Signal::INT);
    assert_eq!(follower.ended().await.code(), Some(130));
    leaves(server).await;
}

#[tokio::test]
async fn the_demo_without_terraform_says_how_to_get_it() {
    let mut desk = Desk::new();
    desk.set("PATH", &desk.arg("nothing"));
    let said = desk.run(&["demo"]).await.expect(78);
    assert!(said.err.contains("terraform is not on the PATH"), "{}", said.err);
    assert!(said.err.contains("run `alethia tools install terraform`"), "{}", said.err);
    assert!(!said.err.contains("helm"), "{}", said.err);
}

#[tokio::test]
async fn the_demo_serves_on_until_it_is_told_to_stop() {
    let Some(_) = tool("terraform") else { return };
    let desk = Desk::new();
    let mut demo = desk.start(&["demo", "--keep", "--dir", &desk.arg("demo")]);
    let said = demo.until_said("password = (sensitive)").await;
    assert!(said.contains("Apply complete! Resources: 5 added, 0 changed, 0 destroyed."), "{said}");
    demo.until_said("admin-token").await;
    demo.signal(Signal::INT);
    assert!(demo.ended().await.success(), "{}", demo.said());
    assert!(desk.path("demo").is_dir(), "what was asked to be kept is kept");
    let left = eventually("its runner's jobs are put away", async || {
        let jobs = fs::read_dir(desk.path("demo/runner/jobs")).into_iter().flatten().count();
        (jobs == 0).then_some(jobs)
    });
    left.await;
}
