//! Taking away what the manifests no longer have.

use serde_json::json;

use crate::cluster::{changes, config, in_namespace, inline};

#[tokio::test]
async fn an_apply_set_takes_away_what_left_it() {
    in_namespace(async |it| {
        let set = json!({ "prune": { "applyset": "web" } });
        it.kubectl_here(&["create", "configmap", "by-hand"]).await;
        it.run("apply", &inline(&[&config("a", "1"), &config("b", "1")], &set)).await;
        let (answer, _) = it.run("apply", &inline(&[&config("a", "1")], &set)).await;
        assert_eq!(changes(&answer), ["unchanged configmap/a", "pruned configmap/b"]);
        assert_eq!((&answer["pruned"], &answer["objects"][1]["namespace"]), (&json!(1), &json!(it.name)));
        let left = it.kubectl_here(&["get", "configmap", "-o", "name"]).await;
        assert!(left.contains("configmap/by-hand") && !left.contains("configmap/b\n"), "{left}");
    })
    .await;
}

#[tokio::test]
async fn an_object_that_changes_over_to_another_set_is_not_taken_away_by_the_old_one() {
    in_namespace(async |it| {
        let set = |name: &str| json!({ "prune": { "applyset": name } });
        it.run("apply", &inline(&[&config("a", "1"), &config("b", "1")], &set("one"))).await;
        it.run("apply", &inline(&[&config("a", "1")], &set("two"))).await;
        let (answer, _) = it.run("apply", &inline(&[&config("b", "1")], &set("one"))).await;
        assert_eq!(changes(&answer), ["unchanged configmap/b"]);
    })
    .await;
}

#[tokio::test]
async fn labels_find_what_client_side_apply_made_of_the_listed_kinds() {
    in_namespace(async |it| {
        let prune = json!({ "server_side": false,
                            "prune": { "selector": { "labels": "app=web", "kinds": ["core/v1/ConfigMap"] } } });
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: s, labels: { app: web } }\n";
        let stranger = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: unlabelled }\n";
        it.run("apply", &inline(&[&config("a", "1"), &config("b", "1"), secret], &prune)).await;
        let (shown, _) = it.run("diff", &inline(&[&config("a", "1")], &prune)).await;
        assert_eq!(shown["changes"][0]["change"], "removed");
        let (answer, _) = it.run("apply", &inline(&[&config("a", "1"), stranger], &prune)).await;
        assert_eq!(changes(&answer), ["unchanged configmap/a", "pruned configmap/b", "skipped configmap/unlabelled"]);
        assert!(it.kubectl_here(&["get", "secret/s", "-o", "name"]).await.contains("secret/s"));
    })
    .await;
}
