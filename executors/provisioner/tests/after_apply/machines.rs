//! Machines that Karpenter makes. Here it makes none: what stands for one is an object that goes when the test lets it.

use std::time::Duration;

use executor_provisioner::after_apply::{self, ApplicationsOptions};
use executor_provisioner::{Snapshot, Steps};
use serde_json::{Value, json};

use crate::cloud::run_as;
use crate::world::{World, applications, apply, aws_outputs, deploy, destroy, has, job, json_of, kubectl, world};

const CLAIM: &str = "nodeclaims.karpenter.sh/of-a-test";

/// An environment whose cluster goes with it.
async fn with_karpenter(world: &World) -> Snapshot {
    let nodes = json!({ "kubeconfig": world.kubeconfig, "provider_config": { "enable_karpenter": true } });
    let mut snapshot = world.snapshot("aws", json!({ "cluster": nodes }));
    snapshot.cluster.kubeconfig = None;
    snapshot
}

async fn deployed(snapshot: &Snapshot) -> String {
    let job = job();
    let ended = run_as(&job.context, deploy(&job, snapshot, &aws_outputs())).await;
    ended.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    job.log()
}

fn object(api: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_go_before_who_ends_them_and_what_stays_is_an_error() {
    let Some(world) = world(None).await else { return };
    let mut snapshot = with_karpenter(&world).await;
    deployed(&snapshot).await;
    let mut claim = object("karpenter.sh/v1beta1", "NodeClaim", "of-a-test", &json!({}));
    claim["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
    apply(&claim);

    // Nobody is there who ends it.
    let outputs = aws_outputs();
    let deadline = std::mem::replace(&mut snapshot.applications.deadline, Duration::from_secs(3));
    let job = self::job();
    let error = run_as(&job.context, destroy(&job, &snapshot, &outputs)).await.unwrap_err().to_string();
    assert!(
        error.contains("after 3s these are not gone") && error.contains(CLAIM.split('/').next().unwrap()),
        "{error}"
    );
    assert!(error.contains("Karpenter ends its machines") && error.contains("argocd: { enabled: false }"), "{error}");
    assert!(applications().contains(&"karpenter".to_owned()), "it can still end it");
    assert_eq!(job.progress()["removed"]["applications"], json!([]));

    // Somebody ends it, and one more comes that goes by itself.
    kubectl(&["patch", CLAIM, "--type=merge", "--patch={\"metadata\":{\"finalizers\":null}}"]);
    apply(&object("karpenter.sh/v1beta1", "NodeClaim", "another", &json!({})));
    snapshot.applications.deadline = deadline;
    let job = self::job();
    let ended = run_as(&job.context, destroy(&job, &snapshot, &outputs)).await;
    let told = ended.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    assert_eq!(told["removed"]["machines"], 1, "{}", job.log());
    assert!(applications().is_empty());
}

/// What a DEPLOY does before the apply of a plan that takes Karpenter's role.
#[tokio::test(flavor = "multi_thread")]
async fn machines_go_while_karpenter_may_still_end_them() {
    let Some(world) = world(None).await else { return };
    let mut snapshot = with_karpenter(&world).await;
    deployed(&snapshot).await;
    snapshot.cluster.enable_karpenter = false;
    let outputs = aws_outputs();
    let end = async |snapshot: &Snapshot| {
        let job = job();
        let mut steps = Steps::new(&job.context);
        run_as(&job.context, after_apply::end_machines(&job.context, &mut steps, snapshot, &outputs)).await.unwrap();
        job.log()
    };
    let left_alone = Snapshot {
        applications: ApplicationsOptions { enabled: false, ..snapshot.applications.clone() },
        ..snapshot.clone()
    };
    assert!(end(&left_alone).await.contains("machines of Karpenter stay behind"));
    assert!(has(&["nodepools.karpenter.sh/default"]));
    let log = end(&snapshot).await;
    assert!(log.contains("taking away nodepools.karpenter.sh default"), "{log}");
    assert!(!has(&["nodepools.karpenter.sh/default"]) && !has(&["ec2nodeclasses.karpenter.k8s.aws/default"]));
    assert!(applications().contains(&"karpenter".to_owned()));
    let log = deployed(&snapshot).await;
    assert!(log.contains("karpenter is no longer wanted"), "{log}");
    assert!(end(&snapshot).await.contains("Take away Karpenter's machines: done"), "there are none any more");
}

/// The environment moves from a cluster that terraform made to one that is there already.
#[tokio::test(flavor = "multi_thread")]
async fn machines_of_a_cluster_that_is_brought_stay() {
    let Some(world) = world(None).await else { return };
    let snapshot = world.snapshot("aws", json!({}));
    apply(&object("karpenter.sh/v1beta1", "NodePool", "own", &json!({})));
    let mut outputs = aws_outputs();
    outputs.insert("eks_cluster_name".to_owned(), json!("eks-gone"));
    let job = job();
    let mut steps = Steps::new(&job.context);
    run_as(&job.context, after_apply::end_machines(&job.context, &mut steps, &snapshot, &outputs)).await.unwrap();
    assert!(has(&["nodepools.karpenter.sh/own"]), "{}", job.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_machines_of_their_own_keeps_them() {
    let Some(world) = world(None).await else { return };
    let snapshot = with_karpenter(&world).await;
    deployed(&snapshot).await;
    let own = object("karpenter.sh/v1beta1", "NodePool", "own", &json!({ "limits": { "cpu": "1" } }));
    apply(&own);
    kubectl(&["delete", "nodepools.karpenter.sh/default", "ec2nodeclasses.karpenter.k8s.aws/default"]);
    let log = deployed(&snapshot).await;
    assert!(log.contains("NodePool default is not made: there is NodePool own"), "{log}");
    assert!(!has(&["nodepools.karpenter.sh/default"]) && !has(&["ec2nodeclasses.karpenter.k8s.aws/default"]));

    // A class of theirs is used, and stays what it is.
    let class = object("karpenter.k8s.aws/v1beta1", "EC2NodeClass", "default", &json!({ "amiFamily": "AL2023" }));
    apply(&class);
    kubectl(&["delete", "nodepools.karpenter.sh/own"]);
    deployed(&snapshot).await;
    assert!(has(&["nodepools.karpenter.sh/default"]));
    assert_eq!(
        json_of(&["get", "ec2nodeclasses.karpenter.k8s.aws", "default"])["spec"],
        json!({ "amiFamily": "AL2023" })
    );
}
