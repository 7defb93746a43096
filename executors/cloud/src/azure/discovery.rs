//! What there is in a subscription: locations, networks, subnets, zones.

use std::collections::BTreeMap;

use executor_api::{CloudIdentity, ExecutorError, JobContext};
use futures_util::future::join3;
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::Caller;
use crate::connection_test::Connection;
use crate::found::{FetchError, Found, both_spellings};
use crate::http::{self, HttpError};
use crate::identity::refusal;

const LOCATIONS: &str = "Microsoft.Resources/subscriptions/locations/read";
const NETWORKS: &str = "Microsoft.Network/virtualNetworks/read";
const ZONES: &str = "Microsoft.Network/dnszones/read";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    value: Vec<Value>,
    next_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    state: String,
}

/// Reads the subscription itself: a real call, and without it nothing else works.
pub(crate) async fn connect(job: &JobContext) -> Result<Connection, ExecutorError> {
    let caller = Caller::of(job)?;
    let identity = &caller.request.identity;
    let asked = caller.http.get(caller.url("", "2022-12-01")).bearer_auth(&caller.token);
    let answer: Subscription = http::json(asked).await.map_err(|error| {
        let why = format!("cannot be read: {error}; run: {}", grant(identity));
        refusal("subscription_id", why)
    })?;
    let who = job.credentials().map(|credentials| credentials.who()).unwrap_or_default();
    let Subscription { display_name, state } = answer;
    let account = format!("{} ({display_name}, {state})", identity.subscription_id);
    Ok(Connection { who, account })
}

/// Reads all locations, or those named.
pub(crate) async fn discover(job: &JobContext, wanted: Option<&[String]>) -> Result<Found, ExecutorError> {
    let caller = Caller::of(job)?;
    let network = "/providers/Microsoft.Network";
    let (locations, networks, zones) = join3(
        list(&caller, caller.url("/locations", "2022-12-01")),
        list(&caller, caller.url(&format!("{network}/virtualNetworks"), "2024-05-01")),
        list(&caller, caller.url(&format!("{network}/dnszones"), "2018-05-01")),
    )
    .await;
    let is_wanted = |location: &Value| {
        let location = location.as_str().unwrap_or_default();
        wanted.is_none_or(|wanted| wanted.iter().any(|one| one == location))
    };
    let mut found = Found::default();
    let locations = taken(&mut found, LOCATIONS, locations).unwrap_or_default();
    let mut networks = taken(&mut found, NETWORKS, networks).unwrap_or_default();
    networks.retain(|network| is_wanted(&network["location"]));
    let mut names: Vec<_> = locations.iter().map(|one| &one["name"]).filter(|name| is_wanted(name)).collect();
    names.sort_by_key(|name| name.as_str());
    let zones = taken(&mut found, ZONES, zones);
    let subnets = shown_subnets(&networks);
    found.cached_resources = json!({
        "locations": names,
        "vnets": sorted(networks, shown_network),
        "subnets": subnets,
        "dns_zones": zones.map(|zones| sorted(zones, shown_zone)),
    });
    Ok(found)
}

fn taken(found: &mut Found, action: &str, result: Result<Vec<Value>, HttpError>) -> Option<Vec<Value>> {
    let service = action.split('/').next().unwrap_or_default();
    found.taken(action, result.map_err(|error| FetchError::of(service, action, &error)))
}

/// All pages of a list. A next page elsewhere would get our token.
async fn list(caller: &Caller, first: String) -> Result<Vec<Value>, HttpError> {
    let mut all = Vec::new();
    let mut url = first;
    loop {
        let page: Page = http::json(caller.http.get(&url).bearer_auth(&caller.token)).await?;
        all.extend(page.value);
        match page.next_link.filter(|link| !link.is_empty()) {
            None => return Ok(all),
            Some(next) if next.starts_with(&format!("{}/", caller.base)) => url = next,
            Some(next) => {
                return Err(HttpError::Nonsense {
                    host: caller.base.clone(),
                    what: format!("with a next page at {next}"),
                });
            }
        }
    }
}

fn sorted(mut list: Vec<Value>, show: fn(&Value) -> Value) -> Vec<Value> {
    list.sort_by(|a, b| (a["name"].as_str(), a["id"].as_str()).cmp(&(b["name"].as_str(), b["id"].as_str())));
    list.iter().map(|one| both_spellings(show(one))).collect()
}

fn shown_network(network: &Value) -> Value {
    json!({ "Name": network["name"], "ID": network["id"], "Location": network["location"],
            "AddressPrefixes": network["properties"]["addressSpace"]["addressPrefixes"] })
}

fn shown_zone(zone: &Value) -> Value {
    json!({ "Name": zone["name"], "ID": zone["id"],
            "ZoneType": zone["properties"]["zoneType"].as_str().unwrap_or("Public") })
}

/// By network; the list of networks has them.
fn shown_subnets(networks: &[Value]) -> BTreeMap<String, Vec<Value>> {
    let mut by_network: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for network in networks {
        let name = network["name"].as_str().unwrap_or_default();
        let subnets = network["properties"]["subnets"].as_array().into_iter().flatten();
        let shown = subnets.map(|subnet| {
            let properties = &subnet["properties"];
            let prefix = properties["addressPrefix"].as_str().or_else(|| properties["addressPrefixes"][0].as_str());
            both_spellings(
                json!({ "Name": subnet["name"], "ID": subnet["id"], "AddressPrefix": prefix, "VnetName": name }),
            )
        });
        by_network.entry(name.to_owned()).or_default().extend(shown);
    }
    for list in by_network.values_mut() {
        list.sort_by(|a, b| (a["Name"].as_str(), a["ID"].as_str()).cmp(&(b["Name"].as_str(), b["ID"].as_str())));
    }
    by_network
}

/// The command that allows what is missing.
pub(crate) fn remedy(identity: &CloudIdentity) -> String {
    grant(identity)
}

fn grant(identity: &CloudIdentity) -> String {
    let (client, subscription) = (&identity.client_id, &identity.subscription_id);
    format!("az role assignment create --assignee {client} --role Reader --scope /subscriptions/{subscription}")
}
