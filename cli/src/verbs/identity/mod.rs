//! `identity`: who an organisation's jobs are at cloud providers.

mod connect;
mod init;
mod shown;

use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;
use wire::IdentityInfo;

use crate::api::{Api, ApiError};
use crate::config::UserArgs;
use crate::ending::{Ending, Misused};
use crate::output;
use crate::trust::Facts;

#[derive(Subcommand)]
pub(crate) enum IdentityVerb {
    /// Make an identity, and get what its provider has to be told
    #[command(subcommand)]
    Init(init::Provider),
    /// Say who an identity is at its provider, and test it
    #[command(subcommand)]
    Connect(connect::Provider),
    /// List the identities
    List(UserArgs),
    /// Show one identity, and what its provider has to be told
    Show(OneIdentity),
    /// Take over what the test of an identity has found
    Verify(VerifyArgs),
    /// Be nobody at the provider from now on; the identity stays, to be connected again
    Disconnect(LeaveArgs),
    /// Remove an identity
    Remove(LeaveArgs),
}

#[derive(Args)]
pub(crate) struct OneIdentity {
    /// The identity's id, or what it is called
    #[arg(value_name = "ID")]
    identity: String,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    one: OneIdentity,
    /// Print the test's log until it has ended
    #[arg(long, short)]
    follow: bool,
}

#[derive(Args)]
pub(crate) struct LeaveArgs {
    #[command(flatten)]
    one: OneIdentity,
    /// Also while jobs that have not ended name it: those that have not begun will fail, and those that run keep the
    /// credentials that they have
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(verb: IdentityVerb) -> anyhow::Result<ExitCode> {
    match verb {
        IdentityVerb::Init(provider) => init::run(provider).await?,
        IdentityVerb::Connect(provider) => return connect::run(provider).await,
        IdentityVerb::Verify(args) => {
            let api = args.one.user.api()?;
            let identity = find(&api, &args.one.identity).await?;
            return connect::verify(&api, &identity, args.follow, args.one.user.json).await;
        }
        IdentityVerb::List(user) => {
            let identities = user.api()?.identities().await?;
            if user.json {
                output::json(&json!({ "cloud_identities": identities }))?;
            } else {
                shown::list(&identities);
            }
        }
        IdentityVerb::Show(args) => {
            let identity = find(&args.user.api()?, &args.identity).await?;
            if args.user.json { output::json(&identity)? } else { shown::one(&identity, &Facts::default())? }
        }
        IdentityVerb::Disconnect(LeaveArgs { one, force }) => {
            let api = one.user.api()?;
            let identity = find(&api, &one.identity).await?;
            let answer = api.disconnect_identity(&identity, force).await?;
            if one.user.json { output::json(&answer)? } else { shown::disconnected(&identity, &answer) }
        }
        IdentityVerb::Remove(LeaveArgs { one, force }) => {
            let api = one.user.api()?;
            let identity = find(&api, &one.identity).await?;
            let answer = api.remove_identity(&identity.id, force).await?;
            if one.user.json { output::json(&answer)? } else { println!("{} is removed", identity.label) }
        }
    }
    Ok(Ending::Done.into())
}

/// The identity with this id, or the only one that is called so.
pub(crate) async fn find(api: &Api, named: &str) -> anyhow::Result<IdentityInfo> {
    let known = api.identities().await?;
    let by_id = |one: &IdentityInfo| one.id == named;
    let found: Vec<_> = match known.iter().any(by_id) {
        true => known.into_iter().filter(by_id).collect(),
        false => known.into_iter().filter(|one| one.label == named).collect(),
    };
    if found.is_empty() {
        return Err(ApiError::not_found(format!("no cloud identity {named:?}; see `alethia identity list`")).into());
    }
    only(found, |several| {
        format!("several cloud identities are called {named:?}; name one by its id: {}", ids(several))
    })
}

fn only(mut found: Vec<IdentityInfo>, why_not: impl FnOnce(&[IdentityInfo]) -> String) -> anyhow::Result<IdentityInfo> {
    match found.pop() {
        Some(one) if found.is_empty() => Ok(one),
        last => {
            found.extend(last);
            Err(Misused(why_not(&found)).into())
        }
    }
}

fn ids(identities: &[IdentityInfo]) -> String {
    identities.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", ")
}
