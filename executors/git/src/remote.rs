//! A repository elsewhere, and what opens it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::address::GitUrl;
use crate::failure::{Field, GitError};

/// A repository elsewhere, and what opens it.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(crate) url: GitUrl,
    pub(crate) token: Option<Token>,
    pub(crate) ssh_key: Option<SshKey>,
}

impl Remote {
    /// A repository that anybody may read; over ssh, with the keys and known hosts of the runner's own user.
    #[must_use]
    pub fn new(url: GitUrl) -> Self {
        Self { url, token: None, ssh_key: None }
    }

    /// Opens it with a token. It is used over https only, and reaches no other host than the address names.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Opens it with a key of the job's own, where the address says ssh. No key and no known host of the runner's user
    /// counts then.
    #[must_use]
    pub fn with_ssh_key(mut self, ssh_key: SshKey) -> Self {
        self.ssh_key = Some(ssh_key);
        self
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &GitUrl {
        &self.url
    }
}

/// A token for https, with the user name that its host wants beside it.
#[derive(Clone, Debug)]
pub struct Token {
    user: String,
    secret: SecretString,
}

impl Token {
    /// A token as GitHub, GitLab and Gitea take it: for the user `x-access-token`.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Token`] if it cannot be one; the text does not hold it.
    pub fn new(secret: &str) -> Result<Self, GitError> {
        let secret = secret.trim();
        if secret.is_empty() || secret.len() > 16 * 1024 || secret.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(GitError::invalid(Field::Token, "a token is 1 to 16384 characters without white space"));
        }
        Ok(Self { user: "x-access-token".to_owned(), secret: secret.into() })
    }

    /// For a host that wants another user name, for example Bitbucket's `x-token-auth`.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::Token`].
    pub fn for_user(self, user: &str) -> Result<Self, GitError> {
        if user.is_empty() || user.len() > 255 || user.chars().any(|c| c.is_control() || c == ':') {
            return Err(GitError::invalid(Field::Token, "the user of a token is 1 to 255 characters without ':'"));
        }
        Ok(Self { user: user.to_owned(), ..self })
    }

    pub(crate) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// RFC 7617, section 2.
    pub(crate) fn header(&self) -> String {
        format!("Authorization: Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.secret())))
    }
}

/// A private key for ssh, and the hosts that it may be shown to.
#[derive(Clone, Debug)]
pub struct SshKey {
    pub(crate) file: PathBuf,
    pub(crate) known_hosts: String,
}

impl SshKey {
    /// `file` holds the private key without a passphrase, mode 0600. `known_hosts` is text as in sshd(8), one host a
    /// line, as `ssh-keyscan` prints it; a host that is not in it is not spoken to.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for [`Field::SshKey`] or [`Field::KnownHosts`].
    pub fn new(file: &Path, known_hosts: &str) -> Result<Self, GitError> {
        let refused = |why: String| GitError::invalid(Field::SshKey, why);
        let metadata =
            std::fs::metadata(file).map_err(|error| refused(format!("the key file cannot be read: {error}")))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(refused("the key must be a file that only its owner may read (mode 0600)".to_owned()));
        }
        let names_a_host = known_hosts.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
        if !names_a_host || known_hosts.len() > 1024 * 1024 || known_hosts.contains('\0') {
            let form = "give at least one line as `ssh-keyscan HOST` prints it, at most 1 MiB";
            return Err(GitError::invalid(Field::KnownHosts, form));
        }
        Ok(Self { file: file.to_owned(), known_hosts: known_hosts.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_token() {
        let token = Token::new("s3cr3t-token").unwrap();
        let remote = Remote::new(GitUrl::parse("https://example.com/x").unwrap()).with_token(token);
        assert!(!format!("{remote:?}").contains("s3cr3t"));
        for bad in ["", " ", "s3cr3t token", "s3cr3t\r\nX-Evil: 1", "s3cr3t\0"] {
            let error = Token::new(bad).expect_err(bad);
            assert_eq!(error.field(), Some(Field::Token));
            assert!(!error.to_string().contains("s3cr3t"));
        }
        assert!(Token::new("s3cr3t-token\n").unwrap().for_user("a:b").is_err());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let host = "example.com ssh-ed25519 AAAA";
        assert_eq!(SshKey::new(&file, host).unwrap_err().field(), Some(Field::SshKey));
        std::fs::write(&file, "key").unwrap();
        for (mode, fits) in [(0o644, false), (0o640, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(SshKey::new(&file, host).is_ok(), fits, "{mode:o}");
        }
        for none in ["", "\n", "# example.com", "a\0b"] {
            assert_eq!(SshKey::new(&file, none).unwrap_err().field(), Some(Field::KnownHosts), "{none:?}");
        }
    }
}
