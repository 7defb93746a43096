//! A folder of a git repository, fetched with the `git` command: https and ssh only, no hooks, no submodules, no links.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::{Command, ExecutorError, Input, JobContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::name;

/// Where in which repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitSource {
    /// `https://host/path` or `ssh://git@host/path`.
    pub url: String,
    /// A branch, a tag or a whole commit id; the default branch if missing.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A folder in the repository; its root if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl GitSource {
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        check_url(&self.url).map_err(|why| ExecutorError::invalid(&format!("{pointer}/url"), why))?;
        if let Some(reference) = &self.reference {
            check_reference(reference).map_err(|why| ExecutorError::invalid(&format!("{pointer}/ref"), why))?;
        }
        if let Some(path) = &self.path {
            name::check(path).map_err(|why| ExecutorError::invalid(&format!("{pointer}/path"), why))?;
        }
        Ok(())
    }

    pub(crate) async fn fetch(&self, job: &JobContext, dest: &Path, pointer: &str) -> Result<(), ExecutorError> {
        let git = job.tool("git")?;
        let clone = job.paths().temp.join("repository");
        std::fs::create_dir(&clone).map_err(ExecutorError::io("cannot make a folder for the repository"))?;
        let token = self.token(job)?;
        let run = |args: &[&str]| {
            let command = self.environment(job.command(&git), token.as_deref());
            command.args(SAFE).args(args.iter().copied()).dir(&clone)
        };
        let reference = self.reference.as_deref().unwrap_or("HEAD");
        for args in [
            &["init", "--quiet"][..],
            &["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", &self.url, reference],
            &["checkout", "--quiet", "--detach", "FETCH_HEAD"],
        ] {
            let finished = job.run(run(args)).await?;
            if !finished.exit.is_success() {
                let (tool, exit) = (format!("git {}", args[0]), finished.exit);
                return Err(ExecutorError::ToolFailed { tool, exit, message: finished.stderr_tail.trim().to_owned() });
            }
        }
        std::fs::remove_dir_all(clone.join(".git")).map_err(ExecutorError::io("cannot remove the clone's .git"))?;
        let folder = match &self.path {
            Some(path) => clone.join(name::check(path).map_err(ExecutorError::Other)?),
            None => clone.clone(),
        };
        if !folder.is_dir() {
            let why = format!("the repository has no folder {:?} at {reference}", self.path.as_deref().unwrap_or("."));
            return Err(ExecutorError::invalid(&format!("{pointer}/path"), why));
        }
        std::fs::remove_dir(dest).map_err(ExecutorError::io("cannot make room for the source"))?;
        std::fs::rename(folder, dest).map_err(ExecutorError::io("cannot move the source to its place"))
    }

    fn token(&self, job: &JobContext) -> Result<Option<String>, ExecutorError> {
        let Ok(file) = job.input(&Input::GitToken) else { return Ok(None) };
        let token = std::fs::read_to_string(file).map_err(ExecutorError::io("cannot read the git token"))?;
        let token = token.trim().to_owned();
        job.mask(&token);
        Ok((!token.is_empty()).then_some(token))
    }

    /// A token goes to its own host only, and through the environment: arguments and URLs are seen by everybody.
    fn environment(&self, command: Command, token: Option<&str>) -> Command {
        let command = command
            .env("GIT_ALLOW_PROTOCOL", "https:ssh")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        let host = Url::parse(&self.url).ok().filter(|url| url.scheme() == "https");
        let Some((token, url)) = token.zip(host) else { return command };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let scope = format!("http.https://{}{port}/.extraheader", url.host_str().unwrap_or_default());
        let value = STANDARD.encode(format!("x-access-token:{token}"));
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", scope)
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {value}"))
    }
}

/// Nothing that a repository brings is run, and nothing leads out of it: links become small text files.
const SAFE: [&str; 10] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.symlinks=false",
    "-c",
    "protocol.file.allow=never",
    "-c",
    "http.lowSpeedLimit=1",
];

fn check_url(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) || text.len() > 2048 {
        return Err("a URL has no white space and at most 2048 characters".to_owned());
    }
    let form = "give https://host/path or ssh://git@host/path";
    let url = Url::parse(text).map_err(|error| format!("{error}; {form}"))?;
    if !matches!(url.scheme(), "https" | "ssh") {
        return Err(format!("the scheme {:?} is refused; {form}", url.scheme()));
    }
    // Parsers disagree about what these mean.
    let after_scheme = &text[url.scheme().len()..];
    if !after_scheme.starts_with("://") || after_scheme.starts_with(":///") || text.contains('\\') || text.contains('%')
    {
        return Err(format!("{form}, without '\\' and '%'"));
    }
    if url.password().is_some() || (url.scheme() == "https" && !url.username().is_empty()) {
        return Err("a URL must not hold a user or a password; give the token to the control plane".to_owned());
    }
    if url.username().starts_with('-') || url.query().is_some() || url.fragment().is_some() || url.path().len() < 2 {
        return Err(format!("{form}, without options, query and fragment"));
    }
    check_host(url.host().as_ref())
}

/// What only this machine or its cloud can reach is none of a job's business.
fn check_host(host: Option<&Host<&str>>) -> Result<(), String> {
    let inside = match host {
        None => return Err("the URL names no host".to_owned()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if name.starts_with('-') {
                return Err("a host does not begin with '-'".to_owned());
            }
            name == "localhost" || name.ends_with(".localhost") || name == "metadata.google.internal"
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4().is_some_and(|ip| ip.is_loopback() || ip.is_link_local() || ip.is_unspecified());
            mapped || ip.is_loopback() || ip.is_unspecified() || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    };
    if inside {
        Err("the host is this machine or its cloud's metadata service; that is refused".to_owned())
    } else {
        Ok(())
    }
}

/// A subset of git-check-ref-format(1) that holds branches, tags and commit ids.
fn check_reference(text: &str) -> Result<(), String> {
    let fits = (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-' | b'+'))
        && !text.starts_with(['-', '.', '/'])
        && !text.ends_with(['.', '/'])
        && !text.ends_with(".lock")
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("/.");
    if fits {
        Ok(())
    } else {
        Err("a ref is a branch, a tag or a commit id: letters, digits, '.', '_', '/', '-', '+'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_ssh_to_somewhere_else() {
        for bad in [
            "--upload-pack=touch /x",
            "ext::sh -c id",
            "fd::17",
            "ssh://-oProxyCommand=id/x",
            "file:///etc",
            "/etc",
            "../x",
            "git://host/x",
            "http://host/x",
            "https://169.254.169.254/x",
            "https://[::ffff:169.254.169.254]/x",
            "https://2852039166/x",
            "https://127.1/x",
            "https://localhost/x",
            "https://good@evil/x",
            "https://user:secret@host/x",
            "https:///evil/x",
            "https:evil/x",
            "https://good%2f@evil/x",
            "https://host/",
            "https://host/x?y",
            "https://host/x\n",
            "https://metadata.google.internal/x",
            "git@host:path",
        ] {
            assert!(check_url(bad).is_err(), "{bad:?}");
        }
        for good in ["https://example.com/a/b.git", "ssh://git@example.com/a/b", "https://example.com:8443/a"] {
            assert_eq!(check_url(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn a_reference_is_never_an_option_or_a_range() {
        for bad in ["-h", "--output=x", "a..b", "@{", "a b", "a\0b", "a/", "x.lock", ".x", "a/.b", &"x".repeat(5000)] {
            assert!(check_reference(bad).is_err(), "{bad:?}");
        }
        for good in ["main", "v1.2.3", "feature/x-1", "0123456789abcdef0123456789abcdef01234567"] {
            assert_eq!(check_reference(good), Ok(()), "{good:?}");
        }
    }
}
