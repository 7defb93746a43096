//! Kubeconfigs as we write them, with the real kubectl and a real API server.

mod cluster;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cluster_access::{Cluster, ClusterAccess};
use executor_api::Finished;
use executor_api::testing::TestJob;
use serde_json::{Value, json};

async fn kubectl(job: &TestJob, access: &ClusterAccess, args: &[&str]) -> Finished {
    let job = &job.context;
    let command = job.command(job.tool("kubectl").unwrap()).arg(access.flag()).args(args.iter().copied());
    job.capture(access.point(command)).await.unwrap()
}

async fn prepare(job: &TestJob, kubeconfig: &Value) -> ClusterAccess {
    Cluster::Kubeconfig(kubeconfig.to_string()).prepare(&job.context, "/cluster").await.unwrap()
}

#[tokio::test]
async fn a_job_reaches_its_cluster_by_a_file_of_its_own() {
    let Some(text) = cluster::kubeconfig() else { return };
    let job = cluster::job().build().unwrap();
    let access = Cluster::Kubeconfig(text).prepare(&job.context, "/cluster").await.unwrap();
    let mode = access.kubeconfig().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(access.kubeconfig().starts_with(job.folder()));
    let found = kubectl(&job, &access, &["get", "namespace", "kube-system", "-o", "name"]).await;
    assert_eq!(String::from_utf8_lossy(&found.stdout), "namespace/kube-system\n", "{}", found.stderr_tail);
    // kubectl may keep a cache there, but nobody's configuration.
    assert!(!job.context.paths().home.join(".kube/config").exists());
}

#[tokio::test]
async fn a_token_is_hidden_even_where_kubectl_shows_it() {
    let Some(text) = cluster::kubeconfig() else { return };
    let token = cluster::parse(&text)["users"][0]["user"]["token"].as_str().unwrap().to_owned();
    let job = cluster::job().build().unwrap();
    let access = Cluster::Kubeconfig(text).prepare(&job.context, "/cluster").await.unwrap();
    let command = job.context.command(job.context.tool("kubectl").unwrap());
    let command = access.point(command.arg(access.flag()).args(["config", "view", "--raw"]));
    assert!(job.context.run(command).await.unwrap().exit.is_success());
    assert!(job.log().contains("token: '***'") || job.log().contains("token: ***"), "{}", job.log());
    assert!(!job.log().contains(&token));
}

#[tokio::test]
async fn a_plugin_of_the_list_is_run_from_the_jobs_path_with_checked_arguments() {
    let Some(text) = cluster::kubeconfig() else { return };
    let mut kubeconfig = cluster::parse(&text);
    let token = kubeconfig["users"][0]["user"]["token"].clone();
    kubeconfig["users"][0]["user"] = json!({ "exec": {
        "command": "aws", "apiVersion": "client.authentication.k8s.io/v1beta1",
        "args": ["--region", "eu-north-1", "eks", "get-token", "--cluster-name", "c"],
        "env": [{ "name": "AWS_SECRET_ACCESS_KEY", "value": "a-secret-of-the-kubeconfig" }] } });
    // A script plays aws: it says what it was called with, and knows the token.
    let folder = tempfile::tempdir().unwrap();
    let answer = json!({ "apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential",
                         "status": { "token": token } });
    let called = folder.path().join("called");
    let script = format!("#!/bin/sh\necho \"$@\" $AWS_SECRET_ACCESS_KEY >'{}'\necho '{answer}'\n", called.display());
    write_program(&folder.path().join("aws"), &script);
    let settings = |settings: &mut executor_api::JobSettings| {
        let path = settings.env.get_mut("PATH").unwrap();
        *path = format!("{}:{path}", folder.path().display());
    };
    let job = cluster::job().settings(settings).build().unwrap();
    let access = prepare(&job, &kubeconfig).await;
    let found = kubectl(&job, &access, &["get", "namespace", "kube-system", "-o", "name"]).await;
    assert_eq!(String::from_utf8_lossy(&found.stdout), "namespace/kube-system\n", "{}", found.stderr_tail);
    let called = std::fs::read_to_string(called).unwrap();
    assert_eq!(called, "eks get-token --output=json --cluster-name=c --region=eu-north-1 a-secret-of-the-kubeconfig\n");
    assert_eq!(job.context.log().masked("a-secret-of-the-kubeconfig"), "***");
}

#[tokio::test]
async fn a_plugin_that_the_runner_lacks_is_named() {
    let kubeconfig = json!({
        "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
        "clusters": [{ "name": "k", "cluster": { "server": "https://10.0.0.1" } }],
        "users": [{ "name": "u", "user": { "exec": {
            "command": "aws-iam-authenticator", "args": ["token", "-i", "c"],
            "apiVersion": "client.authentication.k8s.io/v1beta1" } } }],
    });
    let settings = |settings: &mut executor_api::JobSettings| {
        settings.env.insert("PATH".to_owned(), "/nowhere".to_owned());
    };
    let job = cluster::job().settings(settings).build().unwrap();
    let refused = Cluster::Kubeconfig(kubeconfig.to_string()).prepare(&job.context, "/cluster").await.unwrap_err();
    let refused = refused.to_string();
    assert!(refused.starts_with("aws-iam-authenticator is not on the runner's PATH (/nowhere)"), "{refused}");
}

#[tokio::test]
async fn two_clusters_of_one_job_do_not_get_mixed_up() {
    let Some(text) = cluster::kubeconfig() else { return };
    let job = cluster::job().build().unwrap();
    let right = prepare(&job, &cluster::parse(&text)).await;
    let mut elsewhere = cluster::parse(&text);
    elsewhere["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let wrong = prepare(&job, &elsewhere).await;
    assert!(kubectl(&job, &right, &["version"]).await.exit.is_success());
    assert!(!kubectl(&job, &wrong, &["version"]).await.exit.is_success());
    assert_eq!(wrong.server(), "https://127.0.0.1:1");
}

#[tokio::test]
async fn without_its_file_kubectl_touches_nothing() {
    let Some(text) = cluster::kubeconfig() else { return };
    let job = cluster::job().build().unwrap();
    let access = prepare(&job, &cluster::parse(&text)).await;
    std::fs::remove_file(access.kubeconfig()).unwrap();
    let failed = kubectl(&job, &access, &["get", "namespaces"]).await;
    assert!(failed.stderr_tail.contains("no such file or directory"), "{}", failed.stderr_tail);
}

fn write_program(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}
