//! Tokens: random, shown once, kept only as a digest.

use std::io::{self, Write};
use std::path::Path;

use rand::TryRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new secret: 32 random bytes as hexadecimal digits.
///
/// # Errors
/// If the system has no randomness.
pub(crate) fn generate() -> io::Result<String> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// What is stored of a token. A digest without salt is enough for 256 random bits.
pub(crate) fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Whether a token is the one of which `stored` is the digest. Takes the same time for every wrong token.
pub(crate) fn matches(token: &str, stored: &str) -> bool {
    digest(token).as_bytes().ct_eq(stored.as_bytes()).into()
}

/// Makes secrets of attempts from one secret of the plane, so that a lost answer can be given again and nothing needs
/// to be stored.
#[derive(Clone)]
pub(crate) struct Deriver([u8; 32]);

impl Deriver {
    /// Reads the plane's secret from a file, or makes it (mode 0600).
    ///
    /// # Errors
    /// If the file cannot be read or made, or holds something else.
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        if !file.exists() {
            write_secret(file, &generate()?)?;
        }
        let text = std::fs::read_to_string(file)?;
        let bytes = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| {
            io::Error::other(format!("{} does not hold 64 hexadecimal digits; restore it", file.display()))
        })
    }

    /// A deriver of this secret, for tests.
    #[cfg(test)]
    pub(crate) fn of(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The state token of one attempt.
    pub(crate) fn state_token(&self, job: &wire::JobId, attempt: wire::AttemptNo) -> String {
        hex::encode(self.derive(&format!("state {job} {attempt}")))
    }

    /// The key for one purpose.
    pub(crate) fn key(&self, purpose: &str) -> [u8; 32] {
        self.derive(&format!("key {purpose}"))
    }

    fn derive(&self, message: &str) -> [u8; 32] {
        // Both ends of the message are fixed in length or form, and SHA-256 twice has no length extension.
        let inner = Sha256::new().chain_update(self.0).chain_update(message).finalize();
        Sha256::new().chain_update(self.0).chain_update(inner).finalize().into()
    }
}

/// Writes a secret to a new file that only its owner may read. Nobody ever sees a part of it there: not who waits for it,
/// and not the next start after a crash.
///
/// # Errors
/// If the file is there or cannot be made.
pub(crate) fn write_secret(file: &Path, secret: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(whole, "{secret}")?;
    whole.as_file().sync_all()?;
    whole.persist_noclobber(file)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_comes_as_a_whole_to_its_owner_alone_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        write_secret(&file, "first").unwrap();
        assert_eq!(write_secret(&file, "second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "first\n");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_state_token_belongs_to_one_attempt_of_one_job() {
        let deriver = Deriver([7; 32]);
        let (one, two) = (wire::JobId::generate(), wire::JobId::generate());
        let token = |job, attempt| deriver.state_token(job, wire::AttemptNo(attempt));
        assert_eq!(token(&one, 1), token(&one, 1));
        assert_ne!(token(&one, 1), token(&one, 2));
        assert_ne!(token(&one, 1), token(&two, 1));
        assert_ne!(token(&one, 1), Deriver([8; 32]).state_token(&one, wire::AttemptNo(1)));
    }

    #[test]
    fn the_secret_of_the_plane_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let first = Deriver::open(&file).unwrap();
        assert_eq!(first.0, Deriver::open(&file).unwrap().0);
        std::fs::write(&file, "rubbish").unwrap();
        assert!(Deriver::open(&file).is_err());
    }
}
