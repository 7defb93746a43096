//! A plan is applied by the version of the program that made it, or not at all.

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
    assert!(error.contains("the job wants terraform >=99"), "{error}");
}
