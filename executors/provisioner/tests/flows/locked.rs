//! A state that somebody else holds the lock of.

use std::fs::File;

use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;

use crate::harness::{Place, payload};

#[tokio::test]
async fn who_holds_the_lock_and_for_how_long_is_said() {
    let place = Place::new();
    place.done(&place.job("DEPLOY", &payload(&json!({})))).await;
    // As terraform itself does it: a lock of the file, and beside it who holds it.
    let state = File::options().read(true).write(true).open(place.state()).unwrap();
    fcntl_lock(&state, FlockOperation::NonBlockingLockExclusive).unwrap();
    let info = json!({ "ID": "6a4ce2a1-8a4e-2b0e-7f3c-0d8a5c1f9f10", "Operation": "OperationTypeApply", "Info": "",
                       "Who": "deploy@build-7", "Version": "1.11.4", "Created": "2020-01-01T00:00:00Z",
                       "Path": place.state() });
    let name = place.state().file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::write(place.state().with_file_name(format!(".{name}.lock.info")), info.to_string()).unwrap();

    for kind in ["PLAN", "DEPLOY", "DESTROY"] {
        let job = place.job(kind, &payload(&json!({ "network": { "cidr_block": "10.3.0.0/16" } })));
        let error = place.refused(&job).await;
        for part in ["the state is locked by deploy@build-7 since 2020-01-01", "years", "6a4ce2a1-8a4e-2b0e-7f3c"] {
            assert!(error.contains(part), "{kind}: {part} is not in {error}");
        }
    }
    drop(state);
    place.done(&place.job("PLAN", &payload(&json!({})))).await;
}
