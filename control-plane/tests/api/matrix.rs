//! Who may do what with a job: every kind of runner × every kind of job × every endpoint, against one rule.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::endpoints::ask_all;
use crate::plane::{Plane, Runner};

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

async fn claim(runner: &Runner) -> Option<String> {
    let request = json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] });
    Some(runner.claim(request).await.job?.id.to_string())
}

/// The jobs and the metadata of a runner, as a person finds it in the list.
async fn listed(plane: &Plane, token: &str, runner: &Runner) -> Option<(Vec<String>, Value)> {
    let all = plane.ask(token, Method::GET, "/api/runners", &Value::Null).await.1;
    let found = all["runners"].as_array().unwrap().iter().find(|listed| listed["id"] == json!(runner.id))?;
    Some((serde_json::from_value(found["jobs"].clone()).unwrap(), found["metadata"].clone()))
}

#[tokio::test]
async fn what_a_runner_does_is_listed_for_whom_it_does_it_and_who_looks_after_it() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let ada = plane.add_user("ada", "default").await;
    let [own, hers, shared] = <[Party; 3]>::try_from(parties(&plane, &eve).await).ok().unwrap();
    let about = json!({ "subnet": "a" });
    for party in [&own, &hers, &shared] {
        let path = format!("/api/runners/{}/metadata", party.runner.id);
        let told = party.runner.call(Method::PATCH, &path).json(&about).send().await.unwrap();
        assert_eq!(told.status(), StatusCode::OK);
    }
    let job = plane
        .submit_as(json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": shared.runner.id }))
        .await;
    assert_eq!(claim(&shared.runner).await.as_ref(), Some(&job));
    for (who, token, sees) in [("admin", &plane.admin, [true, false, true]), ("eve", &eve, [false, true, false])] {
        for (party, whole) in [&own, &hers, &shared].into_iter().zip(sees) {
            let seen = listed(&plane, token, &party.runner).await;
            let jobs = if whole && party.works_for_all { vec![job.clone()] } else { vec![] };
            let expected = match (whole, party.works_for_all) {
                (true, _) => Some((jobs, about.clone())),
                (false, true) => Some((jobs, Value::Null)),
                (false, false) => None,
            };
            assert_eq!(seen, expected, "{who}: {}", party.name);
        }
    }
    let seen = listed(&plane, &ada, &shared.runner).await;
    assert_eq!(seen, Some((vec![job], Value::Null)), "her organisation's job, on a runner that is not hers");
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

                ask_all(&party.runner, &job).await.is_refused(&format!("{case}, which waits"));
                let claimed = claim(&party.runner).await;
                assert_eq!(claimed.as_deref() == Some(&job), may_claim(party, org, assigned), "{case}");
                for stranger in parties.iter().filter(|other| other.runner.id != party.runner.id && claimed.is_some()) {
                    ask_all(&stranger.runner, &job).await.is_refused(&format!("{case}, {}", stranger.name));
                    seen.0 += 1;
                }
                if claimed.is_some() {
                    ask_all(&party.runner, &job).await.is_allowed(&case);
                    let after_its_end = if party.works_for_all { StatusCode::NOT_FOUND } else { StatusCode::OK };
                    for path in ["", "/logs", "/log", "/artifacts"] {
                        let read = party.runner.call(Method::GET, &format!("/api/jobs/{job}{path}"));
                        assert_eq!(
                            read.send().await.unwrap().status(),
                            after_its_end,
                            "{case}: GET {path} after the end"
                        );
                    }
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
    assert_eq!(seen, (8 * 2, 8), "every case was seen");
}
