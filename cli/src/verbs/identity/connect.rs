//! `identity connect` and `verify`: who an identity is at its provider, and whether that is so.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;
use wire::{CloudIdentity, ConnectRequest, IdentityInfo, InitRequest, JobStatus};

use super::shown;
use crate::api::Api;
use crate::config::UserArgs;
use crate::ending::{Ending, Misused};
use crate::follow::{follow, until_interrupted};
use crate::log_printer::LogPrinter;
use crate::{identity_args, job_text, output};

#[derive(Subcommand)]
pub(crate) enum Provider {
    /// A role whose trust policy is the one that `identity init aws` printed
    Aws(AwsArgs),
    /// A workload identity pool, by what `gcloud iam workload-identity-pools create-cred-config` wrote
    Gcp(GcpArgs),
    /// An application with a federated credential
    Azure(AzureArgs),
}

#[derive(Args)]
pub(crate) struct ConnectArgs {
    /// Which identity; the one that is not connected yet if missing, and outside of AWS a new one if there is none
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The one that is not connected yet and is called so; of a new one, what it is called
    #[arg(long, conflicts_with = "id")]
    label: Option<String>,
    /// Print the log of its test until that has ended, verify it, and exit as the test did
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct AwsArgs {
    /// The role
    #[arg(long, value_name = "ARN")]
    role_arn: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Args)]
pub(crate) struct GcpArgs {
    /// An external-account document; never a key
    #[arg(long, value_name = "FILE")]
    wif_config: PathBuf,
    /// The project [default: that of the service account]
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// The service account, to be sure that it is the one that the document impersonates
    #[arg(long, value_name = "EMAIL")]
    service_account: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Args)]
pub(crate) struct AzureArgs {
    /// The tenant
    #[arg(long, value_name = "GUID")]
    tenant_id: String,
    /// The application
    #[arg(long, value_name = "GUID")]
    client_id: String,
    /// The subscription
    #[arg(long, value_name = "GUID")]
    subscription_id: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn run(provider: Provider) -> anyhow::Result<ExitCode> {
    let (args, credentials) = match provider {
        Provider::Aws(AwsArgs { role_arn, connect }) => {
            (connect, CloudIdentity { role_arn, ..identity_args::of("aws") })
        }
        Provider::Gcp(GcpArgs { wif_config, project, service_account, connect }) => {
            (connect, identity_args::gcp(&wif_config, project, service_account)?)
        }
        Provider::Azure(AzureArgs { tenant_id, client_id, subscription_id, connect }) => {
            (connect, CloudIdentity { tenant_id, client_id, subscription_id, ..identity_args::of("azure") })
        }
    };
    connect(args, credentials).await
}

async fn connect(args: ConnectArgs, credentials: CloudIdentity) -> anyhow::Result<ExitCode> {
    identity_args::check(&credentials)?;
    let api = args.user.api()?;
    let provider = credentials.provider.clone();
    let identity_id = which(&api, &args, &provider).await?;
    let answer = api.connect_identity(&provider, &ConnectRequest { identity_id, credentials }).await?;
    if !args.follow {
        if args.user.json {
            output::json(&answer)?;
        } else {
            println!("{}", answer.identity_id);
            output::note(&format!("its test is job {}", answer.job_id));
            output::note(&format!("then: alethia identity verify {} --follow", answer.identity_id));
        }
        return Ok(Ending::Done.into());
    }
    let identity = api.identity(&answer.identity_id).await?;
    verify(&api, &identity, true, args.user.json).await
}

/// Which identity to connect.
async fn which(api: &Api, args: &ConnectArgs, provider: &str) -> anyhow::Result<String> {
    if let Some(named) = &args.id {
        let found = super::find(api, named).await?;
        if found.provider != provider {
            let error = format!("{} is an identity of {1}: `alethia identity connect {1}`", found.id, found.provider);
            return Err(Misused(error).into());
        }
        return Ok(found.id);
    }
    let is_called = |one: &IdentityInfo| args.label.as_ref().is_none_or(|label| *label == one.label);
    let waits = |one: &IdentityInfo| one.provider == provider && one.identity.is_none() && is_called(one);
    let waiting: Vec<_> = api.identities().await?.into_iter().filter(waits).collect();
    if waiting.is_empty() && provider != "aws" {
        let request = InitRequest { label: args.label.clone(), ..InitRequest::default() };
        return Ok(api.init_identity(provider, &request).await?.identity_id);
    }
    let found = super::only(waiting, |waiting| match waiting {
        [] => {
            "no AWS identity waits for a role: make one with `alethia identity init aws`, whose trust policy the role \
               needs; or name one with --id to connect it anew"
                .to_owned()
        }
        several => format!("several identities wait to be connected; name one with --id: {}", super::ids(several)),
    });
    Ok(found?.id)
}

/// Takes over what an identity's test has found, and says it.
pub(super) async fn verify(
    api: &Api,
    identity: &IdentityInfo,
    follow_test: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let nothing = || Misused(format!("{} was never tested; connect it first", identity.id));
    let test = identity.test_job_id.as_ref().ok_or_else(nothing)?;
    if follow_test {
        if !as_json {
            output::note(&format!("job {test}"));
        }
        let mut printer = LogPrinter::new(as_json);
        let Some(ended) = until_interrupted(follow(api, test, &mut printer)).await? else {
            let text = format!("\nthe test goes on; then: alethia identity verify {} --follow", identity.id);
            output::note(&text);
            return Ok(Ending::Interrupted.into());
        };
        if ended.status != JobStatus::Success {
            if as_json {
                output::json(&json!({ "identity": identity, "test": ended }))?;
            } else {
                job_text::ended(&ended);
            }
            return Ok(Ending::of_job(ended.status).into());
        }
    }
    let test = api.job(test).await?;
    if !test.status.is_terminal() {
        anyhow::bail!("its test, job {}, is {}; wait for it with --follow", test.id, test.status);
    }
    let verified = api.verify_identity(identity).await?;
    if as_json {
        output::json(&json!({ "identity": verified, "test": test }))?;
    } else {
        shown::found(&verified, &test);
    }
    Ok(Ending::Done.into())
}
