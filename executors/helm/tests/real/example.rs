//! The example that the README shows.

use std::path::Path;

use executor_api::Input;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cluster::{in_namespace, run};

#[tokio::test]
async fn the_example_is_installed_as_it_is() {
    in_namespace(async |namespace| {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let payload = std::fs::read_to_string(examples.join("payloads/helm.json")).unwrap();
        let mut payload: Value = serde_json::from_str(&payload).unwrap();
        // What the command line's --dir and --kubeconfig do.
        let archive = job_source::pack(&examples.join("charts/hello")).unwrap();
        let id = hex::encode(Sha256::digest(&archive));
        payload["chart"] = json!({ "source": { "archive": id } });
        payload["namespace"] = json!(namespace.name);
        let job = namespace.builder("upgrade", payload).input(Input::Source(id), archive).build().unwrap();
        let outcome = run(&job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
        assert_eq!((&outcome.metadata["release"], &outcome.metadata["ready"]), (&json!("hello"), &json!(true)));
        assert_eq!(outcome.metadata["notes"], "hello says \"hello, world\" from 2 pods.");
    })
    .await;
}
