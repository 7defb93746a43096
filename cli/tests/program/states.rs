//! Terraform's states at the control plane: which one a job works on, and a lock that nobody gives back.

use system_tests::process::tool;

use crate::desk::{Desk, leaves};

#[tokio::test]
async fn each_submit_says_which_state_and_folders_of_one_name_are_kept_apart() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let [prod, staging] = ["prod/net", "staging/net"].map(|name| desk.stack(name, ""));
    let submit = ["job", "submit", "terraform", "--dir"];
    let said = desk.run(&[&submit[..], &[&prod]].concat()).await.expect(0);
    assert!(said.err.contains("state: net, at the control plane; --state NAME"), "{}", said.err);
    let said = desk.run(&[&submit[..], &[&staging, "--state", "staging-net"]].concat()).await.expect(0);
    assert!(said.err.contains("state: staging-net, at the control plane"), "{}", said.err);
    let job = desk.document(&["job", "show", said.out.trim()]).await;
    assert_eq!(job["config_snapshot"]["backend"]["name"], "staging-net", "{job}");
    let said = desk.run(&["job", "submit", "helm", "--state", "x"]).await.expect(2);
    assert!(said.err.contains("--state: the kind \"helm\" takes none"), "{}", said.err);
    leaves(server).await;
}

const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "echo begun; exec sleep 3600" }
}
"#;

#[tokio::test]
async fn a_lock_that_a_killed_job_left_is_released_by_the_command_that_the_next_job_names() {
    let Some(_) = tool("terraform") else { return };
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let runner = desk.hire().await;
    let dir = desk.stack("slow", SLOW);
    let submit = ["job", "submit", "terraform", "--dir", &dir];
    let apply = [&submit[..], &["--action", "apply"]].concat();
    let job = desk.document(&apply).await["id"].as_str().unwrap().to_owned();
    let mut follower = desk.start(&["job", "logs", "--follow", &job]);
    follower.until_said("begun").await;
    let refused = desk.run(&["state", "unlock", "slow", "any"]).await.expect(1);
    assert!(refused.err.contains("holds the state and still runs; cancel it"), "{}", refused.err);
    let forced = desk.run(&["job", "cancel", "--force", &job]).await.expect(0);
    assert!(forced.out.contains("is ended at once, without grace"), "{}", forced.out);
    assert_eq!(follower.ended().await.code(), Some(3), "{}", follower.said());

    let plan = [&submit[..], &["--follow"]].concat();
    let locked = desk.run(&plan).await.expect(1);
    let (_, rest) = locked.out.split_once("alethia state unlock slow ").unwrap_or_else(|| panic!("{}", locked.out));
    let id = rest.split_whitespace().next().unwrap();
    let wrong = desk.run(&["state", "unlock", "slow", "another"]).await.expect(1);
    assert!(wrong.err.contains(id), "{}", wrong.err);
    let wrong = desk.run(&["state", "unlock", "slwo", id]).await.expect(1);
    assert!(wrong.err.contains("no lock is held on state \"slwo\""), "{}", wrong.err);
    let said = desk.run(&["state", "unlock", "slow", id]).await.expect(0);
    assert_eq!(said.out, "slow is unlocked\n");
    desk.run(&plan).await.expect(0);
    leaves(runner).await;
    leaves(server).await;
}
