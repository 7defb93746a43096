//! `user`: the people of a control plane, for those who run it.

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use serde_json::json;
use wire::{UserAnswer, UserRequest};

use crate::config::UserArgs;
use crate::ending::Ending;
use crate::new_file::NewFile;
use crate::output;

#[derive(Subcommand)]
pub(crate) enum UserVerb {
    /// Add a person, and get the token that is theirs
    Add(AddArgs),
    /// List the people
    List(UserArgs),
    /// Remove a person; their token is worth nothing from then on
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// What they are called; unique at the control plane
    name: String,
    /// Whose jobs, runners and identities they share [default: your own organisation]
    #[arg(long)]
    org: Option<String>,
    /// They run the control plane, too: they may add people, and runners that work for all organisations
    #[arg(long)]
    platform: bool,
    /// Write the new token to this new file, readable by its owner only, instead of printing it
    #[arg(long, value_name = "FILE")]
    new_token_file: Option<PathBuf>,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    name: String,
    #[command(flatten)]
    user: UserArgs,
}

pub(crate) async fn run(verb: UserVerb) -> anyhow::Result<ExitCode> {
    match verb {
        UserVerb::Add(args) => add(args).await?,
        UserVerb::List(user) => list(&user).await?,
        UserVerb::Remove(args) => {
            let answer = args.user.api()?.remove_user(&args.name).await?;
            if args.user.json { output::json(&answer)? } else { println!("{} is removed", args.name) }
        }
    }
    Ok(Ending::Done.into())
}

async fn add(args: AddArgs) -> anyhow::Result<()> {
    let api = args.user.api()?;
    let file = args.new_token_file.as_deref().map(NewFile::make).transpose()?;
    let request = UserRequest { name: args.name, org: args.org, is_platform: args.platform };
    let answer = api.add_user(&request).await?;
    hand_over(&answer, file, args.user.json)
}

/// Gives the token to its owner: this once.
fn hand_over(answer: &UserAnswer, file: Option<NewFile>, as_json: bool) -> anyhow::Result<()> {
    let UserAnswer { user, token } = answer;
    if let Some(mut file) = file {
        file.write(format!("{token}\n"))?;
        if as_json {
            return output::json(&json!({ "user": user, "token_file": file.path() }));
        }
        println!("{} of {} is added; the token is in {}", user.id, user.org_id, file.path().display());
        return Ok(());
    }
    if as_json {
        return output::json(answer);
    }
    println!("{token}");
    let shown = "the token is shown this once: put it into a file that only its owner can read, for --token-file";
    output::note(&format!("{} of {} is added; {shown}", user.id, user.org_id));
    Ok(())
}

async fn list(user: &UserArgs) -> anyhow::Result<()> {
    let users = user.api()?.users().await?;
    if user.json {
        return output::json(&json!({ "users": users }));
    }
    let rows = users.into_iter().map(|one| {
        let runs_it = if one.is_platform { "yes" } else { "" };
        vec![one.id, one.org_id, runs_it.to_owned()]
    });
    output::table(&["NAME", "ORGANISATION", "PLATFORM"], rows);
    Ok(())
}
