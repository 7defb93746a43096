//! What stays over a restart, what must not be stored, and how the plane leaves.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::plane::{Events, Plane, SOON};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let (ended, held, waiting) = (plane.submit("read").await, plane.submit("read").await, plane.submit("read").await);
    assert_eq!((runner.claim_id().await, runner.claim_id().await), (ended.clone(), held.clone()));
    runner.status(&ended, 1, json!({ "status": "FAILED", "error_message": "no" })).await;
    runner.append(&held, 1, 0, "before\n").await;
    let admin = plane.admin.clone();
    let (shown_ended, shown_held) = (plane.job(&ended).await, plane.job(&held).await);
    let plane = plane.restart().await;
    assert_eq!(plane.admin, admin);
    assert_eq!((plane.job(&ended).await, plane.job(&held).await), (shown_ended, shown_held));
    let runner = plane.runner(&runner.id, &runner.token);
    assert_eq!(runner.append(&held, 1, 7, "after\n").await, StatusCode::OK);
    assert_eq!(runner.status(&held, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    assert_eq!(runner.claim_id().await, waiting);
}

#[tokio::test]
async fn no_token_is_stored() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    let state_token = runner.claim(json!({ "request_id": "q" })).await.access.unwrap().state_token;
    runner.append(&job, 1, 0, "hello\n").await;
    runner.heartbeat(json!({ "protocol": 2, "version": "1" })).await;
    runner.status(&job, 1, json!({ "status": "SUCCESS" })).await;
    let secrets = [plane.admin.clone(), runner.token.clone(), state_token];
    // While it runs, so that the journal is looked at too.
    let mut files = 0;
    crate::plane::each_file(&plane.folder.path().join("data"), &mut |file, bytes| {
        files += 1;
        if file.file_name().unwrap() == "admin-token" {
            return;
        }
        for secret in &secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
        }
    });
    assert!(files > 5, "database, journal, log and index were looked at");
}

#[tokio::test]
async fn who_waits_is_sent_home_when_the_plane_leaves() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let events = runner.events().await;
    let viewer = plane.user(Method::GET, &format!("/api/jobs/{job}/logs/stream")).send().await.unwrap();
    let mut viewer = Events::new(viewer);
    viewer.until("event: status").await;
    let other = plane.register("two").await;
    let parked = {
        let other = other.clone();
        tokio::spawn(async move { other.claim(json!({ "wait_s": 60 })).await })
    };
    plane.heard_of(&other).await;
    plane.stop().await;
    assert!(parked.await.unwrap().job.is_none());
    events.closed_within(SOON).await;
    viewer.closed_within(SOON).await;
}

#[tokio::test]
async fn the_stream_of_one_who_was_removed_ends_and_shows_nothing_more() {
    let plane = Plane::start().await;
    let bob = plane.add_user("bob", "default").await;
    plane.add_user("eve", "other").await;
    let runner = plane.register("one").await;
    let job = plane.submit("read").await;
    runner.claim_id().await;
    let path = format!("/api/jobs/{job}/logs/stream");
    let open = async |token: &str| Events::new(plane.user_with(token, Method::GET, &path).send().await.unwrap());
    let (mut his, mut mine) = (open(&bob).await, open(&plane.admin).await);
    for viewer in [&mut his, &mut mine] {
        viewer.until("event: status").await;
    }
    let remove = async |name: &str| {
        let call = plane.user(Method::DELETE, &format!("/api/users/{name}"));
        assert_eq!(call.send().await.unwrap().status(), StatusCode::OK);
    };
    remove("eve").await;
    runner.append(&job, 1, 0, "before\n").await;
    his.until("before").await;
    remove("bob").await;
    runner.append(&job, 1, 7, "after\n").await;
    mine.until("after").await;
    assert!(!his.rest().await.contains("after"));
}

#[tokio::test]
async fn a_data_folder_has_one_plane() {
    let plane = Plane::start().await;
    let config = control_plane::Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: plane.folder.path().join("data"),
        kinds: Vec::new(),
        timings: control_plane::Timings::default(),
        limits: control_plane::Limits::default(),
        secret_readers: Default::default(),
        public_url: None,
        runner_image: None,
    };
    let Err(error) = control_plane::start(config.clone()).await else { panic!("the folder was used twice") };
    assert!(format!("{error:#}").contains("another control plane uses"), "{error:#}");
    let _folder = plane.stop().await;
    control_plane::start(config).await.unwrap();
}
