//! Addresses of repositories: which ones a job may name.

use std::fmt;

use executor_api::is_metadata_service;
use url::{Host, Url};

use crate::failure::{Field, GitError};

const FORM: &str = "give https://host/path or ssh://git@host/path";
const MOST_BYTES: usize = 2048;

/// The address of a repository: checked, in the one spelling that every parser reads alike, without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitUrl(Url);

impl GitUrl {
    /// An address from a payload: https or ssh, to another machine.
    ///
    /// A name that resolves to this machine is not refused here: over https nothing inside has a certificate for it.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Url`].
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let url = well_formed(text, &["https", "ssh"])?;
        match host_of(&url) {
            Some(host) if !is_inside(&host) => Ok(Self(url)),
            Some(_) => Err(refused("the host is this machine or its cloud's metadata service; that is refused")),
            None => Err(refused(format!("the URL names no host; {FORM}"))),
        }
    }

    /// An address of the program's own, for tests and for services that it started itself: http and this machine are
    /// allowed too. Never for what a payload says.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Url`].
    pub fn parse_trusted(text: &str) -> Result<Self, GitError> {
        well_formed(text, &["http", "https", "ssh"]).map(Self)
    }

    /// The same repository over https, for whoever has a token and no key. The usual hosts serve both under the same
    /// path.
    #[must_use]
    pub fn over_https(&self) -> Self {
        if !self.is_ssh() {
            return self.clone();
        }
        let host = self.0.host_str().unwrap_or_default();
        let same = format!("https://{host}{}", self.0.path());
        Url::parse(&same).map_or_else(|_| self.clone(), Self)
    }

    /// The address as git is given it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_ssh(&self) -> bool {
        self.0.scheme() == "ssh"
    }

    pub(crate) fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host that a token for this repository is for, with the port where it is not 443: the name under which the
    /// control plane keeps it. None over ssh, where no token is used.
    #[must_use]
    pub fn token_host(&self) -> Option<String> {
        let host = self.0.host_str().filter(|_| !self.is_ssh())?;
        Some(self.0.port().map_or(host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// Scheme, host and port, with a slash: the part of git's configuration that is for this host only.
    pub(crate) fn origin(&self) -> String {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}/", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }

    /// The address that GitLab redirects to when this one lacks the suffix.
    pub(crate) fn with_git_suffix(&self) -> Option<Self> {
        if self.is_ssh() || self.0.path().ends_with(".git") {
            return None;
        }
        let mut url = self.0.clone();
        url.set_path(&format!("{}.git", self.0.path().trim_end_matches('/')));
        Some(Self(url))
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn refused(why: impl Into<String>) -> GitError {
    GitError::invalid(Field::Url, why)
}

fn well_formed(text: &str, schemes: &[&str]) -> Result<Url, GitError> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.len() > MOST_BYTES {
        return Err(refused(format!("a URL has no white space and at most {MOST_BYTES} characters")));
    }
    let url = Url::parse(text).map_err(|error| refused(format!("{error}; {FORM}")))?;
    if !schemes.contains(&url.scheme()) {
        return Err(refused(format!("the scheme {:?} is refused; {FORM}", url.scheme())));
    }
    // Parsers disagree about what these mean.
    let after_scheme = &text[url.scheme().len()..];
    if !after_scheme.starts_with("://") || after_scheme.starts_with(":///") || text.contains(['\\', '%']) {
        return Err(refused(format!("{FORM}, without '\\' and '%'")));
    }
    if url.password().is_some() || (url.scheme() != "ssh" && !url.username().is_empty()) {
        return Err(refused("a URL must not hold a user or a password; give the token to the control plane"));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if url.username().starts_with('-') || !url.username().chars().all(is_plain) {
        return Err(refused(format!("{FORM}; a user is letters, digits, '.', '_', '-'")));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path().len() < 2 {
        return Err(refused(format!("{FORM}, without query and fragment")));
    }
    let host = url.host_str().unwrap_or_default();
    if host.starts_with('-') || !host.chars().all(|c| is_plain(c) || matches!(c, ':' | '[' | ']')) {
        return Err(refused(format!("{FORM}; a host is letters, digits, '.', '-'")));
    }
    Ok(url)
}

/// For ssh the library leaves the host as it is: `127.1` is an address there too.
fn host_of(url: &Url) -> Option<Host> {
    Host::parse(url.host_str()?).ok()
}

/// What only this machine or its cloud can reach is none of a job's business. Wider than `is_loopback`: whatever may
/// be here is refused, not only what is for certain.
fn is_inside(host: &Host) -> bool {
    let is_here = match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            matches!(name.as_str(), "localhost" | "ip6-localhost" | "ip6-loopback") || name.ends_with(".localhost")
        }
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.to_ipv4().is_some_and(|ip| ip.is_loopback()),
    };
    is_here || is_metadata_service(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_ssh_to_somewhere_else() {
        let long = format!("https://host/{}", "x".repeat(100 * 1024));
        for bad in [
            "",
            "--upload-pack=touch /x",
            "-u",
            "@file",
            "a,b={c}",
            "$(id)",
            "https://host/$(touch /x) y",
            "ext::sh -c id",
            "fd::17",
            "ssh://-oProxyCommand=id/x",
            "ssh://-l@host/x",
            "ssh://git@-x/y",
            "ssh://git@ho$t/x",
            "ssh://git@host`id`/x",
            "ssh://g$(id)@host/x",
            "ssh://127.0.0.1/x",
            "ssh://git@127.1/x",
            "ssh://git@2130706433/x",
            "ssh://git@0x7f.0.0.1/x",
            "ssh://git@[::1]/x",
            "ssh://git@localhost/x",
            "file:///etc",
            "/etc",
            "../x",
            "git://host/x",
            "http://host/x",
            "https://169.254.169.254/x",
            "https://[::ffff:169.254.169.254]/x",
            "https://[fd00:ec2::254]/x",
            "https://[fe80::1]/x",
            "https://168.63.129.16/x",
            "https://2852039166/x",
            "https://127.1/x",
            "https://localhost/x",
            "https://LOCALHOST./x",
            "https://good@evil/x",
            "https://user:secret@host/x",
            "https:///evil/x",
            "https:evil/x",
            "https://good%2f@evil/x",
            "https://good\\@evil/x",
            "https://host/",
            "https://host/x?y",
            "https://host/x#y",
            "https://host/x\n",
            "https://host/x\0",
            "https://ho\u{ad}st\u{2028}/x",
            "https://metadata.google.internal/x",
            "git@host:path",
            &long,
        ] {
            let error = GitUrl::parse(bad).expect_err(bad);
            assert_eq!(error.field(), Some(Field::Url), "{bad:?}");
        }
        for good in [
            "https://example.com/a/b.git",
            "ssh://git@example.com/a/b",
            "ssh://git@example.com:2222/a/b",
            "https://example.com:8443/a",
            "https://10.0.0.7/a",
        ] {
            assert_eq!(GitUrl::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn every_parser_reads_the_address_that_git_gets_alike() {
        for (text, given) in [
            ("HTTPS://Example.COM:443/a/../b", "https://example.com/b"),
            ("https://b\u{fc}cher.example/a", "https://xn--bcher-kva.example/a"),
        ] {
            assert_eq!(GitUrl::parse(text).unwrap().as_str(), given);
        }
    }

    #[test]
    fn a_token_is_bound_to_scheme_host_and_port() {
        let origin = |text| GitUrl::parse(text).unwrap().origin();
        assert_eq!(origin("https://example.com/a"), "https://example.com/");
        assert_eq!(origin("https://example.com:8443/a"), "https://example.com:8443/");
        assert_eq!(origin("https://[2001:db8::1]/a"), "https://[2001:db8::1]/");
    }

    #[test]
    fn the_host_of_a_token_is_spelled_as_the_control_plane_does() {
        let host = |text| GitUrl::parse(text).unwrap().token_host();
        assert_eq!(host("https://Example.COM:443/a").as_deref(), Some("example.com"));
        assert_eq!(host("https://example.com:8443/a").as_deref(), Some("example.com:8443"));
        assert_eq!(host("ssh://git@example.com/a"), None);
    }

    #[test]
    fn with_a_token_ssh_becomes_https() {
        let https = |text| GitUrl::parse(text).unwrap().over_https().to_string();
        assert_eq!(https("ssh://git@example.com:22/a/b.git"), "https://example.com/a/b.git");
        assert_eq!(https("https://example.com:8443/a"), "https://example.com:8443/a");
    }
}
