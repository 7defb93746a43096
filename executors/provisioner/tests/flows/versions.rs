//! A plan is applied by the version of the program that made it, or not at all.

use executor_api::Executor;
use executor_provisioner::{Plan, Setup, Templates};
use serde_json::json;

use crate::harness::{Place, payload, script};

/// A script that says that it is another version, and is the real program in all else.
fn plays(place: &Place, name: &str, version: &str) -> std::path::PathBuf {
    let real = place.job("PLAN", &payload(&json!({}))).context.tool("terraform").unwrap();
    let file = place.path(name);
    let text = format!(
        "if [ \"$1\" = version ]; then echo '{{\"terraform_version\": \"{version}\"}}'; exit; fi\nexec {} \"$@\"",
        real.display()
    );
    script(&file, &text);
    file
}

#[tokio::test]
async fn another_version_is_refused_with_both_and_the_right_one_beside_it_is_taken() {
    let place = Place::new();
    let same = payload(&json!({}));
    let reviewed = place.plan(&same).await;
    let made_by = reviewed.metadata()["tool"]["version"].as_str().unwrap().to_owned();
    let other = plays(&place, "terraform-of-tomorrow", "1.99.0");
    let deploy = || {
        reviewed.deploy(&place, &same).settings(|settings| {
            settings.tools.insert("terraform".to_owned(), other.clone());
        })
    };
    let job = deploy().build().unwrap();
    let error = place.refused(&job).await;
    let expected = format!("the plan was made by terraform {made_by}, and the runner has 1.99.0");
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains(&format!("`alethia tools install terraform@{made_by}`")), "{error}");
    assert_eq!(job.commits(), 0);

    plays(&place, &format!("installed/terraform/{made_by}/terraform"), &made_by);
    let job = deploy().settings(|settings| settings.tools_dir = Some(place.path("installed"))).build().unwrap();
    place.done(&job).await;
    assert!(job.log().contains(&format!("as terraform {made_by} made the plan")), "{}", job.log());
}

#[tokio::test]
async fn the_version_that_a_snapshot_wants_is_looked_for() {
    let place = Place::new();
    let job = place.job("PLAN", &payload(&json!({ "terraform_version": ">=99" })));
    let error = place.refused(&job).await;
    assert!(error.contains("needed is terraform >=99"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_too_old_for_the_template_is_named_before_it_is_run() {
    let place = Place::new();
    let old = place.path("terraform-of-yesterday");
    let ran = place.path("ran");
    let text = "if [ \"$1\" = version ]; then echo '{\"terraform_version\": \"1.10.5\"}'; exit; fi";
    script(&old, &format!("{text}\ntouch {}\nexit 1", ran.display()));
    let job = place.builder("PLAN", &payload(&json!({}))).settings(|settings| {
        settings.tools.insert("terraform".to_owned(), old.clone());
    });
    let job = job.build().unwrap();
    let plan = Plan(Setup { templates: Templates::Embedded, ..place.setup() });
    let error = plan.execute(&job.context).await.unwrap_err().to_string();
    assert!(error.contains("needed is terraform >=1.11, >=1.5, <2, and the runner has terraform 1.10.5"), "{error}");
    assert!(error.contains("`alethia tools install terraform@VERSION`"), "{error}");
    assert!(!ran.exists(), "it was asked for its version, and for nothing else");
}

#[tokio::test]
async fn a_version_that_the_template_needs_is_taken_where_it_is_beside_the_usual_one() {
    let place = Place::new();
    let template = std::fs::read_to_string(place.path("template").join("main.tf")).unwrap();
    place.template(&format!("terraform {{\n  required_version = \">= 1.8\"\n}}\n{template}"));
    let old = plays(&place, "terraform-of-yesterday", "1.7.5");
    plays(&place, "installed/terraform/1.9.8/terraform", "1.9.8");
    let job = |wanted: &str| {
        let payload = payload(&json!({ "terraform_version": wanted }));
        let job = place.builder("PLAN", &payload).settings(|settings| {
            settings.tools.insert("terraform".to_owned(), old.clone());
            settings.tools_dir = Some(place.path("installed"));
        });
        job.build().unwrap()
    };
    for (wanted, all) in [(">=1.6", ">=1.6, >=1.8"), ("*", ">=1.8")] {
        let taken = job(wanted);
        place.done(&taken).await;
        let log = taken.log();
        assert!(
            log.contains(&format!("needed is terraform {all}, >=1.5, <2, and the runner has terraform 1.7.5")),
            "{log}"
        );
    }
    let error = place.refused(&job("<1.8")).await;
    assert!(
        error.contains("needed is terraform <1.8, >=1.8, >=1.5, <2, and the runner has terraform 1.7.5"),
        "{error}"
    );
    assert!(error.ends_with("; <1.8 is the snapshot's terraform_version, >= 1.8 what the template needs"), "{error}");
}
