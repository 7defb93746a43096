//! What there is in a project: regions, networks, subnets, zones.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, JobContext};
use futures_util::future::join;
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::Caller;
use crate::connection_test::Connection;
use crate::found::{FetchError, Found, both_spellings};
use crate::http::{self, HttpError};

const REGIONS: &str = "compute.regions.list";
const NETWORKS: &str = "compute.networks.list";
const SUBNETS: &str = "compute.subnetworks.list";
const ZONES: &str = "dns.managedZones.list";
const COMPUTE: &str = "https://compute.googleapis.com";
const DNS: &str = "https://dns.googleapis.com";

/// A page of any list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// A list, or for aggregated lists an object.
    #[serde(default)]
    items: Value,
    #[serde(default)]
    managed_zones: Vec<Value>,
    next_page_token: Option<String>,
}

/// Asks Google whose token it is: a real call.
pub(crate) async fn connect(job: &JobContext) -> Result<Connection, ExecutorError> {
    let caller = Caller::of(job)?;
    let who = job.credentials().map(|credentials| credentials.who()).unwrap_or_default();
    let base = caller.base("gcp.oauth2", "https://oauth2.googleapis.com")?;
    // In the body, not in the address, which ends up in logs on its way.
    let form = http::form(&[("access_token", &caller.token)]);
    let asked = caller.http.post(format!("{base}/tokeninfo")).header("content-type", http::FORM).body(form);
    let answer: Value = http::json(asked)
        .await
        .map_err(|error| ExecutorError::Other(format!("the token was given but does not work: {error}")))?;
    let who = answer["email"].as_str().map_or(who, str::to_owned);
    Ok(Connection { who, account: caller.project })
}

/// Reads all regions, or those named.
pub(crate) async fn discover(job: &JobContext, wanted: Option<&[String]>) -> Result<Found, ExecutorError> {
    let caller = Caller::of(job)?;
    let compute = format!("{}/compute/v1/projects/{}", caller.base("gcp.compute", COMPUTE)?, caller.project);
    let dns = format!("{}/dns/v1/projects/{}", caller.base("gcp.dns", DNS)?, caller.project);
    let (regions, networks) = (format!("{compute}/regions"), format!("{compute}/global/networks"));
    let (subnets, zones) = (format!("{compute}/aggregated/subnetworks"), format!("{dns}/managedZones"));
    let ((regions, networks), (subnets, zones)) = join(
        join(list(&caller, &regions), list(&caller, &networks)),
        join(list(&caller, &subnets), list(&caller, &zones)),
    )
    .await;
    let is_wanted = |region: &str| wanted.is_none_or(|wanted| wanted.iter().any(|one| one == region));
    let mut found = Found::default();
    let regions = taken(&mut found, REGIONS, regions);
    let networks = taken(&mut found, NETWORKS, networks);
    let subnets = taken(&mut found, SUBNETS, subnets);
    let zones = taken(&mut found, ZONES, zones);
    found.cached_resources = json!({
        "regions": shown_regions(&regions.unwrap_or_default(), &is_wanted),
        "networks": sorted(networks.unwrap_or_default(), shown_network),
        "subnets": shown_subnets(&subnets.unwrap_or_default(), &is_wanted),
        "managed_zones": zones.map(|zones| sorted(zones, shown_zone)),
    });
    Ok(found)
}

fn taken(found: &mut Found, action: &str, result: Result<Vec<Value>, HttpError>) -> Option<Vec<Value>> {
    let service = action.split('.').next().unwrap_or_default();
    found.taken(action, result.map_err(|error| FetchError::of(service, action, &error)))
}

/// All pages of a list.
async fn list(caller: &Caller, url: &str) -> Result<Vec<Value>, HttpError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut asked = caller.http.get(url).bearer_auth(&caller.token).query(&[("maxResults", "500")]);
        if let Some(token) = &next {
            asked = asked.query(&[("pageToken", token)]);
        }
        let page: Page = http::json(asked).await?;
        match page.items {
            Value::Array(items) => all.extend(items),
            Value::Object(by_region) => all.extend(in_regions(&by_region)),
            _ => {}
        }
        all.extend(page.managed_zones);
        next = page.next_page_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn in_regions(by_region: &serde_json::Map<String, Value>) -> Vec<Value> {
    by_region.values().filter_map(|region| region["subnetworks"].as_array()).flatten().cloned().collect()
}

fn shown_regions(regions: &[Value], is_wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let up = regions.iter().filter(|region| region["status"].as_str() == Some("UP"));
    let mut names: Vec<_> = up.filter_map(|region| region["name"].as_str()).filter(|name| is_wanted(name)).collect();
    names.sort_unstable();
    names.into_iter().map(str::to_owned).collect()
}

fn sorted(mut list: Vec<Value>, show: fn(&Value) -> Value) -> Vec<Value> {
    list.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    list.iter().map(|one| both_spellings(show(one))).collect()
}

fn shown_network(network: &Value) -> Value {
    json!({ "Name": network["name"], "SelfLink": network["selfLink"],
            "AutoCreateSubnetworks": network["autoCreateSubnetworks"].as_bool().unwrap_or(false) })
}

fn shown_zone(zone: &Value) -> Value {
    json!({ "Name": zone["name"], "DnsName": zone["dnsName"], "Visibility": zone["visibility"] })
}

fn shown_subnets(subnets: &[Value], is_wanted: &dyn Fn(&str) -> bool) -> BTreeMap<String, Vec<Value>> {
    let mut by_region: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for subnet in subnets {
        // An address, of which the last part is the name.
        let region = subnet["region"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        if is_wanted(region) {
            by_region.entry(region.to_owned()).or_default().push(subnet.clone());
        }
    }
    let show = |(region, list): (String, Vec<Value>)| (region, sorted(list, shown_subnet));
    by_region.into_iter().map(show).collect()
}

fn shown_subnet(subnet: &Value) -> Value {
    let region = subnet["region"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    json!({ "Name": subnet["name"], "Region": region, "IpCidrRange": subnet["ipCidrRange"], "Network": subnet["network"] })
}

/// The commands that allow what is missing.
pub(crate) fn remedy(connection: &Connection, found: &Found) -> String {
    let missing = found.missing();
    let project = &connection.account;
    let disabled = |service: &str| {
        found.errors.iter().any(|error| error.service == service && error.message.contains("has not been used"))
    };
    let mut commands = Vec::new();
    for (service, role) in [("compute", "roles/compute.viewer"), ("dns", "roles/dns.reader")] {
        if !missing.iter().any(|action| action.starts_with(service)) {
            continue;
        }
        commands.push(if disabled(service) {
            format!("gcloud services enable {service}.googleapis.com --project={project}")
        } else {
            let member = if connection.who.contains('@') { "serviceAccount:" } else { "" };
            let who = &connection.who;
            format!("gcloud projects add-iam-policy-binding {project} --member='{member}{who}' --role={role}")
        });
    }
    commands.join("\n")
}
