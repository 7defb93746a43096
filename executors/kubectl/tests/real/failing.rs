//! Clusters that are not there, or do not want us, and manifests that they do not take.

use executor_api::testing::TestJob;
use serde_json::{Value, json};

use crate::cluster::{config, in_namespace, inline, run, stack};

#[tokio::test]
async fn an_api_server_that_is_not_there_is_named_and_nothing_is_committed() {
    in_namespace(async |it| {
        for action in ["apply", "diff", "get"] {
            let fields =
                if action == "get" { json!({ "resources": ["pods"] }) } else { stack(1, "a", "hunter2-hunter2") };
            let mut payload = it.payload(action, &fields);
            let mut kubeconfig: Value = serde_saphyr::from_str(&it.kubeconfig()).unwrap();
            kubeconfig["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
            payload["cluster"]["kubeconfig"] = json!(kubeconfig.to_string());
            let job = TestJob::builder("kubectl", &payload).build().unwrap();
            let text = run(&job).await.unwrap_err().to_string();
            assert!(
                text.contains("the API server at https://127.0.0.1:1 cannot be reached from this runner"),
                "{text}"
            );
            assert_eq!(job.commits(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_user_who_may_not_is_told_so() {
    in_namespace(async |it| {
        let job = it.job_of_nobody("apply", &stack(1, "a", "hunter2-hunter2"));
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("User \"nobody\" cannot patch resource \"deployments\""), "{text}");
        assert!(text.contains("its administrator can grant it"), "{text}");
        assert_eq!(job.progress()["objects"], json!([]));
        let job = it.job_of_nobody("get", &json!({ "resources": ["secrets"] }));
        assert!(run(&job).await.unwrap_err().to_string().contains("cannot list resource \"secrets\""));
    })
    .await;
}

#[tokio::test]
async fn credentials_that_have_run_out_are_named_as_that() {
    in_namespace(async |it| {
        let mut payload = it.payload("get", &json!({ "resources": ["pods"] }));
        let mut kubeconfig: Value = serde_saphyr::from_str(&it.kubeconfig()).unwrap();
        kubeconfig["users"][0]["user"]["token"] = json!("a-token-of-yesterday");
        payload["cluster"]["kubeconfig"] = json!(kubeconfig.to_string());
        let job = TestJob::builder("kubectl", &payload).build().unwrap();
        let text = run(&job).await.unwrap_err().to_string();
        assert!(text.contains("they may have run out"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn what_was_applied_before_an_error_is_reported() {
    in_namespace(async |it| {
        let odd = "apiVersion: nowhere.example/v1\nkind: Odd\nmetadata: { name: odd }\n";
        let (error, job) = it.fail("apply", &inline(&[&config("a", "1"), odd], &json!({}))).await;
        let text = error.to_string();
        assert!(text.contains("no matches for kind \"Odd\"") && text.contains("CustomResourceDefinition"), "{text}");
        assert_eq!(job.progress()["objects"][0]["name"], "a");
        // The same kind kept us from looking whether it is new.
        assert_eq!(job.progress()["objects"][0]["change"], "applied");
    })
    .await;
}

#[tokio::test]
async fn no_error_shows_the_data_of_a_secret() {
    in_namespace(async |it| {
        it.run("apply", &stack(1, "a", "hunter2-hunter2")).await;
        // Client-side apply answers with the whole patch.
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: { name: database }\nimmutable: 5\nstringData: { b: hunter5-hunter5 }\n";
        let (error, job) = it.fail("apply", &inline(&[secret], &json!({ "server_side": false }))).await;
        assert!(job.log().contains("***"), "{}", job.log());
        for text in [error.to_string(), job.log(), Value::Object(job.progress()).to_string()] {
            assert!(!text.contains("hunter5"), "{text}");
        }
    })
    .await;
}
