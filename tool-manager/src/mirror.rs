//! Where release files come from: the projects, or a mirror of the operator's.

use std::path::{Path, PathBuf};

use url::Url;

/// Where release files come from. A mirror holds each file under its URL without the scheme, as
/// `wget --force-directories` makes it: `MIRROR/get.helm.sh/helm-v3.22.0-linux-amd64.tar.gz`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// From the projects themselves.
    #[default]
    None,
    /// From below this address.
    Url(String),
    /// From a folder of this machine.
    Folder(PathBuf),
}

/// What was set as the mirror is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mirror {text:?} {why}; give an http or https address without user, query and fragment, or a folder's absolute path"
)]
pub struct MirrorError {
    text: String,
    why: &'static str,
}

/// A file's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Url(String),
    File(PathBuf),
}

impl Mirror {
    /// An address, or the absolute path of a folder.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, MirrorError> {
        let refused = |why| Err(MirrorError { text: text.to_owned(), why });
        if Path::new(text).is_absolute() {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let Ok(url) = Url::parse(text) else { return refused("is no address and no absolute path") };
        if !url.username().is_empty() || url.password().is_some() {
            // It would show up in messages.
            return Err(MirrorError { text: "(with a password)".to_owned(), why: "holds a user name or password" });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused("has a query or fragment");
        }
        match url.scheme() {
            // What it serves is checked anyway, so it need not be secret or authentic.
            "http" | "https" if url.has_host() => Ok(Self::Url(url.as_str().trim_end_matches('/').to_owned())),
            _ => refused("is not http or https"),
        }
    }

    /// Where the file with this URL is.
    pub(crate) fn place(&self, url: &str) -> Place {
        let path = url.split_once("://").map_or(url, |(_, path)| path);
        match self {
            Self::None => Place::Url(url.to_owned()),
            Self::Url(base) => Place::Url(format!("{base}/{path}")),
            Self::Folder(dir) => Place::File(dir.join(path)),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::File(file) => file.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_holds_files_under_their_urls() {
        let url = "https://get.helm.sh/helm-v1.tar.gz";
        let place = |mirror: &str| Mirror::parse(mirror).unwrap().place(url);
        assert_eq!(Mirror::None.place(url), Place::Url(url.to_owned()));
        for mirror in ["http://mirror.example/tools", "http://mirror.example/tools/"] {
            let expected = "http://mirror.example/tools/get.helm.sh/helm-v1.tar.gz";
            assert_eq!(place(mirror), Place::Url(expected.to_owned()));
        }
        assert_eq!(place("/srv/tools"), Place::File(PathBuf::from("/srv/tools/get.helm.sh/helm-v1.tar.gz")));
    }

    #[test]
    fn what_is_no_mirror_is_refused_and_no_password_is_repeated() {
        for bad in ["", "tools", "./tools", "ftp://a", "file:///a", "https://a/?x=1", "https://a/#x", "https://"] {
            let error = Mirror::parse(bad).unwrap_err().to_string();
            assert!(error.contains("absolute path"), "{bad}: {error}");
        }
        let error = Mirror::parse("https://u:hunter2@a").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
