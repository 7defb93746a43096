//! What a snapshot says, as the variables of one of our templates (`templates/environment/<provider>`).
//!
//! The names are the contract's. Where the contract knows only the first database and the first cache, the others follow
//! in `additional_databases` and `additional_caches`.

mod aws;
mod azure;
mod gcp;

use serde_json::{Map, Value};

use crate::snapshot::{Provider, Snapshot};

/// The variables for the template of the snapshot's cloud.
#[must_use]
pub fn tfvars(snapshot: &Snapshot) -> Map<String, Value> {
    match snapshot.provider {
        Provider::Aws => aws::tfvars(snapshot),
        Provider::Gcp => gcp::tfvars(snapshot),
        Provider::Azure => azure::tfvars(snapshot),
    }
}
