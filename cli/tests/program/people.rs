//! People who share a control plane.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, leaves};

#[tokio::test]
async fn a_person_is_added_works_with_their_token_and_is_removed() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let file = desk.arg("eve-token");
    let said = desk.run(&["user", "add", "eve", "--org", "acme", "--new-token-file", &file]).await.expect(0);
    assert_eq!(said.out, format!("eve of acme is added; the token is in {file}\n"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds a token");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();

    let list = desk.document(&["user", "list"]).await;
    let names: Vec<_> = list["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "eve"]);
    assert_eq!((&list["users"][0]["is_platform"], &list["users"][1]["org_id"]), (&true.into(), &"acme".into()));
    let shown = desk.run(&["user", "list"]).await.expect(0).out;
    assert!(shown.lines().next().unwrap().starts_with("NAME"), "{shown}");
    assert!(!shown.contains(&token) && !list.to_string().contains(&token));

    assert_eq!(desk.document(&["job", "list", "--token-file", &file]).await["total"], 0);
    let refused = desk.run(&["user", "list", "--token-file", &file]).await.expect(1);
    assert!(refused.err.contains("only who runs the control plane may do that"), "{}", refused.err);
    let shared = ["runner", "register", "--name", "shared", "--mode", "cloud-hosted", "--token-file", &file];
    let refused = desk.run(&shared).await.expect(1);
    assert!(refused.err.contains("/mode: only who runs the control plane"), "{}", refused.err);

    assert_eq!(desk.document(&["user", "remove", "eve"]).await["success"], true);
    let refused = desk.run(&["job", "list", "--token-file", &file]).await.expect(1);
    assert!(refused.err.contains("does not accept the token"), "{}", refused.err);
    leaves(server).await;
}

#[tokio::test]
async fn a_new_token_is_shown_once_and_never_lost_to_a_file_that_cannot_be() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let said = desk.run(&["user", "add", "bob"]).await.expect(0);
    assert_eq!(said.out.trim().len(), 64, "the token and nothing else: {}", said.out);
    assert!(said.err.contains("bob of default is added; the token is shown this once"), "{}", said.err);
    let document = desk.document(&["user", "add", "ann", "--platform"]).await;
    assert_eq!((document["token"].as_str().unwrap().len(), &document["user"]["is_platform"]), (64, &true.into()));

    for (args, code, says) in [
        (vec!["user", "add"], 2, "NAME"),
        (vec!["user", "add", "a b"], 1, "/name: a name has 1 to 64 letters"),
        (vec!["user", "add", "x", "--org", "../x"], 1, "/org: an organisation has"),
        (vec!["user", "add", "bob"], 1, "there is a user named \"bob\"; choose another name"),
        (vec!["user", "add", "carl", "--new-token-file", "plane"], 1, "it must not exist yet"),
        (vec!["user", "remove", "nobody"], 1, "there is no such user"),
        (vec!["user", "remove", "admin"], 1, "nobody can remove themselves"),
    ] {
        let said = desk.run(&args).await.expect(code);
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
    }
    let users = desk.document(&["user", "list"]).await.to_string();
    assert!(!users.contains("carl"), "there was no place for the token: {users}");
    desk.run(&["user", "add", "bob", "--new-token-file", "bob-token"]).await.expect(1);
    assert!(!desk.path("bob-token").exists(), "nothing was to be written to it");
    leaves(server).await;
}

#[tokio::test]
async fn a_git_token_is_put_listed_without_itself_and_removed() {
    let mut desk = Desk::new();
    let server = desk.serve().await;
    let file = desk.arg("git-token");
    fs::write(&file, "hunter2-hunter2\n").unwrap();
    desk.run(&["git-token", "put", "git.example", "--from", &file]).await.expect(0);
    let listed = desk.run(&["git-token", "list", "--json"]).await.expect(0);
    assert!(listed.out.contains("git.example") && !listed.out.contains("hunter2"), "{}", listed.out);
    let refused = desk.run(&["git-token", "put", "a b", "--from", &file]).await.expect(1);
    assert!(refused.err.contains("/host: give a host"), "{}", refused.err);
    desk.run(&["git-token", "remove", "git.example"]).await.expect(0);
    let gone = desk.run(&["git-token", "remove", "git.example"]).await.expect(1);
    assert!(gone.err.contains("there is no such git credential"), "{}", gone.err);

    desk.run(&["user", "add", "bob"]).await.expect(0);
    for (args, says) in [
        (vec!["git-token", "remove", "../users/bob"], "there is no such git credential"),
        (vec!["git-token", "remove", ".."], "there is no such git credential"),
        (vec!["git-token", "put", "git.example?x=1", "--from", &file], "/host: give a host"),
    ] {
        let said = desk.run(&args).await.expect(1);
        assert!(said.err.contains(says), "{args:?}: {}", said.err);
    }
    let users = desk.document(&["user", "list"]).await.to_string();
    assert!(users.contains("bob"), "a name goes nowhere else: {users}");
    leaves(server).await;
}
