//! `identity init`: an identity that waits for its provider's half.

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;
use wire::InitRequest;

use super::shown;
use crate::config::UserArgs;
use crate::output;
use crate::trust::{self, Facts};

#[derive(Subcommand)]
pub(crate) enum Provider {
    /// An AWS role, which needs what this prints as its trust policy
    Aws(AwsArgs),
    /// A workload identity pool of GCP
    Gcp(InitArgs),
    /// An application of Azure
    Azure(InitArgs),
}

#[derive(Args)]
pub(crate) struct InitArgs {
    /// What it is called [default: the provider's name]
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct AwsArgs {
    #[command(flatten)]
    init: InitArgs,
    /// Who the runners are at AWS, to stand in the trust policy: an account, or the ARN of a role
    #[arg(long, value_name = "ARN", value_parser = trust::principal, conflicts_with = "web_identity")]
    principal: Option<String>,
    /// The role trusts the control plane's word for its jobs, instead of the runners: needs no AWS identity of theirs
    #[arg(long)]
    web_identity: bool,
    /// The account of the role, to stand in the trust policy
    #[arg(long, value_name = "ID", value_parser = trust::account, requires = "web_identity")]
    account_id: Option<String>,
}

pub(crate) async fn run(provider: Provider) -> anyhow::Result<()> {
    match provider {
        Provider::Aws(args) => {
            let facts = Facts { principal: args.principal, account: args.account_id };
            init("aws", args.init, args.web_identity, &facts).await
        }
        Provider::Gcp(args) => init("gcp", args, false, &Facts::default()).await,
        Provider::Azure(args) => init("azure", args, false, &Facts::default()).await,
    }
}

async fn init(provider: &str, args: InitArgs, web_identity: bool, facts: &Facts) -> anyhow::Result<()> {
    let api = args.user.api()?;
    let made = api.init_identity(provider, &InitRequest { label: args.label, web_identity }).await?;
    let identity = api.identity(&made.identity_id).await?;
    if args.user.json {
        let mut document = json!({ "identity": identity });
        if let Some(trust) = trust::of(&identity, facts) {
            document[trust.name] = trust.document;
        }
        return output::json(&document);
    }
    println!("{}", identity.id);
    shown::trust(&identity, facts)?;
    let rest = match provider {
        "aws" => "--role-arn ARN",
        "gcp" => "--wif-config FILE",
        _ => "--tenant-id ID --client-id ID --subscription-id ID",
    };
    output::note(&format!("then: alethia identity connect {provider} --id {} {rest} --follow", identity.id));
    Ok(())
}
