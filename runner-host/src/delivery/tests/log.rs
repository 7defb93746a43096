//! The log, and what is missing of it.

use super::*;

#[tokio::test]
async fn the_log_goes_on_where_the_plane_wants_it() {
    let plane = Plane::new(|_, _| Weather::Fine);
    // An earlier start of the runner has delivered a part.
    plane.stored().log = large(b'a');
    let mut job = Run::new(Dialect::Two);
    for fill in *b"abc" {
        job.log(LogStream::Stdout, &large(fill));
    }
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == [large(b'a'), large(b'b'), large(b'c')].concat(), "{} bytes", stored.log.len());
    assert_eq!(stored.count("log"), 3, "one refused, two taken");
}

#[tokio::test]
async fn a_report_that_comes_before_the_end_of_the_log_sends_what_is_missing() {
    let plane = Plane::new(|_, _| Weather::Fine);
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.log(LogStream::Stdout, b"two\n");
    job.end();
    // It was put back to an older state.
    plane.stored().forgets_at_the_report = true;
    assert!(is_taken(&job.deliver_to(&plane).await));
    assert_eq!(plane.stored().calls, ["log", "status", "log", "status"]);
    assert_eq!(plane.stored().log, b"one\ntwo\n");
}

#[tokio::test]
async fn log_that_the_plane_refuses_costs_itself_and_the_report_says_so() {
    let forecasts: [Forecast; 3] = [
        |name, before| if name == "log" && (1..4).contains(&before) { Weather::Answer(400) } else { Weather::Fine },
        |name, before| if name == "log" && before == 1 { Weather::Answer(413) } else { Weather::Fine },
        |name, before| if name == "log" && before == 1 { Weather::Answer(422) } else { Weather::Fine },
    ];
    for forecast in forecasts {
        let plane = Plane::new(forecast);
        let mut job = Run::new(Dialect::Two);
        for fill in *b"abc" {
            job.log(LogStream::Stdout, &large(fill));
        }
        job.artifact(1, "a.txt", b"bytes");
        job.end();
        assert!(is_taken(&job.deliver_to(&plane).await));
        let stored = plane.stored();
        assert!(stored.log == large(b'a'), "{} bytes", stored.log.len());
        assert_eq!(stored.artifacts["a.txt"], "bytes");
        let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
        let expected = LogSummary {
            length: large(b'a').len() as u64,
            sha256: hex::encode(Sha256::digest(large(b'a'))),
            dropped_bytes: 2 * large(b'b').len() as u64,
        };
        assert_eq!(end["log"], serde_json::to_value(&expected).unwrap());
    }
}

/// As a proxy that takes no large bodies: what it takes passes.
#[tokio::test]
async fn log_that_is_too_large_at_once_goes_in_smaller_pieces() {
    let plane = Plane::new(|name, _| if name == "log" { Weather::TooLargeAbove(100_000) } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    let mut written = vec![];
    for number in 0..40 {
        let piece = vec![b'a' + number % 26; usize::from(number) * 1700];
        job.log(LogStream::Stdout, &piece);
        written.extend(piece);
    }
    let log = job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert!(stored.log == written, "{} bytes", stored.log.len());
    let end = stored.reports.last().unwrap();
    assert_eq!(end["log"], serde_json::to_value(&log).unwrap());
}

/// What is left of a log of three lines after a power cut, and what the report says of it.
async fn after_a_power_cut(cut: impl FnOnce(&std::path::Path), stored_before: &[u8]) -> (Vec<u8>, Value) {
    let plane = Plane::new(|_, _| Weather::Fine);
    plane.stored().log = stored_before.to_vec();
    let mut job = Run::new(Dialect::Two);
    for text in ["one\n", "two\n", "three\n"] {
        job.log(LogStream::Stdout, text.as_bytes());
    }
    job.end();
    cut(&job.directory.file(LOG));
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    let [end] = &stored.reports[..] else { panic!("{:?}", stored.reports) };
    assert!(stored.calls.len() < 8, "{:?}", stored.calls);
    (stored.log.clone(), end["log"].clone())
}

#[tokio::test]
async fn log_that_was_lost_with_the_power_does_not_hold_up_the_report() {
    let frame = u64::try_from(wire::FRAME_HEADER_BYTES).unwrap() + 4;
    let shorten = |length: u64| {
        move |log: &std::path::Path| {
            std::fs::OpenOptions::new().write(true).open(log).unwrap().set_len(length).unwrap();
        }
    };
    let flip = |log: &std::path::Path| {
        let mut bytes = std::fs::read(log).unwrap();
        bytes[usize::try_from(frame).unwrap() + wire::FRAME_HEADER_BYTES] ^= 1;
        std::fs::write(log, bytes).unwrap();
    };
    let zeros = |log: &std::path::Path| {
        shorten(frame)(log);
        shorten(frame * 4)(log);
    };
    let kept = |text: &str, dropped: u64| {
        let sha256 = hex::encode(Sha256::digest(text));
        json!({ "length": text.len(), "sha256": sha256, "dropped_bytes": dropped })
    };
    assert_eq!(after_a_power_cut(shorten(frame), b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(shorten(frame + 7), b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(flip, b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    assert_eq!(after_a_power_cut(zeros, b"").await, (b"one\n".to_vec(), kept("one\n", 10)));
    // The plane has more than is left here.
    let (log, said) = after_a_power_cut(shorten(frame), b"one\ntwo\nthree\n").await;
    assert_eq!((&log[..], &said["length"]), (&b"one\ntwo\nthree\n"[..], &json!(14)));
    let (log, _) = after_a_power_cut(shorten(frame), b"one\ntwo\n").await;
    assert_eq!(log, b"one\ntwo\n");
}

#[tokio::test]
async fn a_log_that_has_gone_does_not_hold_up_the_report() {
    let (log, said) = after_a_power_cut(|log| std::fs::remove_file(log).unwrap(), b"").await;
    assert_eq!((&log[..], &said["length"], &said["dropped_bytes"]), (&b""[..], &json!(0), &json!(14)));
}

#[tokio::test]
async fn a_plane_that_wants_again_and_again_what_it_is_sent_costs_the_log() {
    let plane = Plane::new(|name, _| if name == "log" { Weather::WantsTheStart } else { Weather::Fine });
    let mut job = Run::new(Dialect::Two);
    job.log(LogStream::Stdout, b"one\n");
    job.end();
    assert!(is_taken(&job.deliver_to(&plane).await));
    let stored = plane.stored();
    assert_eq!(stored.reports[0]["log"]["dropped_bytes"], 4);
    assert_eq!(stored.reports[0]["status"], "SUCCESS");
}
