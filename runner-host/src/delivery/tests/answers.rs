//! What an answer means, and one that never came.

use super::*;

#[tokio::test]
async fn what_may_pass_is_waited_for_and_everything_arrives_once_and_in_order() {
    let plane = Plane::new(|name, before| match (name, before) {
        ("heartbeat", _) => Weather::Fine,
        (_, 0) => Weather::Answer(503),
        (_, 1) => Weather::LostBefore,
        _ => Weather::Fine,
    });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stderr, b"\0\xff two\n");
    job.progress(1, "first");
    job.artifact(2, "a.txt", b"bytes");
    job.progress(3, "third");
    job.directory.write(COMMIT, &Map::new()).unwrap();
    let log = job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));

    let stored = plane.stored();
    assert_eq!(stored.log, b"one\n\0\xff two\n");
    assert_eq!(stored.artifacts["a.txt"], "bytes");
    // The commit point goes its own way, and only the end waits for it.
    let (commits, others): (Vec<_>, Vec<_>) = stored.reports.iter().partition(|report| report["phase"] == "committed");
    assert!(commits.len() == 1 && commits[0]["status"] == "PROCESSING", "{commits:?}");
    let [first, third, end] = &others[..] else { panic!("{others:?}") };
    assert_eq!(first["execution_metadata"], json!({ "first": 1 }));
    assert_eq!(third["execution_metadata"], json!({ "third": 3 }));
    assert_eq!((&end["status"], &end["log"]), (&json!("SUCCESS"), &serde_json::to_value(&log).unwrap()));
    let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
    assert_eq!(committed.refused, None);
    assert!(job.directory.next_outbox().unwrap().is_none());
}

#[tokio::test]
async fn neither_a_revoked_token_nor_a_full_disk_loses_a_result() {
    let plane = Plane::new(|_, before| match before {
        0 => Weather::Answer(401),
        1 => Weather::Answer(507),
        2 => Weather::Answer(429),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().count("status"), 4);
}

/// The clock stands still.
#[tokio::test(start_paused = true)]
async fn a_plane_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let plane = Plane::new(|_, before| if before == 0 { Weather::Busy(20) } else { Weather::Fine });
    let job = Run::new(Dialect::Two);
    job.end();
    let began = tokio::time::Instant::now();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(plane.stored().count("status"), 2);
}

/// Its sender stood still for too long, or the way has changed its bytes: they are the same the next time.
#[tokio::test]
async fn a_body_that_was_cut_off_or_damaged_on_its_way_is_sent_again() {
    let forecasts: [Forecast; 3] = [
        |_, before| if before == 0 { Weather::Answer(408) } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Answer(400) } else { Weather::Fine },
        |_, before| if before < 2 { Weather::Answer(400) } else { Weather::Fine },
    ];
    for forecast in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "errored.tfstate", b"bytes");
        let log = job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        assert_eq!((&stored.log[..], &stored.artifacts["errored.tfstate"][..]), (&b"one\n"[..], &b"bytes"[..]));
        let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
        assert_eq!(end["log"], serde_json::to_value(&log).unwrap());
        assert_eq!(end["execution_metadata"], json!({ "result": 1 }));
    }
}

#[tokio::test]
async fn the_answer_of_a_stranger_is_no_word_of_the_plane() {
    let forecasts: [Forecast; 7] = [
        |_, before| if before < 3 { Weather::Stranger(400, "Bad request") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(422, "{}") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(404, "404 page not found") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(302, "<a href=/login>Found</a>") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(403, "") } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(409, r#"{"message":"conflict"}"#) } else { Weather::Fine },
        |_, before| if before == 0 { Weather::Stranger(200, r#"{"status":"ok"}"#) } else { Weather::Fine },
    ];
    let both = |forecast| [Dialect::Seed, Dialect::Two].map(|dialect| (forecast, dialect));
    for (forecast, dialect) in forecasts.into_iter().flat_map(both) {
        let plane = Plane::new(forecast);
        let mut job = Run::new(dialect);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "terraform.plan.out", b"bytes");
        job.directory.write(COMMIT, &Map::new()).unwrap();
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let committed: Committed = job.directory.read(COMMITTED).unwrap().unwrap();
        assert_eq!(committed.refused, None);
        let stored = plane.stored();
        assert_eq!(stored.log.len() + stored.posts.len(), if dialect == Dialect::Two { 4 } else { 1 });
        assert_eq!(stored.artifacts.len(), 1, "{:?}", stored.calls);
    }
}

/// Proxies have limits of their own, which waiting does not change.
#[tokio::test]
async fn what_is_too_large_for_a_stranger_costs_itself() {
    let plane = Plane::new(|name, _| match name {
        "big.bin" => Weather::Stranger(413, "<html>413 Request Entity Too Large</html>"),
        _ => Weather::Fine,
    });
    let job = Run::new(Dialect::Two);
    job.artifact(1, "big.bin", b"too large");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().count("big.bin"), 1);
}

/// Somebody on the way speaks as the plane does; or the plane said no by mistake.
#[tokio::test]
async fn an_attempt_that_was_not_given_up_is_delivered_whole_all_the_same() {
    for refused in ["log", "a.txt", "status"] {
        let forecast: Forecast = match refused {
            "log" => |name, before| if (name, before) == ("log", 0) { Weather::Answer(403) } else { Weather::Fine },
            "a.txt" => |name, before| if (name, before) == ("a.txt", 0) { Weather::Answer(403) } else { Weather::Fine },
            _ => |name, before| if (name, before) == ("status", 0) { Weather::Answer(403) } else { Weather::Fine },
        };
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        let runner = job.runner(&plane.listen().await).await;
        let (_process, lives) = watch::channel(Life::Ended);
        let first = run(&runner, &job.directory, &job.claimed, lives).await;
        assert!(matches!(first, Delivered::Refused { .. }), "{refused}");
        let late = say_late(&runner, &job.directory, &job.claimed).await;
        assert!(is_taken(&late), "{refused}");
        let stored = plane.stored();
        assert_eq!((&stored.log[..], &stored.artifacts["a.txt"][..]), (&b"one\n"[..], &b"bytes"[..]), "{refused}");
    }
}

#[tokio::test]
async fn a_lost_answer_stores_nothing_twice() {
    let plane = Plane::new(|_, before| if before == 0 { Weather::LostAfter } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, &large(b'a'));
    job.log(LogStream::Stdout, &large(b'b'));
    job.artifact(1, "a.txt", b"bytes");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == [large(b'a'), large(b'b')].concat(), "{} bytes", stored.log.len());
    assert_eq!(stored.reports[0], stored.reports[1], "the same report again");
}

#[tokio::test]
async fn an_attempt_that_is_over_delivers_nothing_more() {
    let forecasts: [(&str, Forecast); 4] = [
        ("log", |name, _| if name == "log" { Weather::Answer(409) } else { Weather::Fine }),
        ("log", |name, _| if name == "log" { Weather::Answer(404) } else { Weather::Fine }),
        ("a.txt", |name, _| if name == "a.txt" { Weather::Answer(409) } else { Weather::Fine }),
        ("status", |name, _| if name == "status" { Weather::Answer(409) } else { Weather::Fine }),
    ];
    for (last, forecast) in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        job.log(LogStream::Stdout, b"one\n");
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        let Delivered::Refused { why } = job.deliver_to(&plane).await else { panic!("{last}: taken") };
        assert!(why.contains(&format!("no {last}")), "{why}");
        assert_eq!(plane.stored().count(last), 1, "a refusal is not tried again");
        assert_eq!(plane.stored().count("status"), usize::from(last == "status"), "what was refused is not reported");
    }
}
