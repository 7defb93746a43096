//! How much a commit holds, looked at before any of it is written: a few kilobytes may unfold to a full disk.

use std::time::Duration;

use executor_api::ExecutorError;

use crate::failure::GitError;
use crate::repository::Repository;

const MOST_FILES: usize = 250_000;
const MOST_BYTES: u64 = 4 << 30;
/// A tree that takes longer to list has more entries than any disk has files.
const LISTING_LIMIT: Duration = Duration::from_secs(60);
/// How many names a message tells.
const SHOWN: usize = 5;

/// Refuses a commit that is too large, and says what of it will look other than its author sees it.
pub(crate) async fn check(repository: &Repository<'_>, commit: &str) -> Result<(), GitError> {
    let too_many = || GitError::Refused { why: format!("it has more than {MOST_FILES} files") };
    let listing = repository.ask(repository.local(["ls-tree", "-r", "-z", "--long", "--full-tree", commit]));
    let listing = match tokio::time::timeout(LISTING_LIMIT, listing).await {
        // The one way in which a listing fails without git failing: more than a capture takes.
        Err(_) | Ok(Err(GitError::Failed(ExecutorError::Other(_)))) => return Err(too_many()),
        Ok(listing) => listing?,
    };
    let contents = Contents::read(&listing);
    if contents.files > MOST_FILES {
        return Err(too_many());
    }
    if contents.bytes > MOST_BYTES {
        return Err(GitError::Refused { why: "it holds more than 4 GiB".to_owned() });
    }
    let log = repository.job().log();
    if !contents.links.is_empty() {
        log.system(format!("links are not followed, they are text files here: {}", names(&contents.links)));
    }
    if !contents.submodules.is_empty() {
        log.system(format!("submodules are not fetched, they are empty folders here: {}", names(&contents.submodules)));
    }
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    files: usize,
    bytes: u64,
    links: Vec<String>,
    submodules: Vec<String>,
}

impl Contents {
    /// Entries are `<mode> <type> <id> <size>\t<path>` and end in NUL; see git-ls-tree(1).
    fn read(listing: &[u8]) -> Self {
        let mut contents = Self::default();
        for entry in listing.split(|&b| b == 0).filter(|entry| !entry.is_empty()) {
            contents.files += 1;
            let Some(tab) = entry.iter().position(|&b| b == b'\t') else { continue };
            let facts = String::from_utf8_lossy(&entry[..tab]);
            contents.bytes += facts.split_whitespace().nth(3).and_then(|size| size.parse().ok()).unwrap_or(0);
            let path = || String::from_utf8_lossy(&entry[tab + 1..]).into_owned();
            match facts.split_whitespace().next() {
                Some("120000") => contents.links.push(path()),
                Some("160000") => contents.submodules.push(path()),
                _ => {}
            }
        }
        contents
    }
}

fn names(paths: &[String]) -> String {
    let shown: Vec<_> = paths.iter().take(SHOWN).map(|path| format!("{path:?}")).collect();
    let more = paths.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_counted() {
        let id = "45b983be36b73c0788dc9cbcb76cbb80fc7bb057";
        let listing = format!(
            "100644 blob {id}       3\ta\0120000 blob {id}      11\tl\n\0160000 commit {id}       -\tsub\0100755 blob {id} 4294967297\tb c\0"
        );
        let expected = Contents {
            files: 4,
            bytes: 3 + 11 + 4_294_967_297,
            links: vec!["l\n".to_owned()],
            submodules: vec!["sub".to_owned()],
        };
        assert_eq!(Contents::read(listing.as_bytes()), expected);
        assert_eq!(Contents::read(b""), Contents::default());
    }

    #[test]
    fn many_names_are_told_by_number() {
        let many: Vec<_> = (0..7).map(|number| number.to_string()).collect();
        assert_eq!(names(&many), r#""0", "1", "2", "3", "4" and 2 more"#);
        assert_eq!(names(&many[..1]), r#""0""#);
    }
}
