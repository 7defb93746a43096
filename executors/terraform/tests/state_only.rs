//! Plans that change the state and nothing in the world, with the real program.

use executor_api::testing::TestJob;
use executor_api::{ExecutorRegistry, Outcome};
use executor_terraform as _;
use serde_json::json;

const BEFORE: &str = "resource \"terraform_data\" \"a\" {}\n";
const AFTER: &str = r#"
resource "terraform_data" "b" {}
moved {
  from = terraform_data.a
  to   = terraform_data.b
}
resource "terraform_data" "c" {}
import {
  to = terraform_data.c
  id = "of-somebody-else"
}
"#;

#[tokio::test]
async fn imports_and_moves_are_said_and_applied() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("terraform.tfstate");
    let registry = ExecutorRegistry::from_linked().unwrap();
    let run = async |action: &str, stack: &str| -> (TestJob, Outcome) {
        let payload = json!({ "action": action, "source": { "files": { "main.tf": stack } },
                              "backend": { "type": "local", "path": state } });
        let job = TestJob::builder("terraform", &payload).build().unwrap();
        let outcome = registry.get("terraform").unwrap().executor().execute(&job.context).await.unwrap();
        (job, outcome)
    };
    run("apply", BEFORE).await;
    let (job, plan) = run("plan", AFTER).await;
    assert!(job.log().contains("plan: 1 to import, 0 to add, 0 to change, 0 to destroy, 1 to move"), "{}", job.log());
    assert_eq!(plan.metadata["has_changes"], true);
    let summary = &plan.metadata["plan_summary"];
    assert_eq!((&summary["import"], &summary["move"]), (&json!(1), &json!(1)));
    let moved = json!({ "address": "terraform_data.b", "action": "move" });
    let imported = json!({ "address": "terraform_data.c", "action": "import" });
    assert_eq!(summary["resources"], json!([moved, imported]));

    run("apply", AFTER).await;
    let (_, again) = run("plan", AFTER).await;
    assert_eq!((&again.metadata["has_changes"], &again.metadata["plan_summary"]["import"]), (&json!(false), &json!(0)));
}
