//! `job artifacts`: what a job delivered besides its log.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use futures_util::StreamExt;
use wire::{JobId, SECRET_MEDIA_TYPE};

use crate::api::Api;
use crate::config::UserArgs;
use crate::new_file::NewFile;
use crate::output;

#[derive(Args)]
pub(crate) struct ArtifactsArgs {
    #[arg(value_name = "ID")]
    id: JobId,
    /// Print the bytes of this one, and nothing else
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Write them to this new file, readable by its owner only
    #[arg(long, short, value_name = "FILE", requires = "name")]
    output: Option<PathBuf>,
    #[command(flatten)]
    user: UserArgs,
}

pub(crate) async fn run(args: ArtifactsArgs) -> anyhow::Result<()> {
    let api = args.user.api()?;
    match &args.name {
        Some(name) => print(&api, &args.id, name, args.output).await,
        None => list(&api, &args).await,
    }
}

async fn list(api: &Api, args: &ArtifactsArgs) -> anyhow::Result<()> {
    let list = api.artifacts(&args.id).await?;
    if args.user.json {
        return output::json(&list);
    }
    let rows = list.artifacts.into_iter().map(|one| {
        let size = one.size_bytes.map(|size| format!("{size} bytes"));
        let kind = if one.media_type == SECRET_MEDIA_TYPE { "secret".to_owned() } else { one.media_type };
        vec![one.name, size.unwrap_or_default(), kind, one.sha256.unwrap_or_default()]
    });
    output::table(&["NAME", "SIZE", "TYPE", "SHA-256"], rows);
    Ok(())
}

async fn print(api: &Api, id: &JobId, name: &str, to: Option<PathBuf>) -> anyhow::Result<()> {
    let mut file = to.as_deref().map(NewFile::make).transpose()?;
    let mut bytes = api.artifact(id, name).await?.bytes_stream();
    let mut whole = Vec::new();
    while let Some(part) = bytes.next().await {
        whole.extend_from_slice(&part.context("the connection was cut; nothing was kept")?);
    }
    match &mut file {
        Some(file) => file.write(&whole),
        None => std::io::stdout().write_all(&whole).context("cannot print the artifact"),
    }
}
