//! From an empty cluster to one with everything, changed, and back.

use executor_api::Input;
use executor_provisioner::snapshot::Hidden;
use executor_provisioner::{Steps, after_apply};
use serde_json::{Map, Value, json};

use crate::git_host::{GitHost, TOKEN};
use crate::world::{
    applications, apply, aws_outputs, deploy, deployed, destroy, has, job, job_with, json_of, kubectl, of_no_cluster,
    until, world,
};

const PASSWORD: &str = "argocd-admin-password";
const LABELLED: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web, labels: { of: after-apply } }\ndata: { value: one }\n";

fn dns() -> Value {
    json!({ "enabled": true, "domain_name": "shop.example.com" })
}

/// What Karpenter is told: the NodePool, and what its machines are like.
fn machines() -> (Value, Value) {
    let spec = |kind: &str| json_of(&["get", kind, "default"])["spec"].clone();
    (spec("nodepools.karpenter.sh"), spec("ec2nodeclasses.karpenter.k8s.aws"))
}

fn standing(told: &Map<String, Value>, name: &str) -> (Value, Value, Value) {
    let one = &told["applications"][name];
    (one["sync"].clone(), one["health"].clone(), one["message"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_on_aws_comes_changes_and_goes() {
    let Some(world) = world(None).await else { return };
    let host = GitHost::new(&[("web.yaml", LABELLED)]).await;
    let nodes = |is_on: bool| {
        let options = json!({ "enable_karpenter": is_on, "enable_cluster_autoscaler": is_on });
        json!({ "kubeconfig": world.kubeconfig, "provider_config": options })
    };
    let mut snapshot = world.snapshot("aws", json!({ "dns": dns(), "cluster": nodes(true) }));
    snapshot.apps_destination_repo = Some(host.url.clone());
    snapshot.git_access_token = Hidden::new(Some(TOKEN.to_owned()));
    let outputs = aws_outputs();

    let (job, told) = deployed(&snapshot, &outputs).await;
    let names = [
        "apps",
        "aws-load-balancer-controller",
        "cluster-autoscaler",
        "external-dns",
        "external-secrets",
        "karpenter",
        "metrics-server",
    ];
    assert_eq!(applications(), names);
    for name in names {
        assert_eq!(standing(&told, name), (json!("Synced"), json!("Healthy"), json!("")), "{name}");
    }
    assert_eq!(told["argocd_url"], "https://argocd.shop.example.com");
    assert_eq!(told["argocd_admin_password_artifact"], PASSWORD);
    let password = String::from_utf8(job.artifact(PASSWORD).unwrap()).unwrap();
    let seen = format!("{}{told:?}{:?}", job.log(), job.progress());
    for secret in [password.as_str(), TOKEN] {
        assert!(!secret.is_empty() && !seen.contains(secret), "a secret is in log or metadata");
    }

    let role = |values: &Value| values["serviceAccount"]["annotations"]["eks.amazonaws.com/role-arn"].clone();
    let controller = world.values("kube-system", "aws-load-balancer-controller");
    assert_eq!((&controller["vpcId"], &controller["region"]), (&json!("vpc-0123"), &json!("eu-west-1")));
    assert_eq!(controller["serviceAccount"]["name"], "aws-load-balancer-controller-sa");
    assert_eq!(role(&controller), "arn:aws:iam::123456789012:role/alb");
    let names = world.values("external-dns", "external-dns");
    assert_eq!((&names["domainFilters"], &names["policy"]), (&json!(["shop.example.com"]), &json!("sync")));
    assert_eq!(role(&names), "arn:aws:iam::123456789012:role/dns");
    assert_eq!(world.values("karpenter", "karpenter")["settings"]["interruptionQueue"], "queue-of-shop");
    let store = json_of(&["get", "clustersecretstores.external-secrets.io", "secretstore-aws"]);
    assert_eq!(store["spec"]["provider"]["aws"], json!({ "service": "SecretsManager", "region": "eu-west-1" }));
    assert!(has(&["storageclass", "gp3"]) && has(&["configmap", "web", "--namespace=default"]));

    let (pool, class) = machines();
    assert_eq!(
        (&pool["template"]["spec"]["nodeClassRef"]["name"], &class["role"]),
        (&json!("default"), &json!("eks-euw1-dev-shop-node"))
    );

    // Once more, and nothing is other than before, but for what somebody has changed who may; then without karpenter.
    kubectl(&["patch", "nodepool", "default", "--type=merge", "--patch={\"spec\":{\"limits\":{\"cpu\":\"7\"}}}"]);
    let (job, _) = deployed(&snapshot, &outputs).await;
    assert!(job.log().contains("external-dns is as it should be"), "{}", job.log());
    assert!(job.log().contains("NodePool default is not made: there is NodePool default"), "{}", job.log());
    assert_eq!(machines().0["limits"]["cpu"], "7");
    let mut without = world.snapshot("aws", json!({ "dns": dns(), "cluster": nodes(false) }));
    without.apps_destination_repo.clone_from(&snapshot.apps_destination_repo);
    let (job, _) = deployed(&without, &outputs).await;
    let said = job.log();
    let machines_go = said.find("taking away nodepools.karpenter.sh default").expect(&said);
    assert!(machines_go < said.find("karpenter is no longer wanted").expect(&said), "{said}");
    assert!(!applications().contains(&"karpenter".to_owned()));
    assert!(!has(&["configmap", "values-of-karpenter", "--namespace=karpenter"]));
    assert!(has(&["secret", "repo-apps", "--namespace=argocd"]));

    let job = self::job();
    let outputs = of_no_cluster(&outputs);
    let told = destroy(&job, &without, &outputs).await.unwrap();
    let expected = ["apps", "aws-load-balancer-controller", "external-dns", "external-secrets", "metrics-server"];
    assert_eq!(told["removed"]["applications"], json!(expected));
    assert_eq!(applications(), Vec::<String>::new());
    for (namespace, object) in [("default", "web"), ("external-dns", "values-of-external-dns")] {
        assert!(!has(&["configmap", object, "--namespace", namespace]));
    }
    assert!(!has(&["secret", "repo-apps", "--namespace=argocd"]));
    let again = destroy(&self::job(), &without, &outputs).await.unwrap();
    assert_eq!(again["removed"]["applications"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_on_gcp_and_azure_have_what_is_theirs() {
    let Some(world) = world(None).await else { return };
    let gcp = json!({ "gke_cluster_name": "gke-1", "project_id": "my-project",
                      "external_dns_service_account": "dns@my-project.iam.gserviceaccount.com",
                      "external_secrets_service_account": "eso@my-project.iam.gserviceaccount.com" });
    let azure = json!({ "aks_cluster_name": "aks-1", "resource_group_name": "rg-shop", "tenant_id": "99-88",
                        "external_dns_client_id": "11-22", "external_secrets_client_id": "33-44",
                        "key_vault_uri": "https://shop.vault.azure.net/", "azure_dns_zone_resource_group": "rg-names" });
    for (provider, outputs, store) in [("gcp", gcp, "secretstore-gcp"), ("azure", azure, "secretstore-azure")] {
        let snapshot = world.snapshot(provider, json!({ "dns": dns() }));
        let outputs = outputs.as_object().unwrap();
        let (_, told) = deployed(&snapshot, outputs).await;
        assert_eq!(applications(), ["external-dns", "external-secrets"], "{provider}");
        assert_eq!(told.get("argocd_url"), None, "nobody made an ingress");
        let names = world.values("external-dns", "external-dns");
        let secrets = world.values("external-secrets", "external-secrets");
        let store = json_of(&["get", "clustersecretstores.external-secrets.io", store])["spec"].to_string();
        let text = format!(
            "{names}{secrets}{store}{}",
            kubectl(&["get", "applications", "--namespace=argocd", "--output=json"])
        );
        assert!(!text.contains("amazonaws") && !text.contains("arn:aws"), "{provider}: {text}");
        assert!(!has(&["storageclass", "gp3"]));
        if provider == "gcp" {
            assert_eq!(names["extraArgs"], json!(["--google-project=my-project"]));
        } else {
            let file: Value =
                serde_json::from_str(names["secretConfiguration"]["data"]["azure.json"].as_str().unwrap()).unwrap();
            assert_eq!((&file["tenantId"], &file["resourceGroup"]), (&json!("99-88"), &json!("rg-names")));
        }
        destroy(&job(), &snapshot, &of_no_cluster(outputs)).await.unwrap();
        assert_eq!(applications(), Vec::<String>::new());
    }
}

fn load_balancer() {
    kubectl(&["create", "service", "loadbalancer", "of-a-test", "--tcp=80:80"]);
    kubectl(&["label", "service", "of-a-test", "of=after-apply"]);
}

/// A cluster that terraform made goes afterwards, and with it whatever it has; what the cloud made for it has to go before.
#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_go_before_those_who_can_unmake_them() {
    let Some(world) = world(None).await else { return };
    let mut snapshot = world.snapshot("aws", json!({}));
    snapshot.cluster.kubeconfig = None;
    let outputs = aws_outputs();
    let job = job();
    crate::cloud::run_as(&job.context, deploy(&job, &snapshot, &outputs)).await.unwrap();
    load_balancer();
    // As the cloud's controller does it: until the load balancer is gone, the service is not.
    let finalizers = |value: &str| {
        kubectl(&[
            "patch",
            "service",
            "of-a-test",
            "--type=merge",
            &format!("--patch={{\"metadata\":{{\"finalizers\":{value}}}}}"),
        ])
    };
    finalizers("[\"example.com/load-balancer\"]");
    let volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "of-a-test", "labels": { "of": "after-apply" } },
        "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"],
                  "csi": { "driver": "ebs.csi.aws.com", "volumeHandle": "vol-0123" } } });
    apply(&volume);

    // Whoever has a kubeconfig of it may give it.
    let mut with_kubeconfig = snapshot.clone();
    with_kubeconfig.cluster.kubeconfig = Hidden::new(Some(world.kubeconfig.clone()));
    let job = self::job();
    let destroyed = crate::cloud::run_as(&job.context, destroy(&job, &with_kubeconfig, &outputs));
    let (ended, ()) = tokio::join!(destroyed, async {
        until("jsonpath={.metadata.deletionTimestamp}", "default", "service/of-a-test").await;
        // The controller is there as long as there is something for it to do.
        assert!(applications().contains(&"aws-load-balancer-controller".to_owned()));
        finalizers("null");
    });
    let told = ended.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    assert_eq!(told["removed"]["load_balancers"], 1, "{}", job.log());
    assert_eq!(job.progress()["removed"], told["removed"], "it is known whatever becomes of the rest");
    assert_eq!(told["volumes_left"], json!(["vol-0123"]));
    assert!(!has(&["service", "of-a-test"]) && applications().is_empty());

    // The cloud does not know it any more.
    let mut gone = outputs.clone();
    gone.insert("eks_cluster_name".to_owned(), json!("eks-gone"));
    let job = self::job();
    let told = crate::cloud::run_as(&job.context, destroy(&job, &snapshot, &gone)).await.unwrap();
    assert!(told.is_empty() && job.log().contains("the cluster is gone"), "{}", job.log());
}

/// The environment moves, or has moved, from a cluster that terraform made to one that is there already.
#[tokio::test(flavor = "multi_thread")]
async fn load_balancers_go_with_terraforms_cluster_and_stay_in_one_that_is_brought() {
    let Some(world) = world(None).await else { return };
    load_balancer();
    let snapshot = world.snapshot("aws", json!({}));
    let mut outputs = aws_outputs();
    outputs.insert("eks_cluster_name".to_owned(), json!("eks-gone"));
    let job = job();
    let told = crate::cloud::run_as(&job.context, destroy(&job, &snapshot, &outputs)).await.unwrap();
    assert_eq!(told["removed"]["load_balancers"], 0, "{}", job.log());
    assert!(has(&["service", "of-a-test"]), "{}", job.log());

    let nowhere = world.snapshot("aws", json!({ "cluster": {} }));
    let mut steps = Steps::new(&job.context);
    let outputs = aws_outputs();
    let leave = after_apply::leave(&job.context, &mut steps, &nowhere, &outputs);
    let told = crate::cloud::run_as(&job.context, leave).await.unwrap();
    assert_eq!(told["removed"]["load_balancers"], 1, "{}", job.log());
    assert!(!has(&["service", "of-a-test"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_kept_where_it_is_not_wanted() {
    let Some(world) = world(None).await else { return };
    let mut snapshot = world.snapshot("gcp", json!({}));
    snapshot.argocd.keep_password = false;
    snapshot.applications.enabled = false;
    let input = Input::GitToken { host: "unused.example".to_owned() };
    let job = job_with(input, "unused");
    let told = deploy(&job, &snapshot, &Map::new()).await.unwrap();
    assert_eq!((job.artifact(PASSWORD), told.get("argocd_admin_password_artifact")), (None, None));
    assert_eq!(applications(), Vec::<String>::new());
}
