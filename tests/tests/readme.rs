//! What the guides say of the code: the README shows what is compiled, and a missing tool is a visible skip.

use std::path::{Path, PathBuf};

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
    let mut guides: Vec<_> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into();
    guides.extend(root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path()));
    let mut links = 0;
    for guide in guides.iter().filter(|guide| guide.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(guide).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
        for path in paths.filter(|path| !path.is_empty() && !path.contains("://")) {
            let target = guide.parent().unwrap().join(path);
            assert!(target.exists(), "{} links to {path}, which is not there", guide.display());
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links were found");
}

/// All Rust below a folder, but not what is built.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The harness keeps what a passing test prints, so that whoever says it elsewhere is not heard.
#[test]
fn one_function_says_that_a_test_is_skipped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let says = |path: &Path| std::fs::read_to_string(path).unwrap().contains(concat!("SKIPPED", ":"));
    let saying: Vec<_> = sources(root).into_iter().filter(|path| says(path)).collect();
    let saying: Vec<_> = saying.iter().map(|path| path.strip_prefix(root).unwrap()).collect();
    let heard = Path::new("executor-api/src/testing/machine.rs");
    assert!(saying.contains(&heard), "{saying:?}");
    assert!(saying.iter().all(|path| *path == heard || path.starts_with("xtask")), "{saying:?}");
}
