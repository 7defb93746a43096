//! The network of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::flat::FlatParams;
use super::place::Provider;
use super::words;

/// The network of an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Network {
    /// Make one; else use `network_id`.
    #[serde(rename = "provision_network")]
    pub provision: bool,
    /// For example `10.0.0.0/16`.
    pub cidr_block: String,
    /// The existing one; none where one is made.
    pub network_id: Option<String>,
    /// One gateway for all zones: cheaper, and a single point of failure.
    pub single_nat_gateway: bool,
}

/// The network, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct NetworkParams {
    /// Make a network; true if missing, and where there is no `network_id`.
    pub provision_network: Option<bool>,
    /// Its addresses; `10.0.0.0/16` if missing.
    pub cidr_block: Option<String>,
    /// A network that is there already.
    pub network_id: Option<String>,
    /// One gateway for all zones; true if missing.
    pub single_nat_gateway: Option<bool>,
}

pub(super) fn read(nested: NetworkParams, flat: &FlatParams, provider: Provider) -> Result<Network, ExecutorError> {
    let provision = Field::at("/network/provision_network", nested.provision_network)
        .or_at("/provision_network", flat.provision_network)?;
    let cidr_block =
        Field::at("/network/cidr_block", nested.cidr_block).or_at("/cidr_block", flat.cidr_block.clone())?;
    let network_id =
        Field::at("/network/network_id", nested.network_id).or_at("/network_id", flat.network_id.clone())?;
    let network_id = network_id.text(|id| check_id(id, provider))?.optional();
    let single_nat_gateway = Field::at("/network/single_nat_gateway", nested.single_nat_gateway)
        .or_at("/single_nat_gateway", flat.single_nat_gateway)?;
    let provision = provision.or(true) || network_id.is_none();
    Ok(Network {
        provision,
        cidr_block: cidr_block.text(|text| words::network_cidr(text, provider))?.or("10.0.0.0/16".to_owned()),
        network_id: network_id.filter(|_| !provision),
        single_nat_gateway: single_nat_gateway.or(true),
    })
}

fn check_id(id: &str, provider: Provider) -> Result<String, String> {
    match provider {
        Provider::Aws => {
            let digits = id.strip_prefix("vpc-").unwrap_or_default();
            let fits = (8..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if fits {
                Ok(id.to_owned())
            } else {
                Err("give the id of a VPC, for example vpc-0123456789abcdef0".to_owned())
            }
        }
        Provider::Gcp => {
            let name = id.rsplit_once('/').map_or(id, |(_, name)| name);
            let fits = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-') && name.len() <= 63;
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./:".contains(c);
            let remedy = "the name or the self link of a network, for example default";
            words::spelled(if fits { id } else { "" }, 512, is_allowed, remedy)
        }
        Provider::Azure => {
            let parts: Vec<_> = id.split('/').map(str::to_ascii_lowercase).collect();
            let parts: Vec<_> = parts.iter().map(String::as_str).collect();
            let remedy = "give the id of a network: /subscriptions/.../resourceGroups/.../providers/Microsoft.Network/virtualNetworks/...";
            match parts[..] {
                [
                    "",
                    "subscriptions",
                    _,
                    "resourcegroups",
                    _,
                    "providers",
                    "microsoft.network",
                    "virtualnetworks",
                    _,
                ] => words::word(id, 512, "-_./()"),
                _ => Err(remedy.to_owned()),
            }
        }
    }
}
