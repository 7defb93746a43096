//! The exec plugin of a kubeconfig: a hidden verb of our program that prints a token for a cluster.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The hidden verb: `__cluster-token eks FOLDER REGION NAME STS`, `__cluster-token file FILE`.
pub(crate) const VERB: &str = "__cluster-token";

/// A token for HTTP, as the job process keeps it.
#[derive(Serialize, Deserialize)]
pub(crate) struct TokenFile {
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Prints the token as kubectl wants it.
pub(crate) fn print(args: &[OsString]) -> ExitCode {
    let args: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let token = match args.as_deref() {
        #[cfg(feature = "aws")]
        Some(["eks", folder, region, name, sts]) => crate::aws::cluster_token(Path::new(folder), region, name, sts),
        Some(["file", file]) => kept(Path::new(file)),
        _ => Err(format!("{VERB} is for the kubeconfig of a job")),
    };
    match token {
        Ok(TokenFile { token, expires_at }) => {
            let until = expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            println!(
                "{}",
                json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                        "status": { "token": token, "expirationTimestamp": until } })
            );
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("no token for the cluster: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The job process keeps it fresh.
fn kept(file: &Path) -> Result<TokenFile, String> {
    let kept: TokenFile = crate::folder::read_json(file)
        .map_err(|error| format!("the job's credentials cannot be read ({error}); has the job ended?"))?;
    if kept.expires_at <= Utc::now() {
        return Err("the job's credentials have expired and could not be renewed; its log says why".to_owned());
    }
    Ok(kept)
}
