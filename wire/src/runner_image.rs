//! The image that a deployed runner runs.

use std::fmt;
use std::str::FromStr;

/// An image, as a payload says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerImage {
    /// Where it is, without scheme and tag: `image_repository`.
    pub repository: String,
    /// Its tag or digest: `image_tag`.
    pub tag: String,
}

/// What is no image.
#[derive(Debug, thiserror::Error)]
#[error("give an image without scheme, for example registry.example.com/alethia:v1 or alethia@sha256:...")]
pub struct NoImage;

impl FromStr for RunnerImage {
    type Err = NoImage;

    /// Reads `REPOSITORY`, `REPOSITORY:TAG` or `REPOSITORY@DIGEST`. Without a tag it is `latest`, as everywhere.
    fn from_str(text: &str) -> Result<Self, NoImage> {
        let (repository, tag) = split(text);
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || is_mark(b));
        let fits = is_word(repository) && !repository.contains("//") && is_word(tag) && !tag.contains('/');
        if !fits {
            return Err(NoImage);
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

fn is_mark(byte: u8) -> bool {
    b"._/:-".contains(&byte)
}

/// A colon before the last slash is a port's.
fn split(text: &str) -> (&str, &str) {
    if let Some((repository, digest)) = text.split_once('@') {
        return (repository, digest);
    }
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (text, "latest"),
    }
}

impl fmt::Display for RunnerImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.tag.contains(':') { '@' } else { ':' };
        write!(f, "{}{mark}{}", self.repository, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_repository_and_a_tag_or_a_digest() {
        for (text, repository, tag) in [
            ("x/alethia:v1", "x/alethia", "v1"),
            ("host:5000/alethia", "host:5000/alethia", "latest"),
            ("host:5000/alethia:v1", "host:5000/alethia", "v1"),
            ("alethia@sha256:ab", "alethia", "sha256:ab"),
        ] {
            let image: RunnerImage = text.parse().unwrap();
            assert_eq!((image.repository.as_str(), image.tag.as_str()), (repository, tag));
            assert_eq!(image.to_string().parse::<RunnerImage>().unwrap(), image);
        }
        for text in ["", ":v1", "x:", "x@", "https://x/alethia:v1", "x y:v1", "x:v 1"] {
            assert!(text.parse::<RunnerImage>().is_err(), "{text}");
        }
    }
}
