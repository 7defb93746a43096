//! Taking an application away, and bringing it back to what it was.

use serde_json::json;

use crate::behaviour::failure;
use crate::player::{Player, application, payload, run};

#[tokio::test]
async fn an_application_is_gone_when_it_is_gone() {
    let player = Player::new(
        r#"case "$2" in get) [ -e $here/deleted ] && [ "$(count after)" = 3 ] && touch $here/gone
[ -e $here/gone ] && fatal "rpc error: code = PermissionDenied desc = permission denied" ;; delete) touch $here/deleted ;; esac"#,
    );
    player.says("app", &application("Synced", "Healthy", None, json!({})));
    for (cascade, expected) in [
        (json!("foreground"), "--cascade=true --propagation-policy=foreground"),
        (json!("background"), "--cascade=true --propagation-policy=background"),
        (json!("orphan"), "--cascade=false"),
    ] {
        for file in ["deleted", "gone", "count-after", "calls"] {
            let _ = std::fs::remove_file(player.file(file));
        }
        let job = player.job(&payload("delete", json!({ "cascade": cascade })));
        let outcome = run(&job).await.unwrap();
        assert_eq!(outcome.metadata["deleted"], true);
        let call = player.call("app delete");
        assert!(call.join(" ").contains(&format!("--yes {expected} -- argocd/web")), "{call:?}");
    }
}

#[tokio::test]
async fn a_delete_that_is_refused_waits_for_nothing() {
    let player =
        Player::new("case $2 in delete) fatal 'rpc error: code = PermissionDenied desc = permission denied' ;; esac");
    let text = failure(&player, "delete").await;
    assert!(text.starts_with("/application: argocd app delete failed with exit code 20: permission denied"), "{text}");
}

#[tokio::test]
async fn an_application_that_does_not_go_is_said_with_what_is_left() {
    let player = Player::new("");
    let resources = json!({ "resources": [{ "kind": "Namespace", "name": "stuck", "status": "OutOfSync" }] });
    player.says("app", &application("OutOfSync", "Missing", None, resources));
    let text = run(&player.job(&payload("delete", json!({ "timeout": "1s" })))).await.unwrap_err().to_string();
    assert_eq!(text, "web is not gone after 1s; Argo CD goes on deleting it. Its resources:\n  Namespace stuck");
}

#[tokio::test]
async fn a_rollback_needs_somewhere_to_go_back_to() {
    let player = Player::new("");
    for (spec, history, id, expected) in [
        (
            json!({ "syncPolicy": { "automated": {} } }),
            json!([{ "id": 1 }, { "id": 2 }]),
            json!(1),
            "/action: Argo CD syncs this application by itself",
        ),
        (
            json!({}),
            json!([{ "id": 1 }, { "id": 4 }]),
            json!(3),
            "/history_id: there is no such sync to go back to; its history has 4, 1",
        ),
        (json!({}), json!([{ "id": 1 }]), json!(null), "/history_id: there is no such sync"),
        (
            json!({}),
            json!([]),
            json!(null),
            "/history_id: there is no such sync to go back to; its history has nothing",
        ),
    ] {
        player.says(
            "app",
            &json!({ "metadata": { "name": "web" }, "spec": spec, "status": { "history": history } }).to_string(),
        );
        let job = player.job(&payload("rollback", json!({ "history_id": id })));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(job.commits(), 0);
    }
}
