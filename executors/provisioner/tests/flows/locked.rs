//! A state that somebody else holds the lock of.

use serde_json::json;

use crate::harness::{Place, payload};

#[tokio::test]
async fn who_holds_the_lock_and_for_how_long_is_said() {
    let place = Place::new();
    place.done(&place.job("DEPLOY", &payload(&json!({})))).await;
    let state = place.lock();

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
