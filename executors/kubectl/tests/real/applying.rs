//! Apply, diff and delete.

use executor_api::{ExecutorError, StopReason};
use serde_json::{Value, json};

use crate::cluster::{changes, config, in_namespace, inline, run_and_stop, stack};

#[tokio::test]
async fn an_apply_says_what_it_did_to_each_object() {
    in_namespace(async |it| {
        let (first, job) = it.run("apply", &stack(1, "a", "hunter2-hunter2")).await;
        assert_eq!(
            changes(&first),
            ["created configmap/settings", "created secret/database", "created deployment.apps/web"]
        );
        assert_eq!(first["objects"][0]["namespace"], it.name);
        assert_eq!((&first["created"], &first["unchanged"]), (&json!(3), &json!(0)));
        assert_eq!(job.commits(), 1);
        assert!(job.log().contains("deployment.apps/web serverside-applied"), "{}", job.log());

        let (second, _) = it.run("apply", &stack(1, "a", "hunter2-hunter2")).await;
        assert_eq!(
            (&second["created"], &second["configured"], &second["unchanged"]),
            (&json!(0), &json!(0), &json!(3))
        );

        let (third, _) = it.run("apply", &stack(2, "b", "hunter2-hunter2")).await;
        assert_eq!(
            changes(&third),
            ["configured configmap/settings", "unchanged secret/database", "configured deployment.apps/web"]
        );
        let replicas = it.kubectl_here(&["get", "deployment/web", "-o", "jsonpath={.spec.replicas}"]).await;
        assert_eq!(replicas, "2");
        let managers = [
            "get",
            "configmap/settings",
            "--show-managed-fields",
            "-o",
            "jsonpath={.metadata.managedFields[*].manager}",
        ];
        assert_eq!(it.kubectl_here(&managers).await, "alethia");
    })
    .await;
}

#[tokio::test]
async fn client_side_apply_says_it_itself() {
    in_namespace(async |it| {
        let old = json!({ "server_side": false });
        let (first, _) = it.run("apply", &inline(&[&config("a", "1")], &old)).await;
        let (second, _) = it.run("apply", &inline(&[&config("a", "1"), &config("b", "1")], &old)).await;
        let (third, _) = it.run("apply", &inline(&[&config("a", "2"), &config("b", "1")], &old)).await;
        assert_eq!(changes(&first), ["created configmap/a"]);
        assert_eq!(changes(&second), ["unchanged configmap/a", "created configmap/b"]);
        assert_eq!(changes(&third), ["configured configmap/a", "unchanged configmap/b"]);
        assert_eq!(third["objects"][0]["namespace"], it.name);
    })
    .await;
}

#[tokio::test]
async fn a_folder_of_a_source_is_applied_in_order_of_names() {
    in_namespace(async |it| {
        let files = json!({ "deploy/1/b.json": format!("{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"b\"}}}}"),
                            "deploy/2 ä.yml": config("c", "1"), "deploy/0.yaml": config("a", "1"),
                            "deploy/notes.txt": "none", "other.yaml": "kind: [" });
        let manifests = json!({ "manifests": { "source": { "files": files }, "path": "deploy" } });
        let (answer, _) = it.run("apply", &manifests).await;
        assert_eq!(changes(&answer), ["created configmap/a", "created configmap/b", "created configmap/c"]);
        let one = json!({ "manifests": { "source": { "files": files }, "path": "deploy/2 ä.yml" } });
        assert_eq!(changes(&it.run("apply", &one).await.0), ["unchanged configmap/c"]);
    })
    .await;
}

#[tokio::test]
async fn objects_of_the_whole_cluster_and_of_other_namespaces_are_told_apart() {
    in_namespace(async |it| {
        let other = format!("{}-b", it.name);
        let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {other} }}\n");
        let placed = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: a, namespace: {other} }}\n");
        let fields = inline(&[&text, &placed], &json!({ "namespace": null }));
        let (answer, _) = it.run("apply", &fields).await;
        assert_eq!(changes(&answer), [format!("created namespace/{other}"), "created configmap/a".to_owned()]);
        assert_eq!(answer["objects"][0]["namespace"], Value::Null);
        assert_eq!(answer["objects"][1]["namespace"], other);
        it.run("delete", &inline(&[&text], &json!({ "namespace": null, "wait": false }))).await;
    })
    .await;
}

#[tokio::test]
async fn a_field_of_somebody_else_is_reported_with_its_owner() {
    in_namespace(async |it| {
        it.run("apply", &stack(1, "a", "hunter2-hunter2")).await;
        it.kubectl_here(&[
            "patch",
            "deployment/web",
            "--field-manager=autoscaler",
            "-p",
            "{\"spec\":{\"replicas\":3}}",
        ])
        .await;
        it.kubectl_here(&[
            "patch",
            "configmap/settings",
            "--field-manager=person",
            "-p",
            "{\"data\":{\"value\":\"z\"}}",
        ])
        .await;

        let (error, job) = it.fail("apply", &stack(2, "b", "hunter2-hunter2")).await;
        let text = error.to_string();
        for part in [
            "configmap/settings .data.value belongs to \"person\"",
            "deployment.apps/web .spec.replicas belongs to \"autoscaler\"",
            "`force_conflicts`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let progress = job.progress();
        let conflict = &progress["conflicts"][1];
        assert_eq!((&conflict["name"], &conflict["namespace"]), (&json!("web"), &json!(it.name)));
        assert_eq!((&conflict["field"], &conflict["manager"]), (&json!(".spec.replicas"), &json!("autoscaler")));
        // The others were applied, and that is not kept secret.
        assert_eq!(changes(&Value::Object(progress)), ["unchanged secret/database"]);

        let (diff, _) = it.fail("diff", &stack(2, "b", "hunter2-hunter2")).await;
        assert!(diff.to_string().contains("configmap/settings .data.value belongs to \"person\""), "{diff}");

        let mut forced = stack(2, "b", "hunter2-hunter2");
        forced["force_conflicts"] = json!(true);
        let (answer, _) = it.run("apply", &forced).await;
        assert_eq!(answer["configured"], 2);
    })
    .await;
}

#[tokio::test]
async fn a_difference_shows_what_an_apply_would_do_but_no_secret() {
    in_namespace(async |it| {
        let old = json!({ "server_side": false });
        let secret = |password: &str, label: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: database, labels: {{ l: {label} }} }}\nstringData: {{ password: {password} }}\n")
        };
        // Client-side apply keeps the whole manifest beside the Secret, where kubectl does not hide it.
        it.run("apply", &inline(&[&secret("hunter2-hunter2", "a"), &config("a", "1")], &old)).await;

        let texts = [secret("hunter3-hunter3", "b"), config("a", "2"), config("b", "1")];
        let (answer, job) = it.run("diff", &inline(&[&texts[0], &texts[1], &texts[2]], &old)).await;
        assert_eq!(answer["has_changes"], true);
        let mut found: Vec<_> =
            answer["changes"].as_array().unwrap().iter().map(|one| format!("{} {} {}", one["change"], one["kind"], one["name"])).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "\"added\" \"ConfigMap\" \"b\"",
                "\"changed\" \"ConfigMap\" \"a\"",
                "\"changed\" \"Secret\" \"database\""
            ]
        );
        let artifact = String::from_utf8(job.artifact("diff.txt").unwrap()).unwrap();
        for text in [job.log(), artifact] {
            assert!(text.contains("+  value: \"2\""), "{text}");
            assert!(!text.contains("hunter2") && !text.contains("hunter3"), "{text}");
        }
        assert_eq!(job.commits(), 0, "a difference changes nothing");

        it.run("apply", &inline(&[&texts[0], &texts[1], &texts[2]], &old)).await;
        let (same, job) = it.run("diff", &inline(&[&texts[1], &texts[2]], &old)).await;
        assert_eq!((&same["has_changes"], &same["changes"]), (&json!(false), &json!([])));
        assert!(job.artifact("diff.txt").is_none());
    })
    .await;
}

#[tokio::test]
async fn a_delete_says_what_was_there() {
    in_namespace(async |it| {
        it.run("apply", &stack(1, "a", "hunter2-hunter2")).await;
        it.kubectl_here(&["delete", "secret/database"]).await;
        let (answer, job) = it.run("delete", &stack(1, "a", "hunter2-hunter2")).await;
        assert_eq!(
            changes(&answer),
            ["deleted configmap/settings", "deleted deployment.apps/web", "absent secret/database"]
        );
        assert_eq!((job.commits(), &answer["deleted"]), (1, &json!(2)));

        it.run("apply", &inline(&[&config("a", "1"), &config("b", "1")], &json!({}))).await;
        let (named, _) = it.run("delete", &json!({ "resources": ["configmap/a", "configmap/zz"] })).await;
        assert_eq!(changes(&named), ["deleted configmap/a", "absent configmap/zz"]);
        let (found, _) = it.run("delete", &json!({ "resources": ["configmaps"], "selector": "app=web" })).await;
        assert_eq!(changes(&found), ["deleted configmap/b"]);
        assert_eq!(found["objects"][0]["namespace"], it.name);
    })
    .await;
}

#[tokio::test]
async fn a_delete_that_is_cancelled_says_what_is_gone() {
    in_namespace(async |it| {
        let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: kept, finalizers: [example.com/kept] }\n";
        it.run("apply", &inline(&[&config("a", "1"), kept], &json!({}))).await;
        let job = it.job("delete", &inline(&[&config("a", "1"), kept, &config("never", "1")], &json!({})));
        let ended = run_and_stop(&job, "configmap \"kept\" deleted").await;
        assert!(matches!(ended, Err(ExecutorError::Stopped(StopReason::CancelledByUser))), "{ended:?}");
        assert_eq!(changes(&Value::Object(job.progress())), ["deleted configmap/a", "absent configmap/never"]);
        assert_eq!(job.progress()["deleted"], 1);
        it.kubectl_here(&["patch", "configmap/kept", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"])
            .await;
    })
    .await;
}

#[tokio::test]
async fn the_example_works() {
    in_namespace(async |it| {
        let text = include_str!("../../../../examples/payloads/kubectl.json");
        let mut payload: Value = serde_json::from_str(text).unwrap();
        payload["namespace"] = json!(it.name);
        let (answer, _) = it.run("apply", &payload).await;
        assert_eq!(changes(&answer), ["created deployment.apps/hello"]);
        assert_eq!(answer["rollouts"][0]["complete"], true);
    })
    .await;
}
