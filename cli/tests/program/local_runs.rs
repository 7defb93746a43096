//! Jobs without a control plane: how long they may take.

use system_tests::process::{find, skipped};

use crate::desk::Desk;

const ENDLESS: &str = r#"
resource "terraform_data" "endless" {
  provisioner "local-exec" { command = "exec sleep 3600" }
}
"#;

#[tokio::test]
async fn a_run_out_of_time_has_failed_and_says_so() {
    if find("terraform").is_none() {
        return skipped("terraform is not on PATH");
    }
    let desk = Desk::new();
    let dir = desk.stack("endless", ENDLESS);
    let args = ["run", "terraform", "--dir", &dir, "--action", "apply", "--timeout", "2s"];
    let said = desk.run(&args).await.expect(1);
    assert!(said.out.contains("FAILED: stopped: the job ran longer than its timeout"), "{}\n{}", said.out, said.err);
    let document = desk.run(&[&args[..], &["--json"]].concat()).await.expect(1).json();
    assert_eq!(document["status"], "FAILED");
    assert_eq!(document["error_message"], "stopped: the job ran longer than its timeout");
}
