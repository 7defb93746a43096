//! Places in a JSON document, as RFC 6901 writes them.

use serde_path_to_error::{Path, Segment};

/// The place of a field of what is at `pointer`.
#[must_use]
pub fn pointer_to(pointer: &str, field: &str) -> String {
    format!("{pointer}/{}", field.replace('~', "~0").replace('/', "~1"))
}

/// Where serde stopped; empty for the document as a whole.
#[must_use]
pub fn pointer_of(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => pointer_to(&pointer, key),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_place_is_found_by_its_pointer() {
        let document = serde_json::json!({ "a/b~c": [[1], ["x"]] });
        let read = serde_path_to_error::deserialize::<_, BTreeMap<String, Vec<Vec<u8>>>>(&document);
        let pointer = pointer_of(read.unwrap_err().path());
        assert_eq!(pointer, "/a~1b~0c/1/0");
        assert_eq!(document.pointer(&pointer).unwrap(), "x");
        let whole = serde_path_to_error::deserialize::<_, u8>(&document).unwrap_err();
        assert_eq!(pointer_of(whole.path()), "");
    }
}
