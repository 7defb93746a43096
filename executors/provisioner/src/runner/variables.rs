//! A runner in the template's words, and as the plane remembers it. No secret is in either.

use serde_json::{Map, Value, json};

use super::wanted::WantedRunner;
use executor_api::ExecutorError;

impl WantedRunner {
    /// The template's variables, but for those of secrets.
    ///
    /// # Errors
    /// If something is missing that a runner needs to run.
    pub(super) fn variables(&self, deployment: &str) -> Result<Map<String, Value>, ExecutorError> {
        Ok(self.with_defaults(self.image_repository()?, self.alethia_url()?, deployment))
    }

    /// The same for a runner that goes: what it would need to run does not matter.
    pub(super) fn variables_of_the_end(&self) -> Map<String, Value> {
        let mut variables = self.with_defaults("none", "https://none.invalid", "");
        variables.insert("secret_versions".to_owned(), json!({ "runner_token": 0 }));
        variables
    }

    fn with_defaults(&self, image_repository: &str, alethia_url: &str, deployment: &str) -> Map<String, Value> {
        let variables = json!({
            "runner_id": self.id,
            "runner_name": self.name,
            "runner_mode": self.mode,
            "alethia_url": alethia_url,
            "region": self.region,
            "image_repository": image_repository,
            "image_tag": self.image_tag,
            "image_command": self.image_command,
            "architecture": self.architecture,
            "cpu": self.cpu,
            "memory": self.memory,
            "slots": self.slots,
            "labels": self.labels,
            "subnet_ids": self.subnet_ids,
            "assign_public_ip": self.assign_public_ip,
            "vpc_cidr": self.vpc_cidr,
            "assumable_roles": self.assumable_roles,
            "log_retention_days": self.log_retention_days,
            "desired_count": self.desired_count,
            "scale_to_zero": self.scale_to_zero,
            "idle_seconds": self.idle_seconds,
            "wait_for_steady_state": self.wait,
            "deployment": deployment,
        });
        variables.as_object().cloned().unwrap_or_default()
    }

    /// How it is deployed, for the plane: what `UPDATE_RUNNER` and `DESTROY_RUNNER` need not say again.
    pub(super) fn deploy_config(&self, state: &Value, identity: Option<&str>) -> Result<Value, ExecutorError> {
        Ok(json!({
            "cloud_provider": "aws",
            "cloud_identity_id": identity.or(self.cloud_identity_id.as_deref()),
            "state": state,
            "runner_name": self.name,
            "runner_mode": self.mode,
            "alethia_url": self.alethia_url()?,
            "region": self.region,
            "image_repository": self.image_repository()?,
            "image_tag": self.image_tag,
            "image_command": self.image_command,
            "architecture": self.architecture,
            "cpu": self.cpu,
            "memory": self.memory,
            "slots": self.slots,
            "labels": self.labels,
            "subnet_ids": self.subnet_ids,
            "assign_public_ip": self.assign_public_ip,
            "vpc_cidr": self.vpc_cidr,
            "assumable_roles": self.assumable_roles,
            "log_retention_days": self.log_retention_days,
            "scale_to_zero": self.scale_to_zero,
            "idle_seconds": self.idle_seconds,
            "wait": self.wait,
        }))
    }
}
