//! The promises of the log store: what was acknowledged is there, byte for byte, and what is not whole never shows.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use control_plane::logs::{Ending, Entry, LogError, LogLimits, LogStore};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use wire::{AppendAnswer, FrameHeader, JobId, LogStream, Timestamp};

const JOB: &str = "job-1";

struct Fixture {
    dir: tempfile::TempDir,
    store: LogStore,
    job: JobId,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = LogStore::open(dir.path(), LogLimits::default()).unwrap();
        Self { dir, store, job: JOB.parse().unwrap() }
    }

    /// What the next process would see.
    fn restart(&mut self) {
        self.store = LogStore::open(self.dir.path(), LogLimits::default()).unwrap();
    }

    async fn append(&self, offset: u64, frames: Vec<u8>) -> Result<AppendAnswer, LogError> {
        self.store.append(&self.job, 0, offset, frames.into()).await
    }

    async fn entries(&self, after: u64, ending: Ending) -> Vec<Entry> {
        let mut reader = self.store.reader(&self.job, after).await.unwrap();
        let mut all = Vec::new();
        loop {
            let entries = reader.next(1 << 20, ending).await.unwrap();
            if entries.is_empty() {
                return all;
            }
            all.extend(entries);
        }
    }

    async fn stored(&self) -> Vec<u8> {
        match self.store.payload_file(&self.job).await.unwrap() {
            Some(path) => fs::read(path).unwrap(),
            None => Vec::new(),
        }
    }
}

fn frame(stream: LogStream, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let header = FrameHeader::describe(stream, offset, Timestamp::from_micros(1_000_000), bytes);
    [&header.encode()[..], bytes].concat()
}

fn stdout(offset: u64, bytes: &[u8]) -> Vec<u8> {
    frame(LogStream::Stdout, offset, bytes)
}

fn lossy(entries: &[Entry]) -> String {
    entries.iter().map(|entry| entry.clone().into_wire(JOB.parse().unwrap()).log_chunk).collect()
}

#[tokio::test]
async fn what_is_appended_is_read_back_with_its_streams() {
    let log = Fixture::new();
    let frames = [stdout(0, b"one\n"), frame(LogStream::Stderr, 4, b"two\n"), stdout(8, b"three\n")].concat();
    assert_eq!(log.append(0, frames).await.unwrap(), AppendAnswer::Durable(14));
    let entries = log.entries(0, Ending::MayGrow).await;
    let seen: Vec<_> = entries.iter().map(|entry| (entry.stream, entry.start, entry.end)).collect();
    assert_eq!(seen, [(LogStream::Stdout, 0, 4), (LogStream::Stderr, 4, 8), (LogStream::Stdout, 8, 14)]);
    assert_eq!(log.stored().await, b"one\ntwo\nthree\n");
    assert_eq!(lossy(&log.entries(8, Ending::MayGrow).await), "three\n");
    assert!(log.entries(14, Ending::MayGrow).await.is_empty());
    assert!(log.entries(u64::MAX, Ending::Final).await.is_empty());
}

#[tokio::test]
async fn a_gap_an_overlap_and_a_repeat_store_nothing_and_name_the_offset_wanted() {
    let log = Fixture::new();
    log.append(0, stdout(0, b"0123456789")).await.unwrap();
    for offset in [11, 5, 0, u64::MAX - 100] {
        let answer = log.append(offset, stdout(offset, b"0123456789")).await.unwrap();
        assert_eq!(answer, AppendAnswer::Wanted(10), "at {offset}");
    }
    assert_eq!(log.stored().await, b"0123456789");
    assert_eq!(log.append(10, stdout(10, b"ab")).await.unwrap(), AppendAnswer::Durable(12));
}

#[tokio::test]
async fn one_bad_frame_refuses_the_whole_append() {
    let log = Fixture::new();
    let good = stdout(0, b"good");
    for bad in [
        {
            let mut frame = stdout(4, b"flip");
            *frame.last_mut().unwrap() ^= 1;
            frame
        },
        {
            let mut frame = stdout(4, b"flip");
            frame[9] ^= 1;
            frame
        },
        stdout(5, b"gap"),
        stdout(3, b"overlap"),
        stdout(4, b"short")[..36].to_vec(),
        b"rubbish".to_vec(),
    ] {
        let refused = log.append(0, [&good[..], &bad].concat()).await;
        assert!(matches!(refused, Err(LogError::Bad(_))), "{refused:?}");
    }
    assert!(log.stored().await.is_empty());
    let refused = log.append(1, good.clone()).await;
    assert!(matches!(refused, Err(LogError::Bad(_))), "the request's offset is not that of the frame: {refused:?}");
}

#[tokio::test]
async fn offsets_of_an_attempt_count_from_its_base() {
    let mut log = Fixture::new();
    log.append(0, stdout(0, b"first attempt\n")).await.unwrap();
    let base = log.store.begin_attempt(&log.job, Some("the runner was lost; this is attempt 2")).await.unwrap();
    let answer = log.store.append(&log.job, base, 0, stdout(0, b"second\n").into()).await.unwrap();
    assert_eq!(answer, AppendAnswer::Durable(7));
    let answer = log.store.append(&log.job, base, 9, stdout(9, b"x").into()).await.unwrap();
    assert_eq!(answer, AppendAnswer::Wanted(7));
    let digest: [u8; 32] = Sha256::digest(b"second\n").into();
    assert_eq!(log.store.digest_since(&log.job, base).await.unwrap(), (7, digest));
    assert_eq!(lossy(&log.entries(base, Ending::Final).await), "second\n");
    log.restart();
    assert_eq!(log.store.digest_since(&log.job, base).await.unwrap(), (7, digest));
    let all = log.stored().await;
    let digest: [u8; 32] = Sha256::digest(&all).into();
    assert_eq!(log.store.digest_since(&log.job, 0).await.unwrap(), (all.len() as u64, digest));
    let past: [u8; 32] = Sha256::digest(b"").into();
    assert_eq!(log.store.digest_since(&log.job, 10_000).await.unwrap(), (0, past));
}

/// Cuts either file at every byte of the last three frames, and flips bits there: what opens is always whole frames
/// from the start, and the log can be written on.
#[tokio::test]
async fn a_torn_end_of_either_file_is_cut_to_whole_frames() {
    let log = Fixture::new();
    let pieces: [&[u8]; 4] = [b"alpha\n", b"beta\n", b"gamma\n", b"delta\n"];
    let whole = pieces.concat();
    let mut offset = 0;
    for piece in pieces {
        log.append(offset, stdout(offset, piece)).await.unwrap();
        offset += piece.len() as u64;
    }
    let original = [read(log.dir.path(), "log"), read(log.dir.path(), "index")];
    let ends = [0, 6, 11, 17, 23];
    for (damaged, name) in ["log", "index"].into_iter().enumerate() {
        let len = original[damaged].len();
        let from = if name == "log" { 6 } else { 32 };
        for (at, is_cut) in (from..len).flat_map(|at| [(at, true), (at, false)]) {
            let mut bytes = original[damaged].clone();
            if is_cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 0x40;
            }
            let fresh = Fixture::new();
            let dir = fresh.dir.path().join(JOB);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("log"), &original[0]).unwrap();
            fs::write(dir.join("index"), &original[1]).unwrap();
            fs::write(dir.join(name), &bytes).unwrap();
            let length = fresh.store.length(&fresh.job).await.unwrap();
            let frame =
                if name == "log" { ends.iter().rfind(|end| **end <= at as u64).copied() } else { Some(ends[at / 32]) };
            assert_eq!(Some(length), frame, "{name} at {at}, cut {is_cut}");
            assert_eq!(fresh.stored().await, whole[..usize::try_from(length).unwrap()]);
            let rest = &whole[usize::try_from(length).unwrap()..];
            assert_eq!(fresh.append(length, stdout(length, rest)).await.unwrap(), AppendAnswer::Durable(23));
            assert_eq!(fresh.stored().await, whole);
        }
    }
}

fn read(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(JOB).join(name)).unwrap()
}

#[tokio::test]
async fn a_live_reader_sees_a_write_and_the_next() {
    let log = Fixture::new();
    let mut reader = log.store.reader(&log.job, 0).await.unwrap();
    assert!(reader.next(1 << 20, Ending::MayGrow).await.unwrap().is_empty());
    for (offset, text) in [(0, &b"one\n"[..]), (4, b"two\n")] {
        let (appended, ()) = tokio::join!(log.append(offset, stdout(offset, text)), reader.changed());
        assert_eq!(appended.unwrap(), AppendAnswer::Durable(offset + 4));
        let entries = reader.next(1 << 20, Ending::MayGrow).await.unwrap();
        assert_eq!(entries.iter().map(|entry| &entry.bytes[..]).collect::<Vec<_>>(), [text]);
    }
}

#[tokio::test]
async fn a_million_small_frames_are_stored_and_joined() {
    let log = Fixture::new();
    let (mut expected, mut offset) = (Vec::new(), 0);
    for batch in 0..20 {
        let (start, mut frames) = (offset, Vec::new());
        for number in 0..50_000 {
            let line = format!("{batch} {number}\n");
            frames.extend(stdout(offset, line.as_bytes()));
            offset += line.len() as u64;
            expected.extend_from_slice(line.as_bytes());
        }
        assert_eq!(log.append(start, frames).await.unwrap(), AppendAnswer::Durable(offset));
    }
    let entries = log.entries(0, Ending::Final).await;
    assert!(entries.len() < 1000, "{} entries", entries.len());
    assert!(entries.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert!(entries.iter().flat_map(|entry| entry.bytes.iter()).eq(expected.iter()));
    let digest: [u8; 32] = Sha256::digest(&expected).into();
    assert_eq!(log.store.digest_since(&log.job, 0).await.unwrap(), (offset, digest));
    let middle = expected.len() / 2;
    let rest = log.entries(middle as u64, Ending::Final).await;
    assert!(rest.iter().flat_map(|entry| entry.bytes.iter()).eq(expected[middle..].iter()));
}

#[tokio::test]
async fn a_character_over_two_frames_stays_whole() {
    let log = Fixture::new();
    let text = "€😀é".repeat(3);
    let mut reader = log.store.reader(&log.job, 0).await.unwrap();
    let mut shown = String::new();
    for (offset, byte) in text.bytes().enumerate() {
        log.append(offset as u64, stdout(offset as u64, &[byte])).await.unwrap();
        shown += &lossy(&reader.next(1 << 20, Ending::MayGrow).await.unwrap());
        assert!(text.starts_with(&shown), "{shown:?}");
    }
    assert_eq!(shown, text);
    assert_eq!(lossy(&log.entries(0, Ending::Final).await), text);
}

#[tokio::test]
async fn what_is_not_text_is_stored_as_it_is_and_shown_as_replacement() {
    let log = Fixture::new();
    let bytes = b"\xFF\xFEa\0b\x80\n\xE2\x82";
    log.append(0, stdout(0, bytes)).await.unwrap();
    assert_eq!(log.stored().await, bytes);
    assert_eq!(lossy(&log.entries(0, Ending::MayGrow).await), "\u{FFFD}\u{FFFD}a\0b\u{FFFD}\n");
    assert_eq!(lossy(&log.entries(0, Ending::Final).await), String::from_utf8_lossy(bytes));
}

#[tokio::test]
async fn a_job_cannot_write_more_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let store = LogStore::open(dir.path(), LogLimits { job_bytes: 10, ..LogLimits::default() }).unwrap();
    let job = JOB.parse().unwrap();
    store.append(&job, 0, 0, stdout(0, b"01234567").into()).await.unwrap();
    let refused = store.append(&job, 0, 8, stdout(8, b"890").into()).await;
    assert!(matches!(refused, Err(LogError::Full { limit: 10 })), "{refused:?}");
    assert_eq!(store.length(&job).await.unwrap(), 8);
}

#[tokio::test]
async fn many_logs_share_few_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = LogStore::open(dir.path(), LogLimits { idle_logs: 4, ..LogLimits::default() }).unwrap();
    for round in 0..3_u64 {
        for number in 0..20 {
            let job = format!("job-{number}").parse().unwrap();
            let appended = store.append(&job, 0, round, stdout(round, b"x").into()).await.unwrap();
            assert_eq!(appended, AppendAnswer::Durable(round + 1));
        }
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let logs = open.filter_map(|fd| fs::read_link(fd.path()).ok()).filter(|path| path.starts_with(dir.path())).count();
    assert!(logs <= 8, "{logs} files of logs are open");
}

/// Concurrent appends of the same range: exactly one is stored.
#[tokio::test(flavor = "multi_thread")]
async fn racing_appends_store_one() {
    let log = Fixture::new();
    let racers = (0..16).map(|_| {
        let (store, job) = (log.store.clone(), log.job.clone());
        tokio::spawn(async move { store.append(&job, 0, 0, stdout(0, b"once\n").into()).await.unwrap() })
    });
    let answers = futures_util::future::join_all(racers).await;
    let stored = answers.into_iter().filter(|answer| matches!(answer, Ok(AppendAnswer::Durable(5)))).count();
    assert_eq!(stored, 1);
    assert_eq!(log.stored().await, b"once\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a text is framed, interleaved and read: the bytes are the bytes, and entries follow one another.
    #[test]
    fn any_framing_reads_back(
        frames in prop::collection::vec((0..3_u8, prop::collection::vec(any::<u8>(), 1..40)), 1..40),
        max_bytes in 1..200_u64,
        resume in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log = Fixture::new();
            let (mut encoded, mut whole) = (Vec::new(), Vec::new());
            for (stream, bytes) in &frames {
                let stream = [LogStream::Stdout, LogStream::Stderr, LogStream::System][usize::from(*stream)];
                encoded.extend(frame(stream, whole.len() as u64, bytes));
                whole.extend_from_slice(bytes);
            }
            log.append(0, encoded).await.unwrap();
            let after = resume.index(whole.len() + 1) as u64;
            let (mut read, mut at) = (Vec::new(), after);
            let mut reader = log.store.reader(&log.job, after).await.unwrap();
            loop {
                let entries = reader.next(max_bytes, Ending::Final).await.unwrap();
                if entries.is_empty() { break; }
                for entry in entries {
                    assert_eq!(entry.start, at);
                    at = entry.end;
                    read.extend(entry.bytes);
                }
            }
            assert_eq!(Bytes::from(read), &whole[usize::try_from(after).unwrap()..]);
        });
    }
}
