//! An environment in a network that is there already, of which only the id is known; and a database with a machine of its own.

use serde_json::{Value, json};

use crate::moto::{Account, REGION, text_of};
use crate::stage::{FOR_MOTO, Stage, WHERE_MOTO_IS};
use crate::wishes::{nothing, with};

#[tokio::test]
async fn what_is_made_stands_in_the_subnets_of_the_existing_network() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, FOR_MOTO) else { return };
    let network = Network::make(&account, &["a", "b"]).await;
    let wishes = with(
        &nothing(),
        [
            json!({ "vpc_id": network.id, "create_rds": true, "rds_config": { "engine": "postgres", "db_name": "orders" } }),
        ],
    );
    let plan = stage.plan(&wishes, &[]);
    assert!(plan.changes().iter().all(|(address, _)| !address.contains("vpc.") && !address.contains("subnet.")));
    assert_eq!(plan.after("aws_vpc_security_group_ingress_rule.database[\"orders\"]")["cidr_ipv4"], "10.20.0.0/16");

    stage.apply(&wishes);
    let outputs = stage.outputs();
    assert_eq!(outputs["vpc_id"]["value"], network.id);
    let told = ["subnet1", "subnet2"].map(|name| outputs[name]["value"].as_str().unwrap().to_owned());
    assert!(network.private.iter().all(|id| told.contains(id)), "{told:?}");
    assert_eq!(outputs["databases"]["value"]["orders"]["port"], 5432);
    assert_eq!(stage.plan(&wishes, &[]).changes(), [], "a second plan changes nothing");

    stage.destroy();
    let networks = account.ec2("DescribeVpcs", &[]).await;
    assert!(networks.contains(&network.id), "it was there before, and stays");
}

#[tokio::test]
async fn a_network_that_the_template_made_can_be_used_by_another_environment() {
    let Some(account) = Account::new().await else { return };
    let (Some(first), Some(second)) = (Stage::new(&account, FOR_MOTO), Stage::new(&account, FOR_MOTO)) else { return };
    first.apply(&with(&nothing(), [json!({ "provision_vpc": true, "vpc_cidr": "10.30.0.0/16" })]));
    let made = first.outputs();
    let other = json!({ "project_name": "other", "vpc_id": made["vpc_id"]["value"], "create_rds": true,
                        "rds_config": { "engine": "postgres", "db_name": "orders" } });
    let plan = second.plan(&with(&nothing(), [other]), &[]);
    let planned = &plan.0["planned_values"]["outputs"];
    let private = |outputs: &Value| {
        ["subnet1", "subnet2", "subnet3"].map(|name| outputs[name]["value"].as_str().unwrap().to_owned())
    };
    let (mut told, mut private) = (private(planned), private(&made));
    told.sort();
    private.sort();
    assert_eq!(told, private, "neither those of load balancers nor those of databases");
    first.destroy();
}

#[tokio::test]
async fn a_network_in_one_zone_is_refused() {
    let Some(account) = Account::new().await else { return };
    let Some(stage) = Stage::new(&account, WHERE_MOTO_IS) else { return };
    let network = Network::make(&account, &["a"]).await;
    let wishes = with(&nothing(), [json!({ "vpc_id": network.id, "create_rds": true })]);
    assert!(stage.refusal(&wishes).contains("a network with subnets in two zones"));
    let wishes = with(&nothing(), [json!({ "provision_eks": true })]);
    assert!(stage.refusal(&wishes).contains("set provision_vpc, or vpc_id"));
}

struct Network {
    id: String,
    private: Vec<String>,
}

impl Network {
    /// A private and a public subnet in each zone.
    async fn make(account: &Account, zones: &[&str]) -> Self {
        let answer = account.ec2("CreateVpc", &[("CidrBlock", "10.20.0.0/16")]).await;
        let id = text_of(&answer, "vpcId").unwrap_or_else(|| panic!("{answer}"));
        let mut private = Vec::new();
        for (index, zone) in zones.iter().enumerate() {
            private.push(subnet(account, &id, zone, &format!("10.20.{index}.0/24")).await);
            let public = subnet(account, &id, zone, &format!("10.20.{}.0/24", index + 100)).await;
            let form = [("SubnetId", public.as_str()), ("MapPublicIpOnLaunch.Value", "true")];
            account.ec2("ModifySubnetAttribute", &form).await;
        }
        Self { id, private }
    }
}

async fn subnet(account: &Account, network: &str, zone: &str, cidr: &str) -> String {
    let zone = format!("{REGION}{zone}");
    let form = [("VpcId", network), ("AvailabilityZone", zone.as_str()), ("CidrBlock", cidr)];
    let answer = account.ec2("CreateSubnet", &form).await;
    text_of(&answer, "subnetId").unwrap_or_else(|| panic!("{answer}"))
}
