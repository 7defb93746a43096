//! The user's settings: flags first, then variables, then what this machine offers.

use std::path::{Path, PathBuf};

use clap::Args;
use executor_api::goes_to_loopback;
use runner_host::{Variables, origin, token};
use secrecy::SecretString;

use crate::api::Api;
use crate::ending::Misconfigured;

/// Where `alethia server` listens unless told otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7780";
const DEFAULT_ORIGIN: &str = "http://127.0.0.1:7780";

/// Which control plane, and who we are there. A token is never a flag, because everybody can read those.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UserArgs {
    /// The control plane
    #[arg(long, value_name = "URL", env = "ALETHIA_WEB_ORIGIN", default_value = DEFAULT_ORIGIN)]
    origin: String,
    /// A file that holds the token (or set ALETHIA_TOKEN); only its owner may read it
    #[arg(long, value_name = "FILE", env = "ALETHIA_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Say which settings are used
    #[arg(long, short)]
    verbose: bool,
}

impl UserArgs {
    /// A client with these settings.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        let variables = Variables::of_process();
        let allow_http = variables.switch("ALETHIA_ALLOW_HTTP").map_err(Misconfigured)?;
        let wrong = |why| Misconfigured(format!("ALETHIA_WEB_ORIGIN or --origin {why}"));
        let origin = origin::checked(&self.origin, allow_http).map_err(wrong)?;
        let token = self.token(&variables, goes_to_loopback(&origin))?;
        if self.verbose {
            anstream::eprintln!("control plane: {origin}");
        }
        Api::new(origin, token)
    }

    fn token(&self, variables: &Variables, local: bool) -> anyhow::Result<SecretString> {
        let (source, token) = match (&self.token_file, variables.get("ALETHIA_TOKEN")) {
            (_, Some(token)) => {
                let wrong = |why| Misconfigured(format!("ALETHIA_TOKEN {why}"));
                ("ALETHIA_TOKEN".to_owned(), token::checked(token).map_err(wrong)?)
            }
            (Some(file), None) => (file.display().to_string(), token_in(file)?),
            (None, None) => {
                let file = default_data_dir(variables)?.join("admin-token");
                if !local || !file.exists() {
                    return Err(Misconfigured(
                        "no token: set ALETHIA_TOKEN, or give --token-file FILE; the first start of `alethia server` \
                         writes one to DIR/admin-token"
                            .to_owned(),
                    )
                    .into());
                }
                (file.display().to_string(), token_in(&file)?)
            }
        };
        if self.verbose {
            anstream::eprintln!("token from: {source}");
        }
        Ok(token)
    }
}

/// Where a control plane of this user keeps its data: the XDG data folder.
pub(crate) fn default_data_dir(variables: &Variables) -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let share = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    let missing = || Misconfigured("neither XDG_DATA_HOME nor HOME is set; give --data DIR".to_owned());
    Ok(share.ok_or_else(missing)?.join("alethia"))
}

/// The token in a file that only its owner may read.
pub(crate) fn token_in(file: &Path) -> Result<SecretString, Misconfigured> {
    token::in_file(file).map_err(|why| Misconfigured(format!("the token file {} {why}", file.display())))
}
