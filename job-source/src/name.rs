//! Which names of files we take from strangers.

use std::path::{Component, Path, PathBuf};

const MOST_BYTES: usize = 1024;
const MOST_LEVELS: usize = 64;
/// How much of a refused name its error shows.
const SHOWN_CHARS: usize = 100;

/// A relative path that stays where it is put, or what is wrong with it.
pub(crate) fn check(name: &str) -> Result<PathBuf, String> {
    let wrong = |why: &str| Err(format!("the name {:?} {why}", shown(name)));
    if name.is_empty() || name.len() > MOST_BYTES {
        return wrong("must have 1 to 1024 bytes");
    }
    if name.chars().any(|c| c.is_control() || c == '\\') {
        return wrong("holds a control character or a backslash");
    }
    let path = Path::new(name);
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) if part.len() <= 255 => clean.push(part),
            Component::Normal(_) => return wrong("has a part of more than 255 bytes"),
            Component::CurDir => {}
            _ => return wrong("must be relative and must not contain '..'"),
        }
    }
    match clean.components().count() {
        0 => wrong("names no file"),
        levels if levels > MOST_LEVELS => wrong("has more than 64 levels"),
        _ => Ok(clean),
    }
}

fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_folder_is_refused() {
        let deep = "a/".repeat(65);
        for bad in ["", "/etc/x", "../x", "a/../../x", "a/..", "a\\b", "a\nb", "a\0b", ".", &deep, &"x".repeat(256)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"x".repeat(1 << 20)).unwrap_err().len() < 200, "an error does not repeat all of a long name");
        for good in ["main.tf", "./a/b.tf", "a//b", "modules/x/main.tf", "..a"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
