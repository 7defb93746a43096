//! EKS: moto has the cluster, and the AWS CLI has an opinion on what its token looks like.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use executor_api::testing::tool;
use executor_api::{CloudCluster, ClusterEndpoint, ExecutorError, JobContext, credential_source};
use serde_json::{Value, json};

use crate::harness::{role, verbs};
use crate::moto::Moto;

async fn make_cluster(moto: &Moto, account: &str) {
    let key = moto.key(account).await;
    let role = format!("arn:aws:iam::{account}:role/eks");
    let made = json!({ "name": "main", "roleArn": role, "resourcesVpcConfig": { "subnetIds": [] } });
    moto.ask_json(&key, "eu-west-1", "eks", "/clusters", made.to_string()).await;
}

async fn find(job: &JobContext, name: &str) -> Result<Option<ClusterEndpoint>, ExecutorError> {
    let cluster = CloudCluster { name: name.into(), place: "eu-west-1".into(), pointer: "/cluster/eks".into() };
    credential_source("aws")?.cluster(job, &cluster).await
}

/// The parts of the question that a token is.
fn question(credential: &Value) -> BTreeMap<String, String> {
    let token = credential["status"]["token"].as_str().unwrap();
    let encoded = token.strip_prefix("k8s-aws-v1.").unwrap().trim_end_matches('=');
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
    let url = url::Url::parse(&url).unwrap();
    let mut parts: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    parts.insert("host".to_owned(), format!("{}:{:?}{}", url.host_str().unwrap(), url.port(), url.path()));
    parts
}

#[tokio::test]
async fn a_cluster_is_found_and_one_that_is_not_there_is_none() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    make_cluster(&moto, &account).await;
    let runner = moto.runner();
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "");
    runner
        .run_under(&job, identity, async |job| {
            let found = find(job, "main").await?.expect("it was made above");
            assert!(found.server.starts_with("https://") && !found.certificate_authority_data.is_empty());
            assert_eq!(found.program, verbs());
            assert_eq!(find(job, "other").await?, None);
            for hostile in ["../x", "--name", "a b", "a\nb", "", "$(id)", &"x".repeat(100_000)] {
                let refused = find(job, hostile).await.unwrap_err().to_string();
                assert!(refused.starts_with("/cluster/eks/name: a cluster's name"), "{hostile:?}: {refused}");
            }
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn our_token_is_the_one_that_the_aws_cli_makes() {
    let Some(moto) = Moto::lenient().await else { return };
    let account = Moto::account();
    make_cluster(&moto, &account).await;
    let runner = moto.runner();
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let Some(aws) = tool("aws") else { return };
    let identity = role(&format!("arn:aws:iam::{account}:role/deployer"), "");
    let (ours, theirs) = runner
        .run_under(&job, identity, async |job| {
            let found = find(job, "main").await?.expect("it was made above");
            let done = AtomicBool::new(false);
            // A signature holds the second: one of ours is of theirs.
            let every_second = async {
                let mut ours = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let printed = job.capture(job.command(&found.program).args(&found.args)).await?;
                    ours.push(serde_json::from_slice::<Value>(&printed.stdout).unwrap());
                }
                Ok::<_, ExecutorError>(ours)
            };
            let cli = async {
                let args = ["eks", "get-token", "--cluster-name", "main", "--region", "eu-west-1"];
                let printed = job.capture(job.command(&aws).args(args)).await;
                done.store(true, Ordering::Relaxed);
                let printed = printed?;
                assert!(printed.exit.is_success(), "{}", printed.stderr_tail);
                Ok::<_, ExecutorError>(serde_json::from_slice::<Value>(&printed.stdout).unwrap())
            };
            let (ours, theirs) = tokio::join!(every_second, cli);
            Ok((ours?, theirs?))
        })
        .await
        .unwrap();
    let theirs = question(&theirs);
    let same_second = ours.iter().map(question).find(|ours| ours["X-Amz-Date"] == theirs["X-Amz-Date"]);
    assert_eq!(same_second.expect("ours are of every second"), theirs);
    assert_eq!(ours[0]["apiVersion"], "client.authentication.k8s.io/v1");
    let until = ours[0]["status"]["expirationTimestamp"].as_str().unwrap();
    let until = chrono::DateTime::parse_from_rfc3339(until).unwrap();
    let minutes = until.signed_duration_since(chrono::Utc::now()).num_minutes();
    assert!((12..=14).contains(&minutes), "{minutes}");
}
