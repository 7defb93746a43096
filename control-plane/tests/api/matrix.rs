//! Who may do what with a job: every kind of runner × every kind of job × every endpoint, against one rule.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, Runner};

/// What a runner can ask of a job that another one holds, or nobody.
const ENDPOINTS: [(&str, &str); 11] = [
    ("GET", ""),
    ("GET", "/logs"),
    ("GET", "/log"),
    ("GET", "/artifacts"),
    ("GET", "/artifacts/terraform.plan.out"),
    ("GET", "/plan-artifact"),
    ("PUT", "/status"),
    ("POST", "/logs"),
    ("PUT", "/artifacts/x"),
    ("POST", "/git-token"),
    ("POST", "/oidc-token"),
];

/// Whose job it is, and to whom it is assigned.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Assigned {
    Nobody,
    Itself,
    Another,
}

struct Party {
    name: &'static str,
    org: &'static str,
    works_for_all: bool,
    runner: Runner,
}

async fn parties(plane: &Plane, eve: &str) -> Vec<Party> {
    let register = async |token: &str, body: Value| {
        let answer = plane.user_with(token, Method::POST, "/api/runners/register").json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        plane.runner(answer["runner"]["id"].as_str().unwrap(), answer["runner_token"].as_str().unwrap())
    };
    let own = register(&plane.admin, json!({ "name": "own" })).await;
    let hers = register(eve, json!({ "name": "hers" })).await;
    let shared = register(&plane.admin, json!({ "name": "shared", "mode": "cloud-hosted" })).await;
    vec![
        Party { name: "self-hosted of the organisation", org: "default", works_for_all: false, runner: own },
        Party { name: "self-hosted of another", org: "other", works_for_all: false, runner: hers },
        Party { name: "cloud-hosted", org: "default", works_for_all: true, runner: shared },
    ]
}

async fn ask(runner: &Runner, method: &str, job: &str, path: &str) -> StatusCode {
    let body = match path {
        "/status" => json!({ "status": "SUCCESS" }),
        "/oidc-token" => json!({ "audience": "a" }),
        _ => json!({ "log_chunk": "x\n" }),
    };
    let call = runner.call(method.parse().unwrap(), &format!("/api/jobs/{job}{path}"));
    call.header("X-Job-Attempt", 1).json(&body).send().await.unwrap().status()
}

async fn claim(runner: &Runner) -> Option<String> {
    let request = json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] });
    Some(runner.claim(request).await.job?.id.to_string())
}

/// A party may claim a job of whomever it works for, unless it is assigned to another.
fn may_claim(party: &Party, org: &str, assigned: Assigned) -> bool {
    (party.works_for_all || party.org == org) && assigned != Assigned::Another
}

#[tokio::test]
async fn a_job_is_open_to_who_may_claim_it_and_then_to_who_holds_it() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let parties = parties(&plane, &eve).await;
    let mut seen = (0, 0);
    for (token, org) in [(plane.admin.clone(), "default"), (eve.clone(), "other")] {
        for party in &parties {
            for assigned in [Assigned::Nobody, Assigned::Itself, Assigned::Another] {
                let case = format!("{} runner, a job of {org} assigned to {assigned:?}", party.name);
                let mut body = json!({ "job_type": "read", "config_snapshot": {} });
                // Another that this organisation may name.
                let another = parties.iter().find(|other| {
                    other.works_for_all != party.works_for_all && (other.works_for_all || other.org == org)
                });
                let named = match assigned {
                    Assigned::Nobody => None,
                    Assigned::Itself => Some(&party.runner),
                    Assigned::Another => another.map(|another| &another.runner),
                };
                if let Some(named) = named {
                    body["assigned_runner_id"] = json!(named.id);
                }
                let submitted = plane.user_with(&token, Method::POST, "/api/jobs").json(&body).send().await.unwrap();
                let may_name = assigned == Assigned::Nobody
                    || assigned == Assigned::Another
                    || party.works_for_all
                    || party.org == org;
                if !may_name {
                    assert_eq!(submitted.status(), StatusCode::BAD_REQUEST, "{case}: a runner of somebody else");
                    continue;
                }
                assert_eq!(submitted.status(), StatusCode::CREATED, "{case}");
                let job = submitted.json::<Value>().await.unwrap()["job"]["id"].as_str().unwrap().to_owned();

                for (method, path) in ENDPOINTS {
                    let status = ask(&party.runner, method, &job, path).await;
                    assert!(status.is_client_error(), "{case}: {method} {path} of a job that waits: {status}");
                }
                let claimed = claim(&party.runner).await;
                assert_eq!(claimed.as_deref() == Some(&job), may_claim(party, org, assigned), "{case}");
                for stranger in parties.iter().filter(|other| other.runner.id != party.runner.id && claimed.is_some()) {
                    for (method, path) in ENDPOINTS {
                        let status = ask(&stranger.runner, method, &job, path).await;
                        assert!(status.is_client_error(), "{case}: {} may {method} {path}: {status}", stranger.name);
                        seen.0 += 1;
                    }
                }
                if claimed.is_some() {
                    let path = format!("/api/jobs/{job}");
                    assert_eq!(
                        party.runner.call(Method::GET, &path).send().await.unwrap().status(),
                        StatusCode::OK,
                        "{case}"
                    );
                    assert_eq!(ask(&party.runner, "PUT", &job, "/status").await, StatusCode::OK, "{case}");
                    seen.1 += 1;
                } else {
                    let cancel = plane.user_with(&token, Method::POST, &format!("/api/jobs/{job}/cancel"));
                    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::OK, "{case}");
                }
                let ended = plane.user_with(&token, Method::GET, &format!("/api/jobs/{job}")).send().await.unwrap();
                let ended = ended.json::<Value>().await.unwrap();
                let expected = if claimed.is_some() { "SUCCESS" } else { "CANCELLED" };
                assert_eq!(ended["status"], expected, "{case}: nobody else has changed it");
            }
        }
    }
    assert_eq!(seen, (8 * 2 * ENDPOINTS.len(), 8), "every case was seen");
}
