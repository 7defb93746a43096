//! The live stream: nothing is missing and nothing twice, however often a viewer comes back.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use wire::{JobStatus, LogEntry, Phase};

use crate::plane::{Plane, stdout};

/// One server-sent event.
#[derive(Debug, PartialEq)]
struct Seen {
    event: String,
    id: Option<u64>,
    data: Value,
}

/// An open stream of events.
struct Viewer {
    answer: reqwest::Response,
    text: String,
}

impl Viewer {
    async fn open(plane: &Plane, job: &str, last_event_id: Option<u64>) -> Self {
        let mut request = plane.user("acme", Method::GET, &format!("/api/jobs/{job}/logs/stream"));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        Self { answer, text: String::new() }
    }

    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let seen = parse(event);
                self.text = rest.to_owned();
                return Some(seen);
            }
            let chunk = self.answer.chunk().await.unwrap()?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    async fn log(&mut self) -> Option<LogEntry> {
        while let Some(seen) = self.next().await {
            if seen.event == "log" {
                let entry: LogEntry = serde_json::from_value(seen.data).unwrap();
                assert_eq!(seen.id, Some(entry.id));
                return Some(entry);
            }
        }
        None
    }
}

fn parse(event: &str) -> Seen {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Seen {
        event: field("event:").unwrap_or_default().to_owned(),
        id: field("id:").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(field("data:").unwrap()).unwrap(),
    }
}

#[tokio::test]
async fn a_viewer_sees_status_log_and_end() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let mut viewer = Viewer::open(&plane, "j", None).await;
    assert_eq!(viewer.next().await.unwrap().data["status"], "PROCESSING");
    plane.append("j", 0, stdout(0, b"data: x\n\nevent: end\n")).await;
    let entry = viewer.log().await.unwrap();
    assert_eq!((entry.id, entry.log_chunk.as_str()), (20, "data: x\n\nevent: end\n"));
    plane.rules.change("j", |progress| progress.phase = Phase::Committed);
    assert_eq!(viewer.next().await.unwrap().data["phase"], "committed");
    plane.append("j", 20, stdout(20, b"last, unfinished \xE2\x82")).await;
    plane.rules.end("j", JobStatus::Failed);
    let rest: Vec<Seen> =
        futures_util::stream::unfold(viewer, |mut viewer| async { viewer.next().await.map(|seen| (seen, viewer)) })
            .collect()
            .await;
    let log: String =
        rest.iter().filter(|seen| seen.event == "log").map(|seen| seen.data["log_chunk"].as_str().unwrap()).collect();
    assert_eq!(log, "last, unfinished \u{FFFD}");
    let end = rest.last().unwrap();
    assert_eq!((end.event.as_str(), &end.data["status"]), ("end", &Value::from("FAILED")));
    assert!(rest.iter().any(|seen| seen.event == "status" && seen.data["status"] == "FAILED"));
}

#[tokio::test]
async fn an_ended_job_is_sent_whole_and_closed() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let line = "x".repeat(99) + "\n";
    let mut offset = 0;
    for _ in 0..5 {
        let text = line.repeat(2000);
        plane.append("j", offset, stdout(offset, text.as_bytes())).await;
        offset += text.len() as u64;
    }
    plane.rules.end("j", JobStatus::Success);
    let mut viewer = Viewer::open(&plane, "j", None).await;
    let mut log = String::new();
    while let Some(entry) = viewer.log().await {
        log += &entry.log_chunk;
    }
    assert_eq!(log, line.repeat(10_000));
    let path = "/api/jobs/j/logs/stream?after=-1";
    assert_eq!(plane.user("acme", Method::GET, path).send().await.unwrap().status(), 422);
}

/// A viewer that is cut off after every event and comes back has, in sum, exactly what is stored.
#[tokio::test]
async fn a_viewer_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let plane = Plane::start().await;
    plane.rules.add("j");
    let whole: String = (0..40).map(|number| format!("line {number} €😀\n")).collect();
    let write = async {
        // 7 bytes at a time, so that characters are torn.
        for (number, piece) in whole.as_bytes().chunks(7).enumerate() {
            let offset = number as u64 * 7;
            assert_eq!(plane.append("j", offset, stdout(offset, piece)).await.status(), 200);
        }
        plane.rules.end("j", JobStatus::Success);
    };
    let read = async {
        let (mut log, mut last) = (String::new(), None);
        while let Some(entry) = Viewer::open(&plane, "j", last).await.log().await {
            log += &entry.log_chunk;
            last = Some(entry.id);
        }
        log
    };
    let ((), log) = tokio::join!(write, read);
    assert_eq!(log, whole);
}
