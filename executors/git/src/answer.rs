//! What git says, and what it means. Sources: git 2.32 to 2.51 in English, and the usual hosts' own words.

use executor_api::{Command, ExecutorError, Finished};

use crate::failure::GitError;
use crate::remote::Remote;

/// `git fetch`, for messages.
pub(crate) fn verb(command: &Command) -> String {
    let verb = command.args.first().map(|verb| verb.display().to_string()).unwrap_or_default();
    format!("git {verb}")
}

/// What git itself says where we know no better.
pub(crate) fn failure(tool: &str, finished: &Finished) -> GitError {
    let (tool, exit) = (tool.to_owned(), finished.exit.clone());
    ExecutorError::ToolFailed { tool, exit, message: finished.stderr_tail.trim().to_owned() }.into()
}

/// Why a remote did not do it.
pub(crate) fn remote_failure(tool: &str, finished: &Finished, remote: &Remote) -> GitError {
    let url = remote.url.to_string();
    match Refusal::read(&finished.stderr_tail) {
        Some(Refusal::NotFound) => GitError::NotFound { url },
        Some(Refusal::Access) => GitError::AccessRefused { url, hint: access_hint(remote) },
        Some(Refusal::UnknownHost) => GitError::UnknownHost { url },
        Some(Refusal::Redirect) => GitError::Redirected { url },
        Some(Refusal::NoRef) => GitError::RefNotFound { reference: String::new() },
        Some(Refusal::Malformed) => GitError::Refused { why: malformed(&finished.stderr_tail) },
        None => failure(tool, finished),
    }
}

fn access_hint(remote: &Remote) -> &'static str {
    match (remote.url.is_ssh(), &remote.token, &remote.ssh_key) {
        (true, _, Some(_)) => {
            "it does not take the job's key, or the key may not do this; give the key access to the repository"
        }
        (true, _, None) => {
            "it does not take the key of the runner's user; give the job a key, or the runner's key access"
        }
        (false, Some(_), _) => {
            "the token has expired, or may not do this; give one that may read here, and write for a push"
        }
        (false, None, _) => "there is no token; give one that may read here, and write for a push",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotFound,
    Access,
    UnknownHost,
    Redirect,
    NoRef,
    Malformed,
}

impl Refusal {
    fn read(stderr: &str) -> Option<Self> {
        let says = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
        // The order counts: ssh adds "Could not read from remote repository" to whatever was wrong.
        if says(&["fsck error in packed object"]) {
            Some(Self::Malformed)
        } else if says(&["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
            Some(Self::UnknownHost)
        } else if returned(stderr, &["301", "302", "303", "307", "308"]) {
            Some(Self::Redirect)
        } else if returned(stderr, &["401", "403"])
            || says(&[
                "Authentication failed for",
                "could not read Username for",
                "could not read Password for",
                "Permission denied (",
                "Too many authentication failures",
            ])
        {
            Some(Self::Access)
        } else if returned(stderr, &["404", "410"])
            || says(&[
                "does not appear to be a git repository",
                "Repository not found",
                "repository not found",
                "could not be found or you don't have permission",
            ])
            || is_not_found(stderr)
        {
            Some(Self::NotFound)
        } else if says(&[
            "couldn't find remote ref",
            "not our ref",
            "does not allow request for unadvertised object",
            "no such ref was fetched",
        ]) {
            Some(Self::NoRef)
        } else {
            None
        }
    }
}

fn returned(stderr: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| stderr.contains(&format!("The requested URL returned error: {code}")))
}

/// `fatal: repository 'https://host/x.git/' not found`
fn is_not_found(stderr: &str) -> bool {
    stderr.lines().any(|line| line.starts_with("fatal: repository '") && line.ends_with("' not found"))
}

/// `error: object 8238da6c: hasDotgit: contains '.git'`
fn malformed(stderr: &str) -> String {
    let found = stderr.lines().find_map(|line| line.strip_prefix("error: "));
    found.unwrap_or("it holds a malformed object").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_say_is_understood() {
        use Refusal::{Access, Malformed, NoRef, NotFound, Redirect, UnknownHost};
        for (said, meant) in [
            ("remote: Not Found\nfatal: repository 'https://github.com/x/y.git/' not found\n", Some(NotFound)),
            ("remote: Repository not found.\nfatal: repository 'https://github.com/x/y/' not found\n", Some(NotFound)),
            ("ERROR: Repository not found.\nfatal: Could not read from remote repository.\n", Some(NotFound)),
            (
                "remote: The project you were looking for could not be found or you don't have permission to view it.\n",
                Some(NotFound),
            ),
            (
                "fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.\n",
                Some(NotFound),
            ),
            ("fatal: unable to access 'https://h/x/': The requested URL returned error: 410\n", Some(NotFound)),
            ("fatal: could not read Username for 'https://github.com': terminal prompts disabled\n", Some(Access)),
            (
                "remote: Invalid username or password.\nfatal: Authentication failed for 'https://github.com/x/'\n",
                Some(Access),
            ),
            (
                "remote: Permission to x/y.git denied to z.\nfatal: unable to access 'https://h/': The requested URL returned error: 403\n",
                Some(Access),
            ),
            (
                "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
                Some(Access),
            ),
            ("Host key verification failed.\nfatal: Could not read from remote repository.\n", Some(UnknownHost)),
            ("fatal: unable to access 'https://h/x/': The requested URL returned error: 301\n", Some(Redirect)),
            ("fatal: couldn't find remote ref nosuch\n", Some(NoRef)),
            ("fatal: remote error: upload-pack: not our ref 1234567890123456789012345678901234567890\n", Some(NoRef)),
            ("error: object 8238: hasDotgit: contains '.git'\nfatal: fsck error in packed object\n", Some(Malformed)),
            ("fatal: unable to access 'https://h/x/': Could not resolve host: h\n", None),
            ("fatal: unable to access 'https://h/x/': The requested URL returned error: 502\n", None),
            ("", None),
        ] {
            assert_eq!(Refusal::read(said), meant, "{said:?}");
        }
        assert_eq!(
            malformed("x\nerror: object 8238: hasDotgit: contains '.git'\n"),
            "object 8238: hasDotgit: contains '.git'"
        );
    }
}
