//! How a runner asks for work and what it is given.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{CloudIdentity, Job};

/// `POST /api/jobs/claim` of protocol 2. A client of the seed's contract sends no body and is answered at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimRequest {
    /// Names this request: sent again, it gets the same answer, so a lost answer loses no job.
    pub request_id: Option<String>,
    /// How long the plane may hold the request while there is no job, in seconds. The plane caps it at 60.
    pub wait_s: u64,
    /// How many jobs the runner could start now. One job is handed out per request.
    pub free_slots: u32,
    /// The kinds that this runner can run; none means all.
    pub kinds: Option<Vec<String>>,
    /// What the runner offers; a job's labels must all be among them.
    pub labels: Map<String, Value>,
}

/// The answer to a claim. `{"job": null}` and 204 both mean that there is nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// The job, with its payload.
    pub job: Option<Job>,
    /// The identity that it runs under, where it has one.
    pub cloud_identity: Option<CloudIdentity>,
    /// What this attempt may use at the plane. Absent at a plane of the seed's contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<JobAccess>,
}

/// What one attempt of one job may use at the plane.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct JobAccess {
    /// Valid for this attempt only, for terraform state and nothing else. A secret.
    pub state_token: String,
    /// Whether the plane vouches for who the job is, with tokens that clouds trust. One that does not say so is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issues_tokens: Option<bool>,
}

impl std::fmt::Debug for JobAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobAccess(hidden)")
    }
}
