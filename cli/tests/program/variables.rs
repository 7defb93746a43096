//! The table of variables says what the code reads, and the code reads what the table says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use runner_host::{PASSED_ON, SURROUNDINGS, VARIABLES};

use crate::desk::{Desk, leaves};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The one list.
const LIST: &str = "config/names.rs";
/// Set by us for a program that we start, and read by nobody else.
const OURS_ALONE: [&str; 2] = ["ALETHIA_GIT_SSH", "ALETHIA_GIT_SSH_CONFIG"];

/// Folders of what is no product.
const ELSEWHERE: [&str; 5] = ["tests", "testing", "target", "xtask", "templates"];

/// The names in the first column of the tables.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/environment-variables.md")).unwrap();
    let first = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |")).map(|(first, _)| first);
    first.flat_map(|cell| cell.split('`')).filter(|name| is_name(name)).map(str::to_owned).collect()
}

fn is_name(text: &str) -> bool {
    text.len() > 1 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn listed() -> BTreeSet<String> {
    [VARIABLES, PASSED_ON, SURROUNDINGS].concat().into_iter().map(str::to_owned).collect()
}

/// The names with our prefix in string literals of what is not a test and not the list itself.
fn read(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !ELSEWHERE.contains(&name) && !name.starts_with('.') {
            read(&path, found);
        } else if name.ends_with(".rs") && !name.contains("tests") && !path.ends_with(LIST) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            // What stands between quotes is every second piece, but for characters like '"'; a name is a name either way.
            let literals = code.split('"').filter(|literal| is_name(literal));
            found.extend(literals.filter(|name| is_ours(name)).map(str::to_owned));
        }
    }
}

fn is_ours(name: &str) -> bool {
    ["ALETHIA_", "SUPABASE_"].iter().any(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
        || name == "INFRACOST_API_KEY"
}

#[test]
fn the_table_and_the_list_are_the_same() {
    let (documented, listed) = (documented(), listed());
    let missing: Vec<_> = listed.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/environment-variables.md lacks {missing:?}");
    let stale: Vec<_> = documented.difference(&listed).collect();
    assert!(stale.is_empty(), "docs/environment-variables.md has what nothing reads: {stale:?}");
}

#[test]
fn the_list_and_the_code_are_the_same() {
    let mut found = BTreeSet::new();
    read(Path::new(ROOT), &mut found);
    found.retain(|name| !OURS_ALONE.contains(&name.as_str()));
    let listed: BTreeSet<_> = listed().into_iter().filter(|name| is_ours(name)).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(unlisted.is_empty(), "{LIST} lacks {unlisted:?}");
    let unread: Vec<_> = listed.difference(&found).collect();
    assert!(unread.is_empty(), "{LIST} has what nothing reads: {unread:?}");
}

#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let mut desk = Desk::new();
    for name in VARIABLES {
        desk.set(name, "");
    }
    let server = desk.serve().await;
    let runner = desk.hire().await;
    desk.run(&["job", "list"]).await.expect(0);
    leaves(runner).await;
    leaves(server).await;
}
