//! EC2's three reads, by its Query API.

use serde::Deserialize;

use super::calls::{Call, CallError, Caller};
use super::endpoints::Service;

const VERSION: &str = "2016-11-15";
/// The most that a page has.
const PAGE: &str = "1000";

pub(super) const REGIONS: &str = "ec2:DescribeRegions";
pub(super) const VPCS: &str = "ec2:DescribeVpcs";
pub(super) const SUBNETS: &str = "ec2:DescribeSubnets";

#[derive(Deserialize)]
struct Items<T> {
    #[serde(default = "Vec::new")]
    item: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Regions {
    #[serde(default)]
    region_info: Items<Region>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    region_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vpcs {
    #[serde(default)]
    vpc_set: Items<Vpc>,
    next_token: Option<String>,
}

/// A network.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vpc {
    pub(super) vpc_id: String,
    #[serde(default)]
    pub(super) cidr_block: String,
    #[serde(default)]
    pub(super) is_default: bool,
    #[serde(default)]
    tag_set: Items<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subnets {
    #[serde(default)]
    subnet_set: Items<Subnet>,
    next_token: Option<String>,
}

/// A part of a network.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subnet {
    pub(super) subnet_id: String,
    pub(super) vpc_id: String,
    #[serde(default)]
    pub(super) cidr_block: String,
    #[serde(default)]
    pub(super) availability_zone: String,
    #[serde(default)]
    pub(super) map_public_ip_on_launch: bool,
}

impl Vpc {
    /// Its `Name` tag.
    pub(super) fn name(&self) -> &str {
        self.tag_set.item.iter().find(|tag| tag.key == "Name").map(|tag| tag.value.as_str()).unwrap_or_default()
    }
}

/// The regions that the account has enabled.
pub(super) async fn regions(caller: &Caller, call: &Call<'_>) -> Result<Vec<String>, CallError> {
    let answer: Regions = caller.query(call, VERSION, &[]).await?;
    let mut names: Vec<_> = answer.region_info.item.into_iter().map(|region| region.region_name).collect();
    names.sort();
    Ok(names)
}

/// All networks of a region.
pub(super) async fn vpcs(caller: &Caller, call: &Call<'_>) -> Result<Vec<Vpc>, CallError> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page: Vpcs = caller.query(call, VERSION, &paging(next.as_deref())).await?;
        all.extend(page.vpc_set.item);
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// All subnets of a region: one list for all its networks takes fewer calls than a list for each.
pub(super) async fn subnets(caller: &Caller, call: &Call<'_>) -> Result<Vec<Subnet>, CallError> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page: Subnets = caller.query(call, VERSION, &paging(next.as_deref())).await?;
        all.extend(page.subnet_set.item);
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn paging(next: Option<&str>) -> Vec<(&'static str, &str)> {
    std::iter::once(("MaxResults", PAGE)).chain(next.map(|token| ("NextToken", token))).collect()
}

/// One of them in a region.
pub(super) fn call<'a>(region: &'a str, action: &'a str) -> Call<'a> {
    Call { service: Service::Ec2, region, action }
}
