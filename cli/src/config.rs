//! The user's settings: flags first, then variables, then what this machine offers.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use runner_host::Variables;
use secrecy::SecretString;
use url::{Host, Url};

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
        let origin = checked_origin(&self.origin, variables.get("ALETHIA_ALLOW_HTTP") == Some("true"))?;
        let token = self.token(&variables, is_loopback(&origin))?;
        let origin = origin.as_str().trim_end_matches('/').to_owned();
        if self.verbose {
            anstream::eprintln!("control plane: {origin}");
        }
        Api::new(origin, token)
    }

    fn token(&self, variables: &Variables, local: bool) -> anyhow::Result<SecretString> {
        let (source, token) = match (&self.token_file, variables.get("ALETHIA_TOKEN")) {
            (_, Some(token)) => ("ALETHIA_TOKEN".to_owned(), checked_token(token, "ALETHIA_TOKEN")?),
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

/// A token travels with every request: not in clear text over a network, and not to a place hidden in the URL.
fn checked_origin(text: &str, allow_http: bool) -> Result<Url, Misconfigured> {
    let wrong = |why: &str| Misconfigured(format!("ALETHIA_WEB_ORIGIN or --origin is {text:?}: {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("{error}; give for example {DEFAULT_ORIGIN}")))?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path() == "/";
    match url.scheme() {
        _ if !is_bare => Err(wrong("give scheme, host and port only")),
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => Err(wrong("use https, or set ALETHIA_ALLOW_HTTP=true if the network between is yours")),
        _ => Err(wrong("give an https URL")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The token in a file that only its owner may read.
pub(crate) fn token_in(file: &Path) -> Result<SecretString, Misconfigured> {
    let name = file.display();
    let failed = |error| Misconfigured(format!("the token file {name} cannot be read: {error}"));
    let mode = std::fs::metadata(file).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let error = format!("others may read the token file {name} (mode {:o}); run `chmod 600 {name}`", mode & 0o777);
        return Err(Misconfigured(error));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    checked_token(text.strip_suffix('\n').unwrap_or(&text), &format!("the token file {name}"))
}

fn checked_token(token: &str, source: &str) -> Result<SecretString, Misconfigured> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let error = format!("{source} holds no token: one line of visible characters, without spaces or CR");
        return Err(Misconfigured(error));
    }
    Ok(token.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_travels_in_clear_text_over_a_network() {
        for good in ["https://a.example", "http://127.0.0.1:1", "http://[::1]:1/", "http://localhost:7780"] {
            assert!(checked_origin(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "ftp://a",
            "https://u:p@a",
            "https://a/?x=1",
            "https://a/#x",
            "https://a/path",
            "http://127.0.0.1.example",
        ] {
            let error = checked_origin(bad, false).unwrap_err().to_string();
            assert!(error.contains("ALETHIA_WEB_ORIGIN"), "{bad}: {error}");
        }
        assert!(checked_origin("http://a.example", true).is_ok());
    }

    #[test]
    fn a_token_file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc\n").unwrap();
        assert!(token_in(file.path()).is_ok());
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(token_in(file.path()).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_token_is_named() {
        for bad in ["", "a b", "abc\r", "ab\ncd", "tökén"] {
            assert!(checked_token(bad, "ALETHIA_TOKEN").is_err(), "{bad:?}");
        }
    }
}
