//! Servers that do not know us, or are not there.

use serde_json::json;

use crate::cluster::{cluster, fail};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_says_so() {
    let Some(cluster) = cluster() else { return };
    for (auth, expected) in [
        (
            json!({ "username": "admin", "password": "wr0ng-password-of-a-test" }),
            "/auth: Argo CD does not know us: Invalid username or password",
        ),
        (
            json!({ "username": "nobody", "password": "wr0ng-password-of-a-test" }),
            "/auth: Argo CD does not know us: Invalid username or password",
        ),
        (json!({ "token": "wr0ng-token-of-a-test" }), "/auth: Argo CD does not know us: token is malformed"),
        (
            json!({ "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhcmdvY2QifQ.AAAA" }),
            "/auth: Argo CD does not know us: ",
        ),
    ] {
        let (job, text) = fail(&cluster.payload("sync", json!({ "application": "any", "auth": auth }))).await;
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(job.commits(), 0);
        assert!(!job.log().contains("trying again") && !job.log().contains("wr0ng"), "{}", job.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_asked_three_times() {
    let Some(cluster) = cluster() else { return };
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for auth in [json!({ "token": "t0ken-of-a-test" }), json!({ "username": "admin", "password": "passw0rd" })] {
        let payload = cluster
            .payload("status", json!({ "application": "any", "server": format!("127.0.0.1:{port}"), "auth": auth }));
        let (job, text) = fail(&payload).await;
        assert!(text.contains("onnection refused") && text.contains("the runner cannot reach /server"), "{text}");
        assert_eq!(job.log().matches("trying again in 5 s").count(), 2, "{}", job.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_found_out() {
    let Some(cluster) = cluster() else { return };
    for auth in [json!({ "token": "t0ken-of-a-test" }), json!({ "username": "admin", "password": "passw0rd" })] {
        let (job, text) =
            fail(&cluster.payload("status", json!({ "application": "any", "tls": {}, "auth": auth }))).await;
        assert!(!job.log().contains("passw0rd") && !job.log().contains("t0ken-of-a-test"), "{}", job.log());
        assert!(text.contains("argocd "), "{text}");
    }
}
