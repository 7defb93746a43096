//! Route 53's list of zones.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::{Call, CallError, Caller, encoded};

pub(super) const ZONES: &str = "route53:ListHostedZones";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    hosted_zones: Zones,
    #[serde(default)]
    is_truncated: bool,
    next_marker: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Zones {
    #[serde(default)]
    hosted_zone: Vec<Zone>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Zone {
    id: String,
    name: String,
    #[serde(default)]
    resource_record_set_count: u64,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    private_zone: bool,
}

/// All zones, sorted by name, as a user interface wants them.
pub(super) async fn zones(caller: &Caller, call: &Call<'_>) -> Result<Value, CallError> {
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut query = vec![("maxitems", "100")];
        query.extend(marker.as_deref().map(|marker| ("marker", marker)));
        let path = format!("/2013-04-01/hostedzone?{}", encoded(query.iter()));
        let page: Page = caller.rest_xml(call, path).await?;
        all.extend(page.hosted_zones.hosted_zone);
        marker = page.next_marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(all.iter().map(Zone::shown).collect())
}

impl Zone {
    fn shown(&self) -> Value {
        json!({
            "ID": self.id.trim_start_matches("/hostedzone/"),
            "Name": self.name,
            "RecordCount": self.resource_record_set_count,
            "IsPrivate": self.config.as_ref().is_some_and(|config| config.private_zone),
        })
    }
}
