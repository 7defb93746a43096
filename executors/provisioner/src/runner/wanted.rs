//! A runner as it is wanted: both spellings read into one, defaults filled in, every value checked.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, Job, params_of, pointer_to};
use serde_json::Value;

use super::check::{self, must};
use super::params::{RunnerParams, StorageParams};

/// A runner as it is wanted.
pub(super) struct WantedRunner {
    pub(super) id: String,
    pub(super) token: Option<String>,
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) region: String,
    /// Where the plane remembers its state.
    pub(super) known_state: Option<Value>,
    pub(super) cloud_identity_id: Option<String>,
    pub(super) image_tag: String,
    pub(super) image_command: Vec<String>,
    pub(super) architecture: String,
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) slots: u32,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) subnet_ids: Vec<String>,
    pub(super) assign_public_ip: bool,
    pub(super) vpc_cidr: String,
    pub(super) assumable_roles: Vec<String>,
    pub(super) storage: Option<StorageParams>,
    pub(super) infracost_api_key: Option<String>,
    pub(super) log_retention_days: u32,
    pub(super) desired_count: u32,
    pub(super) scale_to_zero: bool,
    pub(super) idle_seconds: u32,
    pub(super) wait: bool,
    image_repository: Option<String>,
    alethia_url: Option<String>,
}

impl WantedRunner {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub(super) fn read(job: &Job) -> Result<Self, ExecutorError> {
        let params: RunnerParams = params_of(job)?;
        let provider = params.cloud_provider.as_deref().unwrap_or("aws");
        must(provider == "aws", "/cloud_provider", "a runner can be deployed on aws only")?;
        let (id_at, id) = either(("/runner_id", params.runner_id), ("/worker_id", params.worker_id))?
            .ok_or_else(|| ExecutorError::invalid("/runner_id", "is missing; name the runner"))?;
        check::id(id_at, &id)?;
        let token = either(("/runner_token", params.runner_token), ("/worker_token", params.worker_token))?;
        token.iter().try_for_each(|(at, token)| check::token(at, token))?;
        let name = either(("/runner_name", params.runner_name), ("/worker_name", params.worker_name))?;
        name.iter().try_for_each(|(at, name)| check::name(at, name))?;
        let url = either(("/alethia_url", params.alethia_url), ("/trellis_url", params.trellis_url))?;
        let alethia_url = url.map(|(at, url)| check::origin(at, &url)).transpose()?;
        let region = params.region.ok_or_else(|| {
            let error = "is missing, and the control plane does not know where the runner was deployed; give region, and \
                         subnet_ids where it was given some";
            ExecutorError::invalid("/region", error)
        })?;
        let wanted = Self {
            name: name.map_or_else(|| id.clone(), |(_, name)| name),
            id,
            token: token.map(|(_, token)| token),
            mode: params.runner_mode.unwrap_or_else(|| "self-hosted".to_owned()),
            region,
            known_state: params.state,
            cloud_identity_id: params.cloud_identity_id,
            image_repository: params.image_repository,
            image_tag: params.image_tag.unwrap_or_else(|| "latest".to_owned()),
            image_command: params.image_command.unwrap_or_else(|| ["runner", "start"].map(str::to_owned).to_vec()),
            architecture: params.architecture.unwrap_or_else(|| "ARM64".to_owned()),
            cpu: params.cpu.unwrap_or(512),
            memory: params.memory.unwrap_or(1024),
            slots: params.slots.unwrap_or(1),
            labels: labels(params.labels.unwrap_or_default())?,
            subnet_ids: params.subnet_ids.unwrap_or_default(),
            assign_public_ip: params.assign_public_ip.unwrap_or(false),
            vpc_cidr: params.vpc_cidr.unwrap_or_else(|| "10.210.0.0/24".to_owned()),
            assumable_roles: params.assumable_roles.unwrap_or_default(),
            storage: params.storage,
            infracost_api_key: params.infracost_api_key.filter(|key| !key.is_empty()),
            log_retention_days: params.log_retention_days.unwrap_or(30),
            desired_count: params.desired_count.unwrap_or(1),
            scale_to_zero: params.scale_to_zero.unwrap_or(false),
            idle_seconds: params.idle_seconds.unwrap_or(300),
            wait: params.wait.unwrap_or(true),
            alethia_url,
        };
        wanted.check()?;
        Ok(wanted)
    }

    fn check(&self) -> Result<(), ExecutorError> {
        must(matches!(&*self.mode, "self-hosted" | "cloud-hosted"), "/runner_mode", "is self-hosted or cloud-hosted")?;
        check::region(&self.region)?;
        check::image(self.image_repository.as_deref().unwrap_or("x"), &self.image_tag)?;
        let command = &self.image_command;
        let fits = command.len() <= 32 && command.iter().all(|word| !word.is_empty() && word.len() <= 1024);
        must(fits, "/image_command", "give at most 32 words")?;
        must(matches!(&*self.architecture, "ARM64" | "X86_64"), "/architecture", "is ARM64 or X86_64")?;
        check::size(self.cpu, self.memory)?;
        must((1..=64).contains(&self.slots), "/slots", "give a number from 1 to 64")?;
        must(self.subnet_ids.len() <= 16, "/subnet_ids", "give at most 16")?;
        self.subnet_ids.iter().enumerate().try_for_each(|(at, subnet)| check::subnet(at, subnet))?;
        check::cidr(&self.vpc_cidr)?;
        must(self.assumable_roles.len() <= 16, "/assumable_roles", "give at most 16")?;
        self.assumable_roles.iter().enumerate().try_for_each(|(at, role)| check::role(at, role))?;
        self.storage.iter().try_for_each(check_storage)?;
        check::retention(self.log_retention_days)?;
        must(self.desired_count <= 1, "/desired_count", "one runner is one task: give 0 or 1")?;
        must((60..=86_400).contains(&self.idle_seconds), "/idle_seconds", "give a number from 60 to 86400")
    }

    /// What only a runner that is to run needs.
    ///
    /// # Errors
    /// If the payload does not have it.
    pub(super) fn image_repository(&self) -> Result<&str, ExecutorError> {
        let missing =
            || ExecutorError::invalid("/image_repository", "is missing; name the runner's image, without tag");
        self.image_repository.as_deref().ok_or_else(missing)
    }

    /// The control plane that it works for.
    ///
    /// # Errors
    /// If the payload does not have it.
    pub(super) fn alethia_url(&self) -> Result<&str, ExecutorError> {
        let missing =
            || ExecutorError::invalid("/alethia_url", "is missing; say where the new runner finds the control plane");
        self.alethia_url.as_deref().ok_or_else(missing)
    }

    /// The runner that does this cannot take itself away, or replace itself, and then say how that went.
    pub(super) fn is_not_the_runner_of(&self, job: &Job) -> Result<(), ExecutorError> {
        let itself = job.runner_id.as_ref().is_some_and(|runner| runner.as_str() == self.id);
        must(!itself, "/runner_id", "is the runner that has this job; let another do it (assigned_runner_id)")
    }
}

/// A value in either spelling, with the place where it stands. Two that differ could be meant either way.
fn either(
    (later_at, later): (&'static str, Option<String>),
    (seed_at, seed): (&'static str, Option<String>),
) -> Result<Option<(&'static str, String)>, ExecutorError> {
    match (later, seed) {
        (Some(later), Some(seed)) if later != seed => {
            Err(ExecutorError::invalid(seed_at, format!("is another than {later_at}; leave one of them out")))
        }
        (Some(later), _) => Ok(Some((later_at, later))),
        (None, Some(seed)) => Ok(Some((seed_at, seed))),
        (None, None) => Ok(None),
    }
}

/// They travel in one variable, `name=value,name=value`.
fn labels(labels: BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, ExecutorError> {
    let fits = |text: &str| (1..=128).contains(&text.len()) && !text.contains([',', '=']) && text == text.trim();
    let mut read = BTreeMap::new();
    for (name, value) in labels {
        let at = pointer_to("/labels", &name);
        let Some(text) = value.as_str().filter(|text| fits(&name) && fits(text)) else {
            return Err(ExecutorError::invalid(&at, "a label and its value are texts without ',' and '='"));
        };
        read.insert(name, text.to_owned());
    }
    Ok(read)
}

fn check_storage(storage: &StorageParams) -> Result<(), ExecutorError> {
    check::origin("/storage/endpoint", &storage.endpoint)?;
    for (name, value) in [("region", &storage.region), ("key_id", &storage.key_id), ("secret_key", &storage.secret_key)]
    {
        let fits = (1..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        must(fits, &format!("/storage/{name}"), "is missing, or has other than 256 visible characters at most")?;
    }
    Ok(())
}
