//! The whole way of an environment.

use executor_api::testing::tool;
use serde_json::{Value, json};

use crate::harness::{Place, SECRET, payload, script, seen, with_tools};

#[tokio::test]
async fn an_environment_is_planned_made_changed_and_taken_away() {
    let place = Place::new();
    let reviewed = place.plan(&payload(&json!({}))).await;
    let metadata = reviewed.metadata();
    assert_eq!(metadata["plan_completed"], true);
    assert_eq!(metadata["plan_summary"]["add"], 2);
    assert_eq!(metadata["plan_file_key"], format!("{}/terraform.plan.out", reviewed.record.id));
    assert_eq!(metadata["plan_result"]["resource_changes"].as_array().unwrap().len(), 2);
    assert_eq!(metadata["configuration_hash"].as_str().unwrap().len(), 64);
    assert!(metadata["cost_warning"].as_str().unwrap().contains("INFRACOST_API_KEY"), "{metadata}");
    assert_eq!((reviewed.job.commits(), place.state().exists()), (0, false), "a plan changes nothing");
    assert!(String::from_utf8(reviewed.artifact("plan.txt")).unwrap().contains("terraform_data.network will be"));
    assert!(!reviewed.artifact("plan.json").is_empty());

    let deployed = reviewed.deploy(&place, &payload(&json!({}))).build().unwrap();
    let outcome = place.done(&deployed).await;
    assert_eq!(deployed.commits(), 2, "before anything goes, and again before the apply");
    assert_eq!(outcome.metadata["cluster_name"], "eks-shop");
    assert_eq!(outcome.metadata["cluster_endpoint"], "https://127.0.0.1:1");
    assert_eq!(outcome.metadata["outputs"]["vpc_id"], "10.1.0.0/16");
    assert_eq!(outcome.metadata["outputs"]["custom_secret_values"], json!({ "sensitive": true }));
    let secret: Value = serde_json::from_slice(&deployed.artifact("outputs").unwrap()).unwrap();
    assert_eq!(secret, json!({ "custom_secret_values": { "password": SECRET } }));
    assert!(deployed.log().contains("Apply complete! Resources: 2 added"), "{}", deployed.log());

    let again = place.job("DEPLOY", &payload(&json!({})));
    let unchanged = place.done(&again).await;
    assert!(again.log().contains("nothing is applied") && !again.log().contains("Apply complete"), "{}", again.log());
    assert_eq!(unchanged.metadata["outputs"], outcome.metadata["outputs"]);

    let changed = place.job("DEPLOY", &payload(&json!({ "network": { "cidr_block": "10.2.0.0/16" } })));
    let outcome = place.done(&changed).await;
    assert_eq!((&outcome.metadata["plan_summary"]["change"], changed.commits()), (&json!(1), 2));
    assert_eq!(outcome.metadata["outputs"]["vpc_id"], "10.2.0.0/16");

    let destroyed = place.job("DESTROY", &payload(&json!({})));
    let outcome = place.done(&destroyed).await;
    assert_eq!((&outcome.metadata["destroyed"], &outcome.metadata["state_empty"]), (&json!(true), &json!(true)));
    assert_eq!((&outcome.metadata["plan_summary"]["destroy"], destroyed.commits()), (&json!(2), 2));
    assert_eq!(destroyed.progress()["plan_summary"]["destroy"], 2, "said at once, whatever comes after");
    let state: Value = serde_json::from_slice(&std::fs::read(place.state()).unwrap()).unwrap();
    assert_eq!(state["resources"], json!([]), "the state stays in its place, empty");

    let twice = place.job("DESTROY", &payload(&json!({})));
    assert_eq!(place.done(&twice).await.metadata["destroyed"], true);
    for job in [&reviewed.job, &deployed, &again, &changed, &destroyed, &twice] {
        assert!(!seen(job, None).contains(SECRET), "{}", seen(job, None));
    }
}

#[tokio::test]
async fn each_step_has_a_name_a_time_and_a_group_in_the_log() {
    let place = Place::new();
    let job = place.job("BOOTSTRAP", &payload(&json!({})));
    let outcome = place.done(&job).await;
    let steps = outcome.metadata["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    let all = ["preflight", "terraform_init", "terraform_plan", "keep_plan", "terraform_apply", "outputs"];
    assert_eq!(names, all);
    assert!(steps.iter().all(|step| step["done"] == true && step["seconds"].is_f64()), "{steps:?}");
    let log = job.log();
    let groups: Vec<_> = log.lines().filter(|line| line.starts_with("--- ")).collect();
    assert_eq!(groups.len(), all.len(), "{log}");
    assert_eq!(groups[2], "--- Run terraform plan");
    assert_eq!(job.progress()["phase"], "outputs");
    assert_eq!(outcome.metadata["plan_completed"], true, "a BOOTSTRAP says all that a PLAN says");
    assert!(job.artifact("terraform.plan.out").is_some());
}

#[tokio::test]
async fn a_step_that_fails_after_the_apply_says_what_was_done_and_the_next_deploy_goes_on() {
    let place = Place::new();
    let with_argocd = payload(&json!({ "argocd": {}, "cluster": { "kubeconfig": "this is none" } }));
    let job = with_tools(&place, place.builder("DEPLOY", &with_argocd)).build().unwrap();
    let error = place.refused(&job).await;
    assert!(error.contains("done before that: ") && error.contains("Run terraform apply"), "{error}");
    assert!(error.contains("DEPLOY again goes on from there"), "{error}");
    let known = job.progress();
    assert_eq!(known["cluster_name"], "eks-shop", "what is true stays known");
    let steps = known["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["name"] == "terraform_apply" && step["done"] == true), "{steps:?}");

    let again = place.job("DEPLOY", &payload(&json!({})));
    place.done(&again).await;
    assert!(again.log().contains("nothing is applied"), "{}", again.log());
}

#[tokio::test]
async fn what_was_applied_is_told_although_the_outputs_cannot_be_read() {
    let Some(terraform) = tool("terraform") else { return };
    let place = Place::new();
    let program = place.path("tools").join("terraform");
    script(&program, &format!("if [ \"$1\" = output ]; then exit 1; fi\nexec {} \"$@\"", terraform.display()));
    let job = place.builder("DEPLOY", &payload(&json!({})));
    let job = job.settings(|settings| drop(settings.tools.insert("terraform".to_owned(), program))).build().unwrap();
    let error = place.refused(&job).await;
    assert!(error.starts_with("terraform output"), "{error}");
    let told = job.progress();
    assert_eq!((&told["apply_completed"], &told["plan_summary"]["add"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn an_apply_that_fails_half_way_goes_on_with_the_next_deploy_and_can_be_destroyed() {
    let place = Place::new();
    let broken = |fails: bool| {
        format!(
            "variable \"vpc_cidr\" {{}}\nresource \"terraform_data\" \"a\" {{}}\n\
             resource \"terraform_data\" \"b\" {{\n  depends_on = [terraform_data.a]\n  lifecycle {{\n    \
             postcondition {{\n      condition = {}\n      error_message = \"b is not well\"\n    }}\n  }}\n}}\n",
            if fails { "self.id == \"x\"" } else { "self.id != \"x\"" }
        )
    };
    place.template(&broken(true));
    let job = place.job("DEPLOY", &payload(&json!({})));
    let error = place.refused(&job).await;
    assert!(error.contains("b is not well") && error.contains("DEPLOY again goes on"), "{error}");

    place.template(&broken(false));
    let destroyed = place.job("DESTROY", &payload(&json!({})));
    let outcome = place.done(&destroyed).await;
    assert_eq!(outcome.metadata["plan_summary"]["destroy"], 2, "what was made is known to the state");
}

#[tokio::test]
async fn all_tools_that_are_missing_are_named_at_once_and_nothing_is_changed() {
    let place = Place::new();
    let payload = payload(&json!({ "argocd": {} }));
    let nowhere = place.builder("DEPLOY", &payload).settings(|settings| {
        settings.env.insert("PATH".to_owned(), "/nonexistent".to_owned());
    });
    let job = nowhere.build().unwrap();
    let error = place.refused(&job).await;
    assert!(error.contains("no terraform, no kubectl, no helm"), "{error}");
    assert!(error.contains("`alethia tools install terraform kubectl helm`"), "{error}");
    assert_eq!(job.commits(), 0);
    assert_eq!(job.progress()["steps"][0]["done"], false);
}

#[tokio::test]
async fn a_helm_that_does_not_work_is_found_before_anything_is_changed() {
    let place = Place::new();
    let payload = payload(&json!({ "argocd": {} }));
    for kind in ["DEPLOY", "BOOTSTRAP"] {
        let job = with_tools(&place, place.builder(kind, &payload)).build().unwrap();
        script(&place.path("tools").join("helm"), "echo v4.0.1+g12500dd");
        let error = place.refused(&job).await;
        assert!(error.contains("needed is helm >=3.14, <4, and the runner has helm 4.0.1"), "{kind}: {error}");
        assert!(error.contains("`alethia tools install helm@VERSION`") && job.commits() == 0, "{kind}: {error}");
    }
}

#[tokio::test]
async fn applications_get_no_more_time_than_their_job() {
    let place = Place::new();
    let payload = payload(&json!({ "argocd": {}, "applications": { "deadline": "3h" } }));
    for kind in ["DEPLOY", "BOOTSTRAP", "DESTROY"] {
        let job = with_tools(&place, place.builder(kind, &payload)).build().unwrap();
        let error = place.refused(&job).await;
        let expected =
            "/applications/deadline: these 10800s are longer than the job itself may run, 7200s; submit it with";
        assert!(error.starts_with(expected) && job.commits() == 0, "{kind}: {error}");
    }
    place.done(&place.job("PLAN", &payload)).await;
}

#[tokio::test]
async fn nothing_changes_when_the_commit_point_is_refused() {
    let place = Place::new();
    for kind in ["DEPLOY", "BOOTSTRAP", "DESTROY"] {
        let job = place.builder(kind, &payload(&json!({}))).refuse_commit().build().unwrap();
        let error = place.refused(&job).await;
        assert!(error.contains("refused by the test"), "{kind}: {error}");
        assert!(!job.log().contains("Apply complete"), "{kind}");
    }
    assert!(!place.state().exists());
}
