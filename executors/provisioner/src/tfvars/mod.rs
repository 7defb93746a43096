//! What a snapshot says, as the variables of one of our templates (`templates/environment/<provider>`).
//!
//! The names are the contract's. Where the contract knows only the first database and the first cache, the others follow
//! in `additional_databases` and `additional_caches`. What the snapshot leaves open is left to the template's default:
//! the variable is missing, and inside of lists it is `null`.

mod aws;
mod azure;
mod gcp;
mod shared;

use serde_json::{Map, Value};

use crate::snapshot::{Provider, Snapshot};

/// The variables for the template of the snapshot's cloud.
#[must_use]
pub fn tfvars(snapshot: &Snapshot) -> Map<String, Value> {
    let blocks: Vec<Value> = match snapshot.provider {
        Provider::Aws => aws::blocks(snapshot),
        Provider::Gcp => gcp::blocks(snapshot),
        Provider::Azure => azure::blocks(snapshot),
    };
    let fields =
        blocks.into_iter().filter_map(|block| if let Value::Object(fields) = block { Some(fields) } else { None });
    fields.flatten().filter(|(_, value)| !value.is_null()).collect()
}
