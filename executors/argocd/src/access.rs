//! Argo CD's server as a payload says it: where it is, who we are to it, and how its certificate is checked.

use executor_api::{ExecutorError, is_loopback, is_metadata_service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::words;

/// Who we are to Argo CD's server: either `token`, or `username` with `password`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["token"] }, { "required": ["username", "password"] }]))]
pub struct Auth {
    /// A token of an account or of a project's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    pub token: Option<String>,
    /// The name of a local account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
}

/// What a checked [`Auth`] is.
pub(crate) enum Credentials<'a> {
    Token(&'a str),
    Password { username: &'a str, password: &'a str },
}

/// How the server is known to be the one that is meant. Its certificate is always checked, unless it is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates (PEM) of authorities that vouch for the server, besides those of the runner. A server's own
    /// certificate, where it vouches for itself, may stand here, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub ca_certificate: Option<String>,
    /// The server speaks http. Only for one on this machine (a port-forward, a test).
    pub plaintext: bool,
    /// Whatever certificate it shows is good. Only for a server on this machine.
    pub insecure: bool,
}

/// Argo CD's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Host and port.
    pub(crate) address: String,
    /// Where its programming interface begins; ends with `/`.
    pub(crate) url: Url,
    /// It is on this machine.
    pub(crate) is_local: bool,
    pub(crate) tls: Tls,
    /// Speak gRPC over HTTP/1.1.
    pub(crate) grpc_web: bool,
}

/// Never a secret.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Auth {
    pub(crate) fn credentials(&self) -> Result<Credentials<'_>, ExecutorError> {
        match (&self.token, &self.username, &self.password) {
            (Some(token), None, None) => {
                words::check_secret("/auth/token", token)?;
                Ok(Credentials::Token(token))
            }
            (None, Some(username), Some(password)) => {
                words::check_line("/auth/username", username, 256)?;
                words::check_secret("/auth/password", password)?;
                Ok(Credentials::Password { username, password })
            }
            _ => Err(ExecutorError::invalid("/auth", "give either a token, or a username and its password")),
        }
    }
}

impl Server {
    /// Checks an address: a host, with a port where it is not 443, with a path where Argo CD is not at the root.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn new(text: &str, tls: &Tls, grpc_web: bool) -> Result<Self, ExecutorError> {
        let refuse =
            |why: &str| ExecutorError::invalid("/server", format!("{why}; give for example argocd.example.com:443"));
        words::check_line("/server", text, 1024)?;
        let rest = text.strip_prefix("https://").unwrap_or(text);
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-_~:[]/".contains(&b);
        let begins = |c: char| c.is_ascii_alphanumeric() || c == '[';
        if rest.contains("://") || !rest.starts_with(begins) || !rest.bytes().all(fits) {
            return Err(refuse("this is no host"));
        }
        let scheme = if tls.plaintext { "http" } else { "https" };
        let mut url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| refuse(&error.to_string()))?;
        let is_local = check_host(url.host().as_ref()).map_err(|why| refuse(&why))?;
        check_tls(tls, is_local)?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let address = format!("{host}:{port}");
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self { address, url, is_local, tls: tls.clone(), grpc_web })
    }

    /// The path of Argo CD where it is not at the root.
    pub(crate) fn root_path(&self) -> Option<&str> {
        Some(self.url.path().trim_end_matches('/')).filter(|path| !path.is_empty())
    }
}

fn check_tls(tls: &Tls, is_local: bool) -> Result<(), ExecutorError> {
    let local_only = |pointer: &str| {
        let why =
            "this is for a server on this machine only; give the certificate of its authority in `ca_certificate`";
        Err(ExecutorError::invalid(pointer, why))
    };
    match tls {
        Tls { plaintext: true, .. } if !is_local => local_only("/tls/plaintext"),
        Tls { insecure: true, .. } if !is_local => local_only("/tls/insecure"),
        Tls { plaintext: true, insecure: true, .. } => {
            Err(ExecutorError::invalid("/tls/insecure", "a server without TLS shows no certificate; leave this out"))
        }
        Tls { plaintext: true, ca_certificate: Some(_), .. } => Err(ExecutorError::invalid(
            "/tls/ca_certificate",
            "a server without TLS shows no certificate; leave this out",
        )),
        Tls { ca_certificate: Some(text), .. }
            if text.len() > 262_144 || !text.contains("-----BEGIN CERTIFICATE-----") =>
        {
            Err(ExecutorError::invalid("/tls/ca_certificate", "give certificates in PEM, at most 256 KiB"))
        }
        _ => Ok(()),
    }
}

/// True for this machine. A cloud's metadata service is none of a job's business.
fn check_host(host: Option<&Host<&str>>) -> Result<bool, String> {
    let named = host.ok_or("the address names no host")?;
    if is_metadata_service(named) {
        return Err("the host is a cloud's metadata service".to_owned());
    }
    let is_odd = |label: &str| label.is_empty() || label.starts_with('-');
    match named {
        Host::Domain(name) if name.trim_end_matches('.').split('.').any(is_odd) => Err("this is no host".to_owned()),
        _ => Ok(is_loopback(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str, tls: &Tls) -> Result<Server, String> {
        Server::new(text, tls, false).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_a_host_and_nothing_else() {
        let tls = Tls::default();
        for bad in [
            "",
            "-x",
            "--plaintext",
            "a b",
            "a\n",
            "a\0",
            "http://argocd.example",
            "user@host",
            "a,b",
            "a?x",
            "a#x",
            "a%20b",
            "-h.example",
            "169.254.169.254",
            "metadata.google.internal",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "0.0.0.0",
            "a:99999",
            "../../etc/passwd",
            "/etc/passwd",
            "a..b",
            ".",
            "$(id)",
        ] {
            assert!(server(bad, &tls).is_err_and(|why| why.starts_with("/server: ")), "{bad:?}");
        }
        for (good, address, url) in [
            ("argocd.example", "argocd.example:443", "https://argocd.example/"),
            ("https://argocd.example/", "argocd.example:443", "https://argocd.example/"),
            ("argocd.example:8443/argo", "argocd.example:8443", "https://argocd.example:8443/argo/"),
            ("[::1]:80", "[::1]:80", "https://[::1]:80/"),
        ] {
            let server = server(good, &tls).unwrap();
            assert_eq!((server.address.as_str(), server.url.as_str()), (address, url));
        }
        assert_eq!(server("a.example/argo", &tls).unwrap().root_path(), Some("/argo"));
        assert_eq!(server("a.example", &tls).unwrap().root_path(), None);
    }

    #[test]
    fn a_certificate_is_checked_unless_the_server_is_here() {
        let plaintext = Tls { plaintext: true, ..Tls::default() };
        let insecure = Tls { insecure: true, ..Tls::default() };
        for (tls, pointer) in [(&plaintext, "/tls/plaintext: "), (&insecure, "/tls/insecure: ")] {
            for far in ["argocd.example", "10.0.0.1:80", "argocd-server.argocd.svc:80", "localhost.example"] {
                assert!(server(far, tls).is_err_and(|why| why.starts_with(pointer)), "{far}");
            }
            assert!(server("127.0.0.1:8080", tls).is_ok_and(|server| server.is_local));
        }
        assert_eq!(server("localhost:8080", &plaintext).unwrap().url.as_str(), "http://localhost:8080/");
        let garbage = Tls { ca_certificate: Some("x".to_owned()), ..Tls::default() };
        assert!(server("a.example", &garbage).is_err_and(|why| why.starts_with("/tls/ca_certificate: ")));
    }

    #[test]
    fn one_way_to_be_somebody() {
        let text = |text: &str| Some(text.to_owned());
        let auth = |token, username, password| Auth { token, username, password };
        for (auth, pointer) in [
            (auth(None, None, None), "/auth: "),
            (auth(text("t"), text("u"), text("p")), "/auth: "),
            (auth(None, text("u"), None), "/auth: "),
            (auth(text("a\nb"), None, None), "/auth/token: "),
            (auth(None, text("-u"), text("p")), "/auth/username: "),
            (auth(None, text("u"), text("")), "/auth/password: "),
        ] {
            assert!(auth.credentials().err().unwrap().to_string().starts_with(pointer), "{pointer}");
        }
        assert!(!format!("{:?}", auth(text("geheim"), None, None)).contains("geheim"));
    }
}
