//! A plan that takes the cluster, or who ends its machines: what terraform does not know goes first, or nothing does.

use executor_api::JobId;
use executor_api::testing::{TestJobBuilder, aws_provider, moto, tool};
use serde_json::{Value, json};

use crate::harness::{Place, payload, with_tools};

/// The cluster of the template for AWS, and nothing else of it. It is on moto, which plays AWS.
const CLUSTER: &str = r#"
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
variable "provision_eks" { type = bool }
provider "aws" {
  region                      = "eu-north-1"
  skip_requesting_account_id  = true
  skip_credentials_validation = true
}
resource "aws_eks_cluster" "this" {
  count    = var.provision_eks ? 1 : 0
  name     = "NAME"
  role_arn = "arn:aws:iam::123456789012:role/cluster"
  vpc_config { subnet_ids = ["subnet-1", "subnet-2"] }
}
output "eks_cluster_name" { value = one(aws_eks_cluster.this[*].name) }
"#;

/// The outputs of the template for AWS by which Karpenter ends its machines, and nothing else of it.
const KARPENTER: &str = r#"
variable "enable_karpenter" { type = bool }
variable "vpc_cidr" { type = string }
resource "terraform_data" "network" { input = var.vpc_cidr }
resource "terraform_data" "other" { input = var.enable_karpenter }
output "eks_cluster_name" { value = "eks-1" }
output "karpenter_sa_role" { value = var.enable_karpenter ? "arn:aws:iam::123456789012:role/karpenter" : null }
"#;

const UNREACHED: &str = "the environment's cluster cannot be reached: the job has no cloud identity";

fn on_aws(job: TestJobBuilder, url: &str, mirror: &std::path::Path) -> TestJobBuilder {
    job.settings(|settings| {
        let environment =
            [("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "AKIALEAVING"), ("AWS_SECRET_ACCESS_KEY", "not-checked")];
        settings.env.extend(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
        settings.provider_mirror = Some(mirror.to_owned());
    })
}

#[tokio::test]
async fn a_cluster_stays_while_nobody_can_tell_what_was_made_through_it() {
    let (Some(url), Some(mirror), Some(terraform)) = (moto(), aws_provider(), tool("terraform")) else { return };
    let place = Place::new();
    // It stays, and this moto may be that of another run.
    place.template(&CLUSTER.replace("NAME", JobId::generate().as_str()));
    let job = |payload: &Value| on_aws(place.builder("DEPLOY", payload), &url, &mirror);
    let made = job(&payload(&json!({}))).build().unwrap();
    place.done(&made).await;

    let without = payload(&json!({ "argocd": {}, "cluster": { "provision": false } }));
    let no_tool = job(&without).settings(|settings| {
        settings.env.insert("PATH".to_owned(), "/nonexistent".to_owned());
        settings.tools.insert("terraform".to_owned(), terraform);
    });
    let no_tool = no_tool.build().unwrap();
    let error = place.refused(&no_tool).await;
    assert!(error.contains("the runner has no kubectl") && no_tool.commits() == 0, "{error}");

    let unreached = with_tools(&place, job(&without)).build().unwrap();
    let error = place.refused(&unreached).await;
    assert!(error.starts_with(UNREACHED), "{error}");
    assert!(error.contains("submit DEPLOY again with `argocd: { enabled: false }`"), "{error}");
    assert!(!unreached.log().contains("Run terraform apply"), "{}", unreached.log());
}

#[tokio::test]
async fn karpenters_role_stays_while_nobody_can_tell_what_machines_it_has() {
    let place = Place::new();
    place.template(KARPENTER);
    let cluster = |is_on: bool| json!({ "provider_config": { "enable_karpenter": is_on } });
    place.done(&place.job("DEPLOY", &payload(&json!({ "cluster": cluster(true) })))).await;
    let off = place.builder("DEPLOY", &payload(&json!({ "argocd": {}, "cluster": cluster(false) })));
    let off = with_tools(&place, off).build().unwrap();
    let error = place.refused(&off).await;
    assert!(error.starts_with(UNREACHED), "{error}");
    assert!(error.contains("submit DEPLOY again with `argocd: { enabled: false }`"), "{error}");
    assert!(!off.log().contains("Run terraform apply"), "{}", off.log());
}

#[tokio::test]
async fn nothing_takes_leave_for_a_plan_that_came_too_late() {
    let place = Place::new();
    place.template(KARPENTER);
    let with = |is_on: bool, more: &Value| {
        let mut payload = payload(&json!({ "cluster": { "provider_config": { "enable_karpenter": is_on } } }));
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    };
    place.done(&place.job("DEPLOY", &with(true, &json!({})))).await;
    let off = with(false, &json!({ "argocd": {} }));
    let reviewed = place.plan(&off).await;
    let other = with(true, &json!({ "network": { "cidr_block": "10.3.0.0/16" } }));
    place.done(&place.job("DEPLOY", &other)).await;

    let late = with_tools(&place, reviewed.deploy(&place, &off)).build().unwrap();
    let error = place.refused(&late).await;
    assert_eq!(error, "/plan_job_id: the state has changed since the plan was made; plan again");
    assert_eq!(late.commits(), 0);
}

#[tokio::test]
async fn nothing_takes_leave_while_somebody_else_holds_the_state() {
    let place = Place::new();
    place.template(KARPENTER);
    let cluster = |is_on: bool| json!({ "provider_config": { "enable_karpenter": is_on } });
    place.done(&place.job("DEPLOY", &payload(&json!({ "cluster": cluster(true) })))).await;
    let off = payload(&json!({ "argocd": {}, "cluster": cluster(false) }));
    let reviewed = place.plan(&off).await;
    let state = place.lock();
    let deploy = || with_tools(&place, reviewed.deploy(&place, &off)).build().unwrap();
    let locked = deploy();
    let error = place.refused(&locked).await;
    assert!(error.contains("the state is locked by deploy@build-7"), "{error}");
    assert_eq!(locked.commits(), 0);
    drop(state);
    let free = deploy();
    assert!(place.refused(&free).await.starts_with(UNREACHED) && free.commits() == 1, "{}", free.log());
}
