//! The cluster that `cargo xtask cluster` gives a test, or a visible skip.

use executor_api::testing::{TestJob, TestJobBuilder};
use serde_json::{Value, json};

/// The text of an admin's kubeconfig.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the cluster is")]
pub(crate) fn kubeconfig() -> Option<String> {
    if let Ok(file) = std::env::var("ALETHIA_TEST_KUBECONFIG") {
        return Some(std::fs::read_to_string(file).expect("ALETHIA_TEST_KUBECONFIG names a file"));
    }
    assert!(std::env::var("ALETHIA_REQUIRE_TOOLS").is_err(), "no cluster: run this with `cargo xtask cluster -- ...`");
    println!("SKIPPED: no cluster; run this with `cargo xtask cluster -- cargo test -p cluster-access`");
    None
}

pub(crate) fn job() -> TestJobBuilder {
    TestJob::builder("kubectl", &json!({}))
}

pub(crate) fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("a kubeconfig")
}
