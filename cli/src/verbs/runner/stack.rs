//! `runner deploy`, `runner update` and `runner destroy`: a runner that a job makes at a cloud, changes, and takes away again.

use std::process::ExitCode;

use anstream::println;
use clap::Args;
use serde_json::{Map, Value, json};
use wire::{DeployRunnerRequest, RunnerId, RunnerImage, RunnerMode, RunnerWork, SubmitRequest, UpdateRunnerRequest};

use super::{OneRunner, find};
use crate::api::Api;
use crate::config::UserArgs;
use crate::ending::Ending;
use crate::output;
use crate::payload::name_and_value;
use crate::verbs::{identity, job};

#[derive(Args)]
pub(crate) struct DeployArgs {
    /// What people will call it; unique
    #[arg(long)]
    name: String,
    /// As whom it is deployed, and whose jobs it takes: a cloud identity's id or label
    #[arg(long, value_name = "ID")]
    identity: String,
    /// Where it will run, for example eu-north-1
    #[arg(long)]
    region: String,
    /// The runner's image [default: the plane's --runner-image]
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    image: Option<RunnerImage>,
    /// Private subnets with a way out [default: a network of its own]
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    subnets: Vec<String>,
    /// Give it a public address
    #[arg(long)]
    public_ip: bool,
    /// CPU units; 1024 are one CPU [default: 512]
    #[arg(long)]
    cpu: Option<u32>,
    /// MiB of memory [default: 1024]
    #[arg(long)]
    memory: Option<u32>,
    /// How many jobs it runs at once [default: 1]
    #[arg(long)]
    slots: Option<u32>,
    /// ARM64 or X86_64 [default: ARM64]
    #[arg(long)]
    architecture: Option<String>,
    /// It runs only while there is work
    #[arg(long)]
    scale_to_zero: bool,
    /// Do not wait until it runs
    #[arg(long)]
    no_wait: bool,
    /// Where it finds the control plane [default: the plane's --public-url]
    #[arg(long, value_name = "URL")]
    plane_url: Option<String>,
    /// Whom it works for: self-hosted or cloud-hosted
    #[arg(long, default_value = "self-hosted")]
    mode: RunnerMode,
    /// What it offers to jobs that ask for it; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = name_and_value)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    one: OneRunner,
    /// The image to go to [default: the plane's --runner-image]
    #[arg(long, value_name = "REPOSITORY[:TAG]", conflicts_with = "tag")]
    image: Option<RunnerImage>,
    /// The tag to go to, of the image that the runner has
    #[arg(long)]
    tag: Option<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    one: OneRunner,
    #[command(flatten)]
    by: By,
}

/// Who does it, and whether to watch.
#[derive(Args)]
struct By {
    /// The only runner that may do this, by id or name
    #[arg(long, value_name = "ID")]
    assigned_runner: Option<String>,
    /// Print the job's log until it ends
    #[arg(long, short)]
    follow: bool,
}

impl By {
    async fn runner(&self, api: &Api) -> anyhow::Result<Option<RunnerId>> {
        match &self.assigned_runner {
            Some(named) => Ok(Some(find(api, named).await?.id)),
            None => Ok(None),
        }
    }
}

pub(super) async fn deploy(args: DeployArgs) -> anyhow::Result<ExitCode> {
    let api = args.user.api()?;
    let request = DeployRunnerRequest {
        cloud_identity_id: identity::find(&api, &args.identity).await?.id,
        assigned_runner_id: args.by.runner(&api).await?,
        labels: args.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect(),
        settings: args.settings(),
        name: args.name,
        region: args.region,
        mode: args.mode,
    };
    let answer = api.deploy_runner(&request).await?;
    if args.by.follow {
        if !args.user.json {
            output::note(&format!("{} is runner {}", answer.runner.name, answer.runner.id));
        }
        return job::submitted(&api, answer.job, true, args.user.json).await;
    }
    if args.user.json {
        output::json(&answer)?;
    } else {
        println!("{} is runner {}; job {} deploys it", answer.runner.name, answer.runner.id, answer.job.id);
        output::note(&format!("follow it: alethia job logs -f {}", answer.job.id));
    }
    Ok(Ending::Done.into())
}

impl DeployArgs {
    /// What was said, in the payload's words; the rest is the kind's to decide.
    fn settings(&self) -> Map<String, Value> {
        let image = self.image.as_ref();
        let said = json!({
            "image_repository": image.map(|image| &image.repository),
            "image_tag": image.map(|image| &image.tag),
            "subnet_ids": Some(&self.subnets).filter(|subnets| !subnets.is_empty()),
            "assign_public_ip": self.public_ip.then_some(true),
            "cpu": self.cpu,
            "memory": self.memory,
            "slots": self.slots,
            "architecture": self.architecture,
            "scale_to_zero": self.scale_to_zero.then_some(true),
            "wait": self.no_wait.then_some(false),
            "alethia_url": self.plane_url,
        });
        let Value::Object(said) = said else { return Map::new() };
        said.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

pub(super) async fn update(args: UpdateArgs) -> anyhow::Result<ExitCode> {
    let (api, runner) = args.one.find().await?;
    let (image_repository, image_tag) = match args.image {
        Some(image) => (Some(image.repository), Some(image.tag)),
        None => (None, args.tag),
    };
    let assigned_runner_id = args.by.runner(&api).await?;
    let request = UpdateRunnerRequest { image_repository, image_tag, assigned_runner_id };
    let submitted = api.update_runner(runner.id.as_str(), &request).await?;
    job::submitted(&api, submitted, args.by.follow, args.one.user.json).await
}

pub(super) async fn destroy(args: DestroyArgs) -> anyhow::Result<ExitCode> {
    let (api, runner) = args.one.find().await?;
    let request = SubmitRequest {
        job_type: RunnerWork::Destroy.job_type().to_owned(),
        config_snapshot: json!({ "runner_id": runner.id }),
        assigned_runner_id: args.by.runner(&api).await?,
        ..SubmitRequest::default()
    };
    let submitted = api.submit(&request).await?;
    job::submitted(&api, submitted, args.by.follow, args.one.user.json).await
}
