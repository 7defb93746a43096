//! Long random walks: whatever users and runners do in whatever order, what was promised holds after each step.

use std::collections::HashMap;
use std::time::Duration;

use control_plane::Timings;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::plane::{Plane, Runner};

/// A small generator, so that a walk can be walked again by its number (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A claim that somebody was given, whether or not it is still good.
#[derive(Clone)]
struct Held {
    runner: Runner,
    job: String,
    attempt: u32,
}

struct Walk {
    plane: Plane,
    runners: Vec<Runner>,
    held: Vec<Held>,
    /// Each job as it was last seen.
    seen: HashMap<String, Value>,
    /// The attempt that passed the commit point.
    committed: HashMap<String, u32>,
}

impl Walk {
    async fn step(&mut self, dice: &mut Dice) {
        let jobs: Vec<_> = self.seen.keys().cloned().collect();
        match dice.roll(12) {
            0 | 10 | 11 => drop(self.plane.submit(["read", "change"][dice.roll(2)]).await),
            1 if !jobs.is_empty() => {
                let verb = ["cancel", "retry"][dice.roll(2)];
                self.plane.post(&format!("/api/jobs/{}/{verb}", jobs[dice.roll(jobs.len())])).await;
            }
            2 | 3 => self.claim(dice).await,
            4 if !self.held.is_empty() => self.heartbeat(dice).await,
            _ if !self.held.is_empty() => self.report(dice).await,
            _ => {}
        }
        self.look().await;
    }

    async fn claim(&mut self, dice: &mut Dice) {
        let runner = self.runners[dice.roll(self.runners.len())].clone();
        let request = json!({ "request_id": format!("q-{}", dice.roll(1_000_000)) });
        let (claim, again) = (runner.claim(request.clone()).await, runner.claim(request).await);
        let Some(job) = claim.job else { return };
        // Between the two the lease may have ended; then the second is a later attempt or another job.
        if again.job.as_ref().is_some_and(|again| again.id == job.id && again.attempt == job.attempt) {
            assert_eq!(again.access, claim.access);
        }
        self.held.push(Held { runner, job: job.id.to_string(), attempt: job.attempt });
    }

    /// The newest claim half of the time, so that something comes of it.
    fn pick(&self, dice: &mut Dice) -> Held {
        let last = self.held.len() - 1;
        self.held[if dice.roll(2) == 0 { last } else { dice.roll(last + 1) }].clone()
    }

    async fn heartbeat(&self, dice: &mut Dice) {
        let held = self.pick(dice);
        let jobs = json!([{ "id": held.job, "attempt": held.attempt }]);
        held.runner.heartbeat(json!({ "protocol": 2, "jobs": jobs })).await;
    }

    async fn report(&mut self, dice: &mut Dice) {
        let held = self.pick(dice);
        let (status, phase) = [
            ("PROCESSING", None),
            ("PROCESSING", Some("committed")),
            ("PROCESSING", Some("committed")),
            ("SUCCESS", None),
            ("FAILED", None),
            ("CANCELLED", None),
        ][dice.roll(6)];
        let report = json!({ "status": status, "phase": phase });
        let taken = held.runner.status(&held.job, held.attempt, report).await;
        assert!(matches!(taken, StatusCode::OK | StatusCode::CONFLICT), "{taken}");
        if taken == StatusCode::OK && phase.is_some() {
            let attempt = *self.committed.entry(held.job.clone()).or_insert(held.attempt);
            assert!(attempt == held.attempt || self.kind(&held.job) == "read", "committed twice");
        }
    }

    fn kind(&self, job: &str) -> &str {
        self.seen[job]["job_type"].as_str().unwrap()
    }

    async fn look(&mut self) {
        let list = self.plane.get("/api/jobs?limit=100").await;
        for job in list["jobs"].as_array().unwrap() {
            let id = job["id"].as_str().unwrap();
            let attempt = |job: &Value| job["attempt"].as_u64().unwrap();
            if let Some(before) = self.seen.get(id) {
                assert!(attempt(job) >= attempt(before), "an attempt only grows: {before} {job}");
                if before["completed_at"].is_string() {
                    for same in ["status", "attempt", "completed_at", "reason", "error_message", "runner_id"] {
                        assert_eq!(job[same], before[same], "{same}: what has ended never changes");
                    }
                }
            }
            let is_held = matches!(job["status"].as_str().unwrap(), "CLAIMED" | "PROCESSING");
            assert!(!is_held || job["runner_id"].is_string(), "held by somebody: {job}");
            if let Some(committed) = self.committed.get(id).filter(|_| job["job_type"] == "change") {
                assert_eq!(attempt(job), u64::from(*committed), "never run again after its commit point: {job}");
            }
            self.seen.insert(id.to_owned(), job.clone());
        }
    }
}

#[tokio::test]
async fn whatever_happens_the_promises_hold() {
    let mut sums = [0; 4];
    for seed in 1..=2 {
        let timings = Timings {
            lease: Duration::from_millis(150),
            silence: Duration::from_millis(300),
            unacknowledged: Duration::from_millis(100),
            reap_every: Duration::from_millis(5),
            ..Timings::default()
        };
        let plane = Plane::start_with(timings).await;
        let mut runners = vec![];
        for name in ["one", "two", "three"] {
            runners.push(plane.register(name).await);
        }
        let (held, seen, committed) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut walk = Walk { plane, runners, held, seen, committed };
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ seed);
        for _ in 0..200 {
            walk.step(&mut dice).await;
        }
        let ended = walk.seen.values().filter(|job| job["completed_at"].is_string()).count();
        let again = walk.seen.values().filter(|job| job["attempt"].as_u64() > Some(1)).count();
        let went = [walk.held.len(), walk.committed.len(), ended, again];
        for (sum, part) in sums.iter_mut().zip(went) {
            *sum += part;
        }
    }
    assert!(sums.into_iter().all(|sum| sum > 0), "the walks went nowhere: {sums:?}");
}
