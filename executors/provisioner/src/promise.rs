//! A plan is a promise: what of a snapshot it is bound to, and in what two snapshots differ.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::snapshot::Snapshot;

impl Snapshot {
    /// Digest of what is provisioned, and of nothing else.
    #[must_use]
    pub fn configuration_hash(&self) -> String {
        hex::encode(Sha256::digest(json!(self).to_string()))
    }
}
