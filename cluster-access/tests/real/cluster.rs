//! The cluster that `cargo xtask cluster` gives a test, or a visible skip.

use executor_api::testing::{TestJob, TestJobBuilder};
use serde_json::{Value, json};

/// The text of an admin's kubeconfig.
pub(crate) fn kubeconfig() -> Option<String> {
    let file = executor_api::testing::kubeconfig()?;
    Some(std::fs::read_to_string(file).expect("ALETHIA_TEST_KUBECONFIG names a file"))
}

pub(crate) fn job() -> TestJobBuilder {
    TestJob::builder("kubectl", &json!({}))
}

pub(crate) fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("a kubeconfig")
}
