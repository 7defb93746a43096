//! Get and wait.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::{config, in_namespace, inline, stack};

#[tokio::test]
async fn objects_are_read_without_the_data_of_secrets() {
    in_namespace(async |it| {
        let mut old = stack(1, "a", "hunter2-hunter2");
        old["server_side"] = json!(false);
        it.run("apply", &old).await;
        let (answer, job) = it.run("get", &json!({ "resources": ["secret/database", "configmap/settings"] })).await;
        assert_eq!(answer["count"], 2);
        assert_eq!(answer["objects"][0]["data"], json!({ "password": "(hidden)" }));
        assert_eq!(answer["objects"][1]["data"], json!({ "value": "a" }));
        assert_eq!(job.commits(), 0);
        let artifact = String::from_utf8(job.artifact("objects.json").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&artifact).unwrap(), answer["objects"]);
        assert!(job.log().contains("secret/database\nconfigmap/settings\n"), "{}", job.log());
        for text in [artifact, job.log(), answer.to_string()] {
            assert!(!text.contains("hunter2") && !text.contains(&STANDARD.encode("hunter2-hunter2")), "{text}");
        }
        let (kinds, _) =
            it.run("get", &json!({ "resources": ["configmaps", "secrets"], "selector": "app=none" })).await;
        assert_eq!((&kinds["count"], &kinds["objects"]), (&json!(0), &json!([])));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    in_namespace(async |it| {
        let (error, _) = it.fail("get", &json!({ "resources": ["configmap/nowhere"] })).await;
        assert!(error.to_string().contains("configmaps \"nowhere\" not found"), "{error}");
        let (error, _) = it.fail("get", &json!({ "resources": ["nonsenses"] })).await;
        assert!(error.to_string().contains("the server doesn't have a resource type \"nonsenses\""), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_wait_says_for_which_objects_it_holds() {
    in_namespace(async |it| {
        it.run("apply", &inline(&[&config("a", "1"), &config("b", "2")], &json!({}))).await;
        let until = json!({ "jsonpath": { "path": "{.data.value}", "value": "1" } });
        let (answer, job) = it.run("wait", &json!({ "resources": ["configmap/a"], "until": until })).await;
        assert_eq!((&answer["met"], job.commits()), (&json!(["configmap/a"]), 0));

        let both = json!({ "resources": ["configmap/a", "configmap/b"], "until": until, "timeout": "1s" });
        let (error, job) = it.fail("wait", &both).await;
        assert!(error.to_string().contains("timed out waiting for the condition on configmaps/b"), "{error}");
        assert_eq!(job.progress()["met"], json!(["configmap/a"]));

        let all = json!({ "resources": ["configmaps"], "until": { "jsonpath": { "path": "{.kind}", "value": "ConfigMap" } } });
        assert_eq!(it.run("wait", &all).await.0["met"].as_array().unwrap().len(), 3, "kubernetes has one of its own");

        let gone = json!({ "resources": ["configmap/zz"], "until": { "deleted": {} } });
        it.run("wait", &gone).await;
        let condition = json!({ "resources": ["configmap/a"], "until": { "condition": "Ready" }, "timeout": "1s" });
        it.fail("wait", &condition).await;
    })
    .await;
}
