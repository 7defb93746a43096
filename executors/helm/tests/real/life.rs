//! A release's life: installed, changed, looked at, rolled back, tested, taken away.

use executor_api::ExecutorError;
use serde_json::{Value, json};

use crate::charts::{hook, source, web, with_values};
use crate::cluster::{in_namespace, run};

#[tokio::test]
async fn install_diff_upgrade_rollback_uninstall() {
    in_namespace(async |namespace| {
        let install = with_values(json!({ "replicas": 2 }), json!({ "wait": true, "timeout": "60s" }));
        let job = namespace.job("upgrade", install);
        let installed = run(&job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log())).metadata;
        assert_eq!(job.commits(), 1);
        assert_eq!((&installed["revision"], &installed["status"]), (&json!(1), &json!("deployed")));
        assert_eq!((&installed["chart"], &installed["chart_version"]), (&json!("web"), &json!("1.2.3")));
        assert_eq!((&installed["app_version"], &installed["notes"]), (&json!("9.8"), &json!("web says hello")));
        let id = job.context.job().id.to_string();
        assert_eq!(installed["description"], format!("job {id}, attempt 1"));
        assert_eq!(installed["ready"], true, "{installed:?}");
        let deployment = &installed["resources"].as_array().unwrap().iter().find(|one| one["kind"] == "Deployment");
        assert_eq!(deployment.unwrap()["message"], "2 of 2 available");
        assert_eq!(installed["resources"].as_array().unwrap().len(), 3);
        assert!(job.log().contains("Release \"web\" does not exist. Installing it now."), "{}", job.log());

        let change = with_values(
            json!({ "greeting": "good day" }),
            json!({ "secret_values": { "password": "hunter2-hunter2" } }),
        );
        let job = namespace.job("diff", change.clone());
        let diff = run(&job).await.unwrap().metadata;
        assert_eq!((job.commits(), &diff["has_changes"]), (0, &json!(true)));
        let changes = diff["changes"].as_array().unwrap();
        let changed = |kind: &str| changes.iter().any(|one| one["kind"] == kind && one["change"] == "changed");
        assert!(
            changed("ConfigMap") && changed("Secret") && changed("Deployment") && changes.len() == 3,
            "{changes:?}"
        );
        let text = String::from_utf8(job.artifact("diff.txt").unwrap()).unwrap();
        for line in [
            "-  greeting: \"hello\"
",
            "+  greeting: \"good day\"
",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("-  replicas: 2\n+  replicas: 1\n"), "{text}");
        for secret in ["hunter2", "initial-initial"] {
            let hidden = |text: &str| !text.lines().any(|line| line.contains("password:") && line.contains(secret));
            assert!(hidden(&text) && hidden(&job.log()), "{text}");
        }
        assert!(!job.log().contains("hunter2"), "{}", job.log());
        assert!(text.contains("+  password: (hidden, after)"), "{text}");
        assert_eq!(namespace.status().await, ("deployed".to_owned(), json!(1)), "a diff changes nothing");

        let upgraded = namespace.run("upgrade", change.clone()).await;
        assert_eq!((&upgraded["revision"], &upgraded["notes"]), (&json!(2), &json!("web says good day")));
        assert_eq!(namespace.run("diff", change).await["has_changes"], false);

        let forgotten = namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        assert_eq!(forgotten["notes"], "web says hello", "no values are the chart's own, not those of before");

        let back = namespace.run("rollback", json!({ "revision": 2, "wait": true })).await;
        assert_eq!((&back["revision"], &back["notes"]), (&json!(4), &json!("web says good day")));
        let back = namespace.run("rollback", json!({})).await;
        assert_eq!((&back["revision"], &back["notes"]), (&json!(5), &json!("web says hello")));
        let job = namespace.job("status", json!({}));
        run(&job).await.unwrap();
        for line in ["/web is deployed at revision 5: web 1.2.3 (9.8), Rollback to 3", "\n  ConfigMap web is ready\n"] {
            assert!(job.log().contains(line), "{line} in {}", job.log());
        }
        let first = namespace.run("status", json!({ "revision": 1 })).await;
        assert_eq!((&first["revision"], &first["status"]), (&json!(1), &json!("superseded")));

        let job = namespace.job("uninstall", json!({ "wait": true }));
        assert_eq!(run(&job).await.unwrap().metadata["uninstalled"], true);
        assert_eq!(namespace.status().await, ("absent".to_owned(), Value::Null));
        assert_eq!(namespace.run("uninstall", json!({})).await["uninstalled"], false);
    })
    .await;
}

#[tokio::test]
async fn history_is_kept_on_request_and_leads_back() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        namespace.run("uninstall", json!({ "keep_history": true })).await;
        assert_eq!(namespace.status().await, ("uninstalled".to_owned(), json!(1)));
        let diff = namespace.run("diff", with_values(json!({}), json!({}))).await;
        assert!(diff["changes"].as_array().unwrap().iter().all(|one| one["change"] == "added"), "{diff}");
        assert_eq!(namespace.run("rollback", json!({ "revision": 1 })).await["revision"], 2);
        namespace.run("uninstall", json!({ "keep_history": true })).await;
        let again = namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        assert_eq!((&again["status"], &again["revision"]), (&json!("deployed"), &json!(3)));
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_fails_is_undone_with_atomic_and_told_without() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        let stuck = json!({ "unschedulable": true, "replicas": 3, "image": "2" });
        let job = namespace.job("upgrade", with_values(stuck.clone(), json!({ "wait": true, "timeout": "3s" })));
        let error = run(&job).await.unwrap_err();
        assert!(matches!(error, ExecutorError::ToolFailed { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("not all was ready within `timeout`"), "{text}");
        assert!(text.contains("release ") && text.contains("/web is now failed at revision 2"), "{text}");
        assert!(text.contains("not ready: Deployment web: "), "{text}");
        assert_eq!((&job.progress()["status"], &job.progress()["revision"]), (&json!("failed"), &json!(2)));

        let job = namespace.job("upgrade", with_values(stuck, json!({ "atomic": true, "timeout": "20s" })));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("has been rolled back due to atomic being set"), "{text}");
        assert!(text.contains("/web is now deployed at revision 4"), "{text}");
        assert_eq!(job.progress()["status"], "deployed");
    })
    .await;
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_rendered_changes_nothing() {
    in_namespace(async |namespace| {
        namespace.run("upgrade", with_values(json!({}), json!({}))).await;
        let mut files = web();
        files.insert("templates/config.yaml", "{{ fail \"no such colour\" }}".to_owned());
        let job = namespace.job("upgrade", json!({ "chart": source(&files) }));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("no such colour"), "{text}");
        assert!(job.log().contains("/web is as it was: deployed at revision 1"), "{}", job.log());
    })
    .await;
}

#[tokio::test]
async fn tests_of_a_chart_are_run_and_told_one_by_one() {
    in_namespace(async |namespace| {
        let mut files = web();
        files.remove("templates/deployment.yaml");
        files.insert("templates/tests/smoke.yaml", hook("smoke", "test", ""));
        namespace.run("upgrade", json!({ "chart": source(&files) })).await;
        let tested = namespace.run("test", json!({ "timeout": "60s" })).await;
        assert_eq!((&tested["tests"][0]["name"], &tested["tests"][0]["phase"]), (&json!("smoke"), &json!("Succeeded")));

        // No node takes it, and its time is over after a second.
        let stuck = "  activeDeadlineSeconds: 1\n".to_owned();
        let never = hook("never", "test", &stuck)
            .replace("      restartPolicy", "      nodeSelector: { no-such: node }\n      restartPolicy");
        files.insert("templates/tests/never.yaml", never);
        namespace.run("upgrade", json!({ "chart": source(&files) })).await;
        let job = namespace.job("test", json!({ "timeout": "60s" }));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("failed: never"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn values_arrive_as_they_were_given() {
    in_namespace(async |namespace| {
        let hostile = [
            "a=b,c=d",
            "@/etc/passwd",
            "{x,y}",
            "$(id)",
            "-n",
            "a\nb\r\n",
            "<<",
            "~",
            "yes",
            "0x10",
            "1e3",
            "{{ .Values }}",
            "\u{7f}\u{85}\u{2028}\u{feff}",
            "ä😀",
            "'\"\\",
            " lead",
            "trail ",
            "#",
            "- a",
            "a: b",
            "!!binary x",
            "*a",
            "&a",
            "|",
        ];
        let mut values = serde_json::Map::new();
        for word in hostile {
            values.insert(word.to_owned(), json!({ "in": [word], "<<": { "merged": word } }));
        }
        values.insert("long".to_owned(), json!("x".repeat(100_000)));
        values.insert("null".to_owned(), json!([null, true, 12, -1.5, "12", "null", []]));
        let mut files = crate::charts::config_only();
        files.insert("values.yaml", "greeting: hello\n".to_owned());
        namespace.run("upgrade", json!({ "chart": source(&files), "values": values })).await;
        let namespace_flag = format!("--namespace={}", namespace.name);
        let read = namespace.kubectl(&["get", "configmap", "web", &namespace_flag, "--output=json"]).await;
        let read: Value = serde_json::from_str(&read).unwrap();
        let mut all: Value = serde_json::from_str(read["data"]["all"].as_str().unwrap()).unwrap();
        all.as_object_mut().unwrap().remove("greeting");
        all.as_object_mut().unwrap().remove("global");
        assert_eq!(all, Value::Object(values));
    })
    .await;
}

#[tokio::test]
async fn a_namespace_is_made_on_request_only() {
    in_namespace(async |namespace| {
        let mut elsewhere = namespace.clone();
        elsewhere.name = format!("{}-x", namespace.name);
        let job = elsewhere.job("upgrade", with_values(json!({}), json!({})));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("`create_namespace` makes the namespace"), "{text}");
        let diff = elsewhere.run("diff", with_values(json!({}), json!({ "create_namespace": true }))).await;
        assert_eq!(diff["has_changes"], true);
        let made = elsewhere.run("upgrade", with_values(json!({}), json!({ "create_namespace": true }))).await;
        assert_eq!(made["status"], "deployed");
        elsewhere.kubectl(&["delete", "namespace", &elsewhere.name, "--wait=false"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_away_is_asked_three_times() {
    in_namespace(async |namespace| {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut payload = namespace.payload("upgrade", with_values(json!({}), json!({})));
        payload["cluster"]["kubeconfig"] = json!(format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n\
             clusters: [{{name: a, cluster: {{server: \"https://{closed}\"}}}}]\nusers: [{{name: a, user: {{token: abcdefgh}}}}]\n"
        ));
        let job = executor_api::testing::TestJob::builder("helm", &payload).build().unwrap();
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("the runner cannot reach the cluster"), "{text}");
        assert_eq!(job.log().matches("trying again in 5 s").count(), 2);
        assert_eq!(job.commits(), 0);
    })
    .await;
}
