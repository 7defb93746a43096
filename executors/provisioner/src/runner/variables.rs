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
        let mut variables = self.settings(image_repository, alethia_url);
        let more = [
            ("runner_id", json!(self.id)),
            ("desired_count", json!(self.desired_count)),
            ("wait_for_steady_state", json!(self.wait)),
            ("deployment", json!(deployment)),
        ];
        variables.extend(more.map(|(name, value)| (name.to_owned(), value)));
        variables
    }

    /// How it is deployed, for the plane: what `UPDATE_RUNNER` and `DESTROY_RUNNER` need not say again.
    pub(super) fn deploy_config(&self, state: &Value, identity: Option<&str>) -> Result<Value, ExecutorError> {
        let mut config = self.settings(self.image_repository()?, self.alethia_url()?);
        let more = [
            ("cloud_provider", json!("aws")),
            ("cloud_identity_id", json!(identity.or(self.cloud_identity_id.as_deref()))),
            ("state", state.clone()),
            ("wait", json!(self.wait)),
        ];
        config.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Ok(Value::Object(config))
    }

    /// What the template and the plane call by the same name.
    fn settings(&self, image_repository: &str, alethia_url: &str) -> Map<String, Value> {
        let settings = json!({
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
            "scale_to_zero": self.scale_to_zero,
            "idle_seconds": self.idle_seconds,
        });
        settings.as_object().cloned().unwrap_or_default()
    }
}
