//! The rules of the state backend, one request at a time.

use base64::Engine as _;
use md5::{Digest, Md5};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use wire::JobStatus;

use crate::plane::Plane;

/// A caller of the state backend.
struct Caller<'a> {
    plane: &'a Plane,
    user: &'a str,
    password: &'a str,
}

impl Caller<'_> {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = self.plane.url(&format!("/api/state/net{path}"));
        self.plane.client.request(method, url).basic_auth(self.user, Some(self.password))
    }

    async fn lock(&self, id: &str) -> Response {
        self.request(Method::PUT, "/lock").json(&json!({ "ID": id, "Who": "me", "Info": "" })).send().await.unwrap()
    }

    async fn unlock(&self, id: &str, query: &str) -> u16 {
        let request = self.request(Method::DELETE, &format!("/lock{query}")).json(&json!({ "ID": id }));
        request.send().await.unwrap().status().as_u16()
    }

    async fn save(&self, query: &str, serial: u32) -> u16 {
        let state = json!({ "version": 4, "serial": serial });
        self.request(Method::POST, query).json(&state).send().await.unwrap().status().as_u16()
    }

    async fn serial(&self) -> Option<Value> {
        let answer = self.request(Method::GET, "").send().await.unwrap();
        match answer.status().as_u16() {
            404 => None,
            _ => Some(answer.json::<Value>().await.unwrap()["serial"].clone()),
        }
    }
}

#[tokio::test]
async fn a_state_is_saved_under_its_lock_and_survives_a_restart() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    plane.rules.add("k");
    let holder = Caller { plane: &plane, user: "j", password: "1" };
    let other = Caller { plane: &plane, user: "k", password: "1" };
    assert_eq!(holder.serial().await, None);
    let before = wire::Timestamp::now().to_the_second();
    assert_eq!(holder.lock("L").await.status(), 200);
    let after = wire::Timestamp::now().to_the_second();
    assert_eq!(holder.lock("L").await.status(), 200, "a lost answer is asked for again");
    let refused = other.lock("M").await;
    assert_eq!(refused.status(), 423);
    let info: Value = refused.json().await.unwrap();
    let said = info["Info"].as_str().unwrap();
    let since = said.strip_prefix("held by job j, attempt 1, on runner runner-1, since ").unwrap();
    assert!((before.as_str()..=after.as_str()).contains(&since), "{since} is not from {before} to {after}");
    assert_eq!((&info["ID"], &info["Who"]), (&json!(format!("L ({said})")), &json!("me")));
    let asked: Value = other.request(Method::GET, "/lock").send().await.unwrap().json().await.unwrap();
    assert_eq!((&asked["ID"], &asked["Info"]), (&json!("L"), &info["Info"]));
    for (caller, query) in [(&other, ""), (&other, "?ID=L"), (&holder, ""), (&holder, "?ID=M")] {
        assert_eq!(caller.save(query, 9).await, 409, "{} {query}", caller.user);
    }
    assert_eq!(holder.save("?ID=L", 1).await, 200);
    for (caller, id) in [(&other, "L"), (&holder, "M")] {
        assert_eq!(caller.unlock(id, "").await, 409, "{} {id}", caller.user);
    }
    let plane = plane.restart().await;
    let holder = Caller { plane: &plane, user: "j", password: "1" };
    let other = Caller { plane: &plane, user: "k", password: "1" };
    assert_eq!(holder.serial().await, Some(json!(1)));
    assert_eq!(other.lock("M").await.status(), 423);
    assert_eq!(holder.unlock("L", "").await, 200);
    assert_eq!(holder.unlock("L", "").await, 200, "a lost answer is asked for again");
    assert_eq!(other.lock("M").await.status(), 200);
    assert_eq!(holder.save("?ID=L", 2).await, 409, "the lock is another's now");
}

#[tokio::test]
async fn a_holder_whose_lease_is_lost_may_save_and_unlock_but_not_begin() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let old = Caller { plane: &plane, user: "j", password: "1" };
    let new = Caller { plane: &plane, user: "j", password: "2" };
    assert_eq!(old.lock("L").await.status(), 200);
    plane.rules.change("j", |progress| progress.attempt = 2);
    assert_eq!(old.save("?ID=L", 1).await, 200);
    assert_eq!(old.serial().await, Some(json!(1)));
    assert_eq!(old.unlock("L", "").await, 200);
    assert_eq!(old.lock("L").await.status(), 403);
    assert_eq!(old.save("", 2).await, 403);
    assert_eq!(old.save("?ID=L", 2).await, 409);
    assert_eq!(old.request(Method::GET, "").send().await.unwrap().status(), 403);
    assert_eq!(new.serial().await, Some(json!(1)));
    plane.rules.end("j", JobStatus::Failed);
    assert_eq!(new.lock("M").await.status(), 403);
}

#[tokio::test]
async fn the_next_attempt_takes_what_the_last_one_holds() {
    let plane = Plane::start().await;
    for job in ["j", "k"] {
        plane.rules.add(job);
    }
    let old = Caller { plane: &plane, user: "j", password: "1" };
    let new = Caller { plane: &plane, user: "j", password: "2" };
    let other = Caller { plane: &plane, user: "k", password: "2" };
    assert_eq!(old.lock("L").await.status(), 200);
    assert_eq!(new.lock("M").await.status(), 423, "it is not the job's attempt yet");
    for job in ["j", "k"] {
        plane.rules.change(job, |progress| progress.attempt = 2);
    }
    let refused: Value = other.lock("O").await.json().await.unwrap();
    assert!(
        refused["Info"].as_str().unwrap().contains("attempt 1, on runner runner-1, which has ended, since "),
        "{refused}"
    );
    assert_eq!(new.lock("M").await.status(), 200);
    assert_eq!(old.save("?ID=L", 1).await, 409);
    assert_eq!(old.unlock("L", "").await, 409);
    assert_eq!(old.lock("L").await.status(), 423);
    assert_eq!(new.save("?ID=M", 1).await, 200);
}

#[tokio::test]
async fn a_person_forces_only_the_exact_lock_of_a_job_that_is_not_at_work() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let job = Caller { plane: &plane, user: "j", password: "1" };
    let person = Caller { plane: &plane, user: "token", password: "x" };
    assert_eq!(job.lock("L").await.status(), 200);
    assert_eq!(person.unlock("L", "").await, 409);
    assert_eq!(person.unlock("L", "?force=true").await, 409, "the job is at work");
    plane.rules.end("j", JobStatus::Failed);
    assert_eq!(person.unlock("M", "?force=true").await, 409);
    assert_eq!(job.unlock("M", "?force=true").await, 409);
    assert_eq!(person.unlock("L", "?force=true").await, 200);
    assert_eq!(person.unlock("L", "?force=true").await, 404, "nobody holds it any more");
    assert_eq!(person.lock("P").await.status(), 200);
    assert_eq!(person.save("?ID=P", 1).await, 200);
}

#[tokio::test]
async fn what_is_no_state_and_no_lock_is_refused() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let job = Caller { plane: &plane, user: "j", password: "1" };
    for body in ["", "[4]", "{}", "{\"version\":4", "{\"version\":\"x\"}", "null"] {
        assert_eq!(job.request(Method::POST, "").body(body).send().await.unwrap().status(), 400, "{body}");
        assert_eq!(job.request(Method::PUT, "/lock").body(body).send().await.unwrap().status(), 400, "{body}");
    }
    let state = "{\"version\":4,\"serial\":3}";
    let digest = |text: &str| base64::engine::general_purpose::STANDARD.encode(Md5::digest(text));
    let save = |digest: String| job.request(Method::POST, "").header("content-md5", digest).body(state).send();
    assert_eq!(save(digest("other")).await.unwrap().status(), 400);
    assert_eq!(job.serial().await, None);
    assert_eq!(save(digest(state)).await.unwrap().status(), 200);
    assert_eq!(job.serial().await, Some(json!(3)));
    let anonymous = plane.client.get(plane.url("/api/state/net")).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    for name in ["..", ".x", "a%2Fb", "a%20b", &"x".repeat(129)] {
        let url = plane.url(&format!("/api/state/{name}"));
        let status = plane.client.get(url).basic_auth("j", Some("1")).send().await.unwrap().status().as_u16();
        assert!([400, 404].contains(&status), "{name}: {status}");
    }
}

#[tokio::test]
async fn the_last_twenty_versions_are_kept_and_a_delete_forgets() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let job = Caller { plane: &plane, user: "j", password: "1" };
    for serial in 1..=23 {
        assert_eq!(job.save("", serial).await, 200);
    }
    let files = || std::fs::read_dir(plane.dir.path().join("states/acme/net")).unwrap().count();
    assert_eq!(files(), 20);
    assert_eq!(job.request(Method::DELETE, "").send().await.unwrap().status(), 200);
    assert_eq!(job.serial().await, None);
    assert_eq!(job.save("", 24).await, 200);
    assert_eq!(job.serial().await, Some(json!(24)));
    assert!(plane.dir.path().join("states/acme/net/24.json").is_file());
}
