//! What is wrong is said once, in the words that people type.

use std::fs;

use crate::desk::{Desk, leaves};

#[tokio::test]
async fn what_a_payload_lacks_is_named_by_its_flag() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    fs::write(desk.path("wrong.json"), r#"{ "action": "pln" }"#).unwrap();
    for (args, says) in [
        (
            vec!["terraform"],
            vec!["/config_snapshot: \"action\" is a required", "(--action ACTION, or `action` in the payload"],
        ),
        (vec!["helm"], vec!["--kubeconfig FILE, or `cluster` in the payload"]),
        (
            vec!["terraform", "--payload", "wrong.json"],
            vec!["/config_snapshot/action: it is none of", "(--action ACTION, or"],
        ),
    ] {
        let said = desk.run(&[&["job", "submit"], &args[..]].concat()).await.expect(1);
        assert!(says.iter().all(|text| said.err.contains(text)), "{args:?}: {}", said.err);
    }
    let said = desk.run(&["run", "terraform"]).await.expect(2);
    assert!(said.err.contains("missing field `action` (--action ACTION, or"), "{}", said.err);
    let said = desk.run(&["job", "submit", "terraform", "--dir", "nowhere"]).await.expect(1);
    assert_eq!(said.err.matches("No such file").count(), 1, "{}", said.err);
    let said = desk.run(&["job", "submit", "terraform", "--state", "a/b"]).await.expect(2);
    assert!(said.err.contains("--state") && said.err.contains("1 to 128 letters"), "{}", said.err);
    assert_eq!(desk.document(&["job", "list"]).await["total"], 0);
    leaves(server).await;
}

#[tokio::test]
async fn a_server_listens_at_a_name() {
    let desk = Desk::new();
    let server = desk.start(&["server", "--listen", "localhost:0", "--data", &desk.arg("plane")]);
    server.until_said("serving http://127.0.0.1:").await;
    leaves(server).await;
    let said = desk.run(&["server", "--listen", "localhost", "--data", "plane"]).await.expect(2);
    assert!(said.err.contains("give for example 127.0.0.1:7780"), "{}", said.err);
}

#[tokio::test]
async fn a_kind_with_two_spellings_is_listed_once() {
    let said = Desk::new().run(&["runner", "kinds"]).await.expect(0).out;
    let lines: Vec<_> = said.lines().filter(|line| line.contains("DEPLOY_WORKER")).collect();
    assert!(!lines.is_empty(), "{said}");
    assert!(lines.iter().all(|line| line.starts_with("DEPLOY_RUNNER (also DEPLOY_WORKER)")), "{said}");
}

#[tokio::test]
async fn the_path_is_said_once_however_many_tools_are_missing() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    desk.set("PATH", "/nothing/here");
    let runner = desk.hire().await;
    let said = runner.said();
    assert!(said.matches("is not on the PATH").count() > 1, "{said}");
    assert_eq!(said.matches("/nothing/here").count(), 1, "{said}");
    leaves(runner).await;
    leaves(server).await;
}
