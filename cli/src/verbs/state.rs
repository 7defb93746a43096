//! `state`: terraform's states at the control plane.

use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::UserArgs;
use crate::ending::Ending;
use crate::output;

#[derive(Subcommand)]
pub(crate) enum StateVerb {
    /// Release a lock whose holder is dead for certain; refused while its job is at work
    Unlock(UnlockArgs),
}

#[derive(Args)]
pub(crate) struct UnlockArgs {
    /// The state, as the payload's backend names it
    name: String,
    /// The lock, as the job that met it says
    id: String,
    #[command(flatten)]
    user: UserArgs,
}

pub(crate) async fn run(verb: StateVerb) -> anyhow::Result<ExitCode> {
    match verb {
        StateVerb::Unlock(UnlockArgs { name, id, user }) => {
            user.api()?.unlock_state(&name, &id).await?;
            if user.json { output::json(&json!({ "success": true }))? } else { println!("{name} is unlocked") }
        }
    }
    Ok(Ending::Done.into())
}
