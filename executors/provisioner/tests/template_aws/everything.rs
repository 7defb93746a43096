//! An environment with everything in it, from its first apply until nothing is left.

use serde_json::{Value, json};

use crate::moto::{Account, REGION};
use crate::stage::{FOR_MOTO, Stage};
use crate::wishes::{everything, without_the_first};

#[tokio::test]
async fn everything_is_made_stays_as_it_is_and_goes() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, FOR_MOTO) else { return };
    let wishes = everything(&account.id, &account.make_zone("shop.example.com").await);
    make_members_of_caches(&account).await;

    let said = stage.apply(&wishes);
    told_what_there_is(&stage.outputs());
    let secret = account.secret("shop/staging/token").await;
    assert_eq!(secret.chars().count(), 40);
    assert!(
        !said.contains(&secret) && !stage.state().contains(&json!(secret).to_string()),
        "it is where it belongs alone"
    );
    assert_eq!(stage.plan(&wishes, &[]).changes(), [], "a second plan changes nothing");
    assert_eq!(account.secret("shop/staging/token").await, secret);
    the_second_stays(&stage, &wishes);

    // moto says for ever that a group of caches is being deleted, and that its subnets are in use.
    stage.forget("aws_elasticache_replication_group.this");
    stage.forget("aws_elasticache_subnet_group.this");
    stage.destroy();
    assert_eq!(stage.made(), Vec::<String>::new());
    nothing_is_left(&account).await;
}

/// moto's groups have members that it does not know itself.
async fn make_members_of_caches(account: &Account) {
    let members = [("sessions", "redis", "7.1", "cache.t3.medium"), ("pages", "valkey", "8.0", "cache.t4g.small")];
    for (name, engine, version, node) in members {
        let id = format!("c-eun1-staging-shop-{name}-001");
        let form = [
            ("CacheClusterId", id.as_str()),
            ("Engine", engine),
            ("EngineVersion", version),
            ("CacheNodeType", node),
            ("NumCacheNodes", "1"),
        ];
        let answer = account.ask("elasticache", "2015-02-02", "CreateCacheCluster", &form).await;
        assert!(answer.contains("available"), "{answer}");
    }
}

fn told_what_there_is(outputs: &Value) {
    let value = |name: &str| &outputs[name]["value"];
    assert_eq!(value("eks_cluster_name"), "eks-eun1-staging-shop");
    for role in ["external_dns", "alb_controller", "external_secrets", "cluster_autoscaler"] {
        assert!(value(&format!("eks_irsa_{role}_arn")).is_string(), "{role}");
    }
    for name in ["orders", "legacy"] {
        let database = &value("databases")[name];
        assert!(database["secret_arn"].as_str().unwrap().contains(":secret:rds!"), "{database}");
        assert!(database["endpoint"].is_string() && database["port"].is_number(), "{database}");
    }
    assert_eq!(value("rds_cluster_identifier"), "rds-eun1-staging-shop-orders");
    assert_eq!(value("rds_cluster_endpoint"), &value("databases")["orders"]["endpoint"]);
    assert!(value("caches")["pages"]["primary_endpoint"].is_string());
    assert_eq!(value("redis_primary_endpoint_address"), &value("caches")["sessions"]["primary_endpoint"]);
    assert!(value("custom_secret_versions").get("stripe").is_none(), "somebody else makes it");
    for name in
        ["acm_certificate_arn", "waf_webacl_arn", "cloudfront_waf_webacl_arn", "karpenter_sa_role", "irsa_rds_role_arn"]
    {
        assert!(value(name).as_str().unwrap().starts_with("arn:aws:"), "{name}");
    }
    assert!(value("cloudfront_waf_webacl_arn").as_str().unwrap().contains(":us-east-1:"));
    assert_eq!(value("az3"), &format!("{REGION}c"));
}

/// It is planned only: a plan is what an apply does.
fn the_second_stays(stage: &Stage, wishes: &Value) {
    let changes = stage.plan(&without_the_first(wishes), &["-refresh=false"]).changes();
    let of = |names: [&str; 2]| {
        let names = names.map(|name| [format!("[\"{name}\"]"), format!("[\"{name}/")]).concat();
        let is_data =
            |address: &str| ["rds", "db", "elasticache", "security_group"].iter().any(|word| address.contains(word));
        let touches = |address: &str| is_data(address) && names.iter().any(|name| address.contains(name));
        changes.iter().filter(|(address, _)| touches(address)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(["legacy", "pages"]), [], "the second is touched");
    let first = of(["orders", "sessions"]);
    assert!(first.len() >= 8 && first.iter().all(|(_, actions)| actions == "delete"), "{first:?}");
}

async fn nothing_is_left(account: &Account) {
    let queues = account.ask("sqs", "2012-11-05", "ListQueues", &[]).await;
    let roles = account.ask("iam", "2010-05-08", "ListRoles", &[]).await;
    let clusters = account.ask("rds", "2014-10-31", "DescribeDBClusters", &[]).await;
    let networks = account.ec2("DescribeVpcs", &[]).await;
    for (what, left) in [("queues", queues), ("roles", roles), ("databases", clusters), ("networks", networks)] {
        assert!(!left.contains("eun1-staging-shop"), "{what}: {left}");
    }
}
