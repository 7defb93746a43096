//! What there is in an account: networks of all regions at the same time, zones, users.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, JobContext};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value, json};

use super::calls::{Call, CallError, Caller};
use super::endpoints::Service;
use super::{ec2, iam, route53};
use crate::found::{FetchError, Found};

/// Each region throttles for itself; this bounds our connections.
const REGIONS_AT_ONCE: usize = 32;

/// Reads all regions, or those named.
pub(crate) async fn discover(job: &JobContext, wanted: Option<&[String]>) -> Result<Found, ExecutorError> {
    let caller = Caller::of(job)?;
    let mut found = Found::default();
    let regions = regions(&caller, wanted, &mut found).await;
    let look = |region: String| {
        let caller = &caller;
        async move { networks(caller, &region).await }
    };
    let all_regions = stream::iter(regions.clone()).map(look).buffered(REGIONS_AT_ONCE);
    let (networks, (zones, users)) = join(all_regions.collect::<Vec<_>>(), join(zones(&caller), users(&caller))).await;
    let (mut vpcs, mut subnets) = (Map::new(), Map::new());
    for (region, (in_region, parts)) in regions.iter().zip(networks) {
        if let Some(list) = found.taken(ec2::VPCS, in_region) {
            vpcs.insert(region.clone(), list);
        }
        if let Some(list) = found.taken(ec2::SUBNETS, parts) {
            subnets.insert(region.clone(), list);
        }
    }
    found.cached_resources = json!({
        "regions": regions,
        "vpcs": vpcs,
        "subnets": subnets,
        "hosted_zones": found.taken(route53::ZONES, zones),
        "iam_users": found.taken(iam::USERS, users),
    });
    Ok(found)
}

async fn regions(caller: &Caller, wanted: Option<&[String]>, found: &mut Found) -> Vec<String> {
    let call = ec2::call(caller.region(), ec2::REGIONS);
    match ec2::regions(caller, &call).await {
        Ok(all) => {
            found.read(call.action, true);
            let is_wanted = |region: &String| wanted.is_none_or(|wanted| wanted.contains(region));
            for unknown in wanted.into_iter().flatten().filter(|region| !all.contains(region)) {
                found.errors.push(FetchError {
                    service: "ec2".to_owned(),
                    action: call.action.to_owned(),
                    region: Some(unknown.clone()),
                    code: "NotEnabled".to_owned(),
                    message: "there is no such region, or it is not enabled in the account".to_owned(),
                });
            }
            all.into_iter().filter(is_wanted).collect()
        }
        Err(error) => {
            found.failed(call.failed(&error, false));
            // What is named can be looked into all the same.
            let mut named = wanted.map(<[String]>::to_vec).unwrap_or_default();
            named.sort();
            named.dedup();
            named
        }
    }
}

type InRegion = (Result<Value, FetchError>, Result<Value, FetchError>);

async fn networks(caller: &Caller, region: &str) -> InRegion {
    let (vpcs, subnets) = (ec2::call(region, ec2::VPCS), ec2::call(region, ec2::SUBNETS));
    let (networks, parts) = join(ec2::vpcs(caller, &vpcs), ec2::subnets(caller, &subnets)).await;
    let networks = networks.map(shown_vpcs).map_err(|error| vpcs.failed(&error, true));
    (networks, parts.map(shown_subnets).map_err(|error| subnets.failed(&error, true)))
}

fn shown_vpcs(mut vpcs: Vec<ec2::Vpc>) -> Value {
    vpcs.sort_by(|a, b| a.vpc_id.cmp(&b.vpc_id));
    let shown = vpcs.iter().map(
        |vpc| json!({ "ID": vpc.vpc_id, "CIDR": vpc.cidr_block, "Name": vpc.name(), "IsDefault": vpc.is_default }),
    );
    shown.collect()
}

/// By network.
fn shown_subnets(mut subnets: Vec<ec2::Subnet>) -> Value {
    subnets.sort_by(|a, b| a.subnet_id.cmp(&b.subnet_id));
    let mut by_vpc: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for subnet in subnets {
        let shown = json!({
            "ID": subnet.subnet_id,
            "CIDR": subnet.cidr_block,
            "AvailabilityZone": subnet.availability_zone,
            "VpcID": subnet.vpc_id,
            "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
        });
        by_vpc.entry(subnet.vpc_id).or_default().push(shown);
    }
    json!(by_vpc)
}

async fn zones(caller: &Caller) -> Result<Value, FetchError> {
    let call = Call { service: Service::Route53, region: caller.region(), action: route53::ZONES };
    route53::zones(caller, &call).await.map_err(|error| global(&call, &error))
}

async fn users(caller: &Caller) -> Result<Value, FetchError> {
    let call = Call { service: Service::Iam, region: caller.region(), action: iam::USERS };
    iam::users(caller, &call).await.map_err(|error| global(&call, &error))
}

fn global(call: &Call<'_>, error: &CallError) -> FetchError {
    call.failed(error, false)
}
