//! `credential_process`: tools ask our own program, which reads what the job process keeps fresh. So an apply outlives
//! the session that it began with.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use aws_credential_types::Credentials;
use chrono::{DateTime, Utc};
use executor_api::{CredentialRequest, ExecutorError};
use serde::{Deserialize, Serialize};

use crate::folder;

/// The hidden verb: `__aws-credential FILE`.
pub(super) const VERB: &str = "__aws-credential";
/// What the job process keeps fresh.
const FILE: &str = "aws.json";

/// What `credential_process` prints; see "Sourcing credentials with an external process" in the AWS CLI's manual.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialFile {
    version: u8,
    access_key_id: String,
    secret_access_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<DateTime<Utc>>,
}

/// Writes down fresh credentials.
pub(super) fn write(folder: &Path, credentials: &Credentials) -> Result<(), ExecutorError> {
    let file = CredentialFile {
        version: 1,
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().to_owned(),
        session_token: credentials.session_token().map(str::to_owned),
        expiration: credentials.expiry().map(DateTime::from),
    };
    folder::write_json(folder, FILE, &file)
}

/// Reads them.
pub(super) fn read(folder: &Path) -> Result<Credentials, String> {
    let file = load(&folder.join(FILE))?;
    let until = file.expiration.map(Into::into);
    Ok(Credentials::new(file.access_key_id, file.secret_access_key, file.session_token, until, "job"))
}

fn load(file: &Path) -> Result<CredentialFile, String> {
    let file: CredentialFile = folder::read_json(file)
        .map_err(|error| format!("the job's credentials cannot be read ({error}); has the job ended?"))?;
    match file.expiration {
        Some(until) if until <= Utc::now() => {
            Err("the job's credentials have expired and could not be renewed; its log says why".to_owned())
        }
        _ => Ok(file),
    }
}

/// The configuration that leads every SDK to the verb. Some split the command as a shell would, some have a shell.
pub(super) fn config_file(request: &CredentialRequest) -> Result<String, ExecutorError> {
    let words = [request.program.as_path(), Path::new(VERB), &request.folder.join(FILE)].map(quoted);
    let words: Option<Vec<String>> = words.into_iter().collect();
    let Some(words) = words else {
        let error = "the path of the runner's program or of its state directory holds quotes or control characters";
        return Err(ExecutorError::Other(error.to_owned()));
    };
    Ok(format!("[default]\ncredential_process = {}\n", words.join(" ")))
}

fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let plain = !text.chars().any(|c| c.is_control() || "'\"\\".contains(c));
    plain.then(|| {
        if text.contains(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)) {
            format!("'{text}'")
        } else {
            text.to_owned()
        }
    })
}

/// Prints them.
pub(super) fn print(args: &[OsString]) -> ExitCode {
    let [file] = args else {
        eprintln!("{VERB} is for the tools of a job and needs a file");
        return ExitCode::from(2);
    };
    let printed =
        load(Path::new(file)).and_then(|file| serde_json::to_string(&file).map_err(|error| error.to_string()));
    match printed {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("no AWS credentials: {why}");
            ExitCode::FAILURE
        }
    }
}
