//! What is planned only: nothing, what moto could not make, and what is refused.

use serde_json::json;

use crate::moto::Account;
use crate::stage::{Stage, WHERE_MOTO_IS};
use crate::wishes::{everything, nothing, with};

#[tokio::test]
async fn three_variables_describe_an_empty_environment() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, WHERE_MOTO_IS) else { return };
    assert_eq!(stage.plan(&nothing(), &[]).changes(), []);
}

#[tokio::test]
async fn what_moto_could_not_make_is_planned() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, WHERE_MOTO_IS) else { return };
    let zone = account.make_zone("shop.example.com").await;
    let more = json!({
        "environment": "production", "vpc_single_nat_gateway": false, "ddb_global_replica_regions": ["eu-west-1"],
        "redis_cluster_mode_enabled": true, "redis_cluster_size": 2,
        "additional_databases": [{ "name": "legacy", "engine": "mysql" }, { "name": "Billing_2", "engine": "postgres" }],
        "additional_caches": [{ "name": "pages", "engine": "valkey", "multi_az": true }],
    });
    let plan = stage.plan(&with(&everything(&account.id, &zone), [more]), &[]);
    let ada = format!("arn:aws:iam::{}:user/ada", account.id);
    let admin = format!("arn:aws:iam::{}:role/team/Admin", account.id);
    assert_eq!(plan.after(&format!("aws_eks_access_entry.admin[\"{ada}\"]"))["kubernetes_groups"], json!(["ops"]));
    assert_eq!(plan.after(&format!("aws_eks_access_policy_association.admin[\"{admin}\"]"))["principal_arn"], admin);
    for addon in
        ["network[\"vpc-cni\"]", "network[\"kube-proxy\"]", "workload[\"coredns\"]", "workload[\"aws-ebs-csi-driver\"]"]
    {
        plan.after(&format!("aws_eks_addon.{addon}"));
    }
    plan.after("aws_sqs_queue_redrive_allow_policy.dead_letter[\"orders\"]");
    assert_eq!(plan.after("aws_dynamodb_table.this[\"users\"]")["replica"][0]["region_name"], "eu-west-1");
    assert_eq!(plan.after("aws_elasticache_replication_group.this[\"sessions\"]")["num_node_groups"], 2);
    assert_eq!(plan.after("aws_elasticache_replication_group.this[\"pages\"]")["num_cache_clusters"], 2);
    assert_eq!(plan.after("aws_db_instance.this[\"legacy\"]")["port"], 3306);
    assert_eq!(plan.after("aws_db_instance.this[\"Billing_2\"]")["db_name"], "Billing_2");
    // Production keeps what holds data, and its nodes are not taken away.
    assert_eq!(plan.after("aws_rds_cluster.this[\"orders\"]")["skip_final_snapshot"], false);
    assert_eq!(plan.after("aws_s3_bucket.this[\"private\"]")["force_destroy"], false);
    assert_eq!(plan.after("aws_eks_node_group.this[0]")["capacity_type"], "ON_DEMAND");
    assert_eq!(plan.after("aws_eks_node_group.this[0]")["ami_type"], "BOTTLEROCKET_ARM_64");
    assert_eq!(plan.changes().iter().filter(|(address, _)| address.starts_with("aws_nat_gateway")).count(), 3);
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_name() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, WHERE_MOTO_IS) else { return };
    let wrong = json!({
        "project_name": "Shop", "environment": "prod", "region": "nowhere", "vpc_cidr": "10.0.0.0/30",
        "dns_main_domain": "shop.example.com; rm", "rds_config": { "engine": "oracle" },
        "sns_topics": { "events": { "subscriptions": [{ "protocol": "http", "endpoint": "http://x" }] } },
        "bucket_configuration": [{ "bucket_name_suffix": "x", "acl_type": "public-read" }],
        "custom_secrets": [{ "secret_name": "a", "length": 3 }],
    });
    let said = stage.refusal(&with(&nothing(), [wrong.clone()]));
    for name in wrong.as_object().unwrap().keys() {
        assert!(said.contains(&format!("var.{name}")), "{name}: {said}");
    }
    let other = with(&nothing(), [json!({ "aws_account_id": "999999999999" })]);
    assert!(stage.refusal(&other).contains("not allowed"), "credentials of another account are refused");
}
