//! The payload of the kinds, as it may come: every field may be missing or null, and unknown ones are passed over.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What a job says of a runner. Only `runner_id` is needed where the plane knows how the runner was deployed.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunnerParams {
    /// The runner's id at the control plane.
    pub runner_id: Option<String>,
    /// The same in the seed's words.
    pub worker_id: Option<String>,
    /// The runner's token. May be missing where it has one already.
    #[schemars(extend("writeOnly" = true))]
    pub runner_token: Option<String>,
    /// The same in the seed's words.
    #[schemars(extend("writeOnly" = true))]
    pub worker_token: Option<String>,
    /// What people call it.
    pub runner_name: Option<String>,
    /// The same in the seed's words.
    pub worker_name: Option<String>,
    /// self-hosted (the default) or cloud-hosted.
    pub runner_mode: Option<String>,
    /// Only `aws`.
    pub cloud_provider: Option<String>,
    /// Where it runs, for example `eu-north-1`.
    pub region: Option<String>,
    /// The control plane that it works for: https and a host.
    pub alethia_url: Option<String>,
    /// The same in older words.
    pub trellis_url: Option<String>,
    /// The image, without tag.
    pub image_repository: Option<String>,
    /// The image's tag or digest; `latest` if missing.
    pub image_tag: Option<String>,
    /// What the image is told to do; `["runner", "start"]` if missing.
    pub image_command: Option<Vec<String>>,
    /// `ARM64` (the default) or `X86_64`.
    pub architecture: Option<String>,
    /// CPU units; 512 if missing.
    pub cpu: Option<u32>,
    /// MiB; 1024 if missing.
    pub memory: Option<u32>,
    /// How many jobs run at once; 1 if missing.
    pub slots: Option<u32>,
    /// What it offers to jobs that ask for labels.
    pub labels: Option<BTreeMap<String, Value>>,
    /// Private subnets with a way out. A network of its own is made if missing.
    pub subnet_ids: Option<Vec<String>>,
    /// Whether the task has a public address; false if missing.
    pub assign_public_ip: Option<bool>,
    /// Addresses of a network of its own; `10.210.0.0/24` if missing.
    pub vpc_cidr: Option<String>,
    /// Patterns of the roles that its jobs may be; `AlethiaProvisionerRole-*` of every account if missing.
    pub assumable_roles: Option<Vec<String>>,
    /// The storage of terraform states. If missing, a runner that there is keeps its own, and a new one gets that of the
    /// runner that deploys it, where both work for the same organisation.
    pub storage: Option<StorageParams>,
    /// The key of Infracost; as with the storage.
    #[schemars(extend("writeOnly" = true))]
    pub infracost_api_key: Option<String>,
    /// How long its own log is kept; 30 if missing.
    pub log_retention_days: Option<u32>,
    /// 0 or 1 when the service is made; 1 if missing.
    pub desired_count: Option<u32>,
    /// Whether it runs only while there is work; false if missing.
    pub scale_to_zero: Option<bool>,
    /// After how many seconds without work it stops; 300 if missing.
    pub idle_seconds: Option<u32>,
    /// Whether the job waits until the task runs; true if missing.
    pub wait: Option<bool>,
    /// Where its state is, as the plane remembers it.
    pub state: Option<Value>,
    /// As whom it is deployed, as the plane remembers it.
    pub cloud_identity_id: Option<String>,
}

/// S3 storage of terraform states.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StorageParams {
    /// Its URL.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket for the states of environments and runners; the program's usual one if missing.
    pub bucket: Option<String>,
    /// Whether the runner may make a bucket that is missing; true if missing.
    pub create_buckets: Option<bool>,
    /// The key's name.
    #[schemars(extend("writeOnly" = true))]
    pub key_id: String,
    /// The key.
    #[schemars(extend("writeOnly" = true))]
    pub secret_key: String,
}
