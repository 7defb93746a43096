//! `git-token`: what jobs may say to a git host.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::config::UserArgs;
use crate::ending::Ending;
use crate::output;

#[derive(Subcommand)]
pub(crate) enum GitTokenVerb {
    /// Keep a token for a git host, in place of an earlier one; only jobs that name the host get it
    Put(PutArgs),
    /// List the hosts that there are tokens for
    List(UserArgs),
    /// Take the token of a host away
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct PutArgs {
    /// For example git.example, or git.example:8443
    host: String,
    /// The file that holds the token; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    host: String,
    #[command(flatten)]
    user: UserArgs,
}

pub(crate) async fn run(verb: GitTokenVerb) -> anyhow::Result<ExitCode> {
    match verb {
        GitTokenVerb::Put(args) => {
            let token = read(&args.from)?;
            let answer = args.user.api()?.put_git_token(&args.host, token).await?;
            if args.user.json { output::json(&answer)? } else { println!("jobs that name {} get it", args.host) }
        }
        GitTokenVerb::List(user) => {
            let known = user.api()?.git_tokens().await?;
            if user.json {
                output::json(&json!({ "git_credentials": known }))?;
            } else {
                output::table(&["HOST"], known.into_iter().map(|one| vec![one.host]));
            }
        }
        GitTokenVerb::Remove(args) => {
            let answer = args.user.api()?.remove_git_token(&args.host).await?;
            if args.user.json { output::json(&answer)? } else { println!("{} gets none any more", args.host) }
        }
    }
    Ok(Ending::Done.into())
}

/// Never an argument: everybody on the machine can read those.
fn read(file: &Path) -> anyhow::Result<String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the token from standard input")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read the token from {}", file.display()))?
    };
    Ok(text.trim().to_owned())
}
