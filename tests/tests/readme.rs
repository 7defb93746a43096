//! The README shows code that is compiled, and not its memory of it.

use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_code_of_the_example_is_shown_as_it_is() {
    let readme = read("README.md");
    for file in ["examples/hello-executor/src/lib.rs", "examples/hello-executor/src/main.rs"] {
        assert!(readme.contains(&format!("```rust\n{}```", read(file))), "the README shows another {file}");
    }
}

#[test]
fn files_that_the_guides_link_to_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut links = 0;
    for guide in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for target in read(guide).split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(root.join(path).exists(), "{guide} links to {path}, which is not there");
            links += 1;
        }
    }
    assert!(links > 3, "only {links} links were found");
}
