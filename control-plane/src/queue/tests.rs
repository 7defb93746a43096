//! A queue without HTTP before it: what no client can bring about.

use serde_json::json;
use tempfile::TempDir;
use wire::LossPolicy;

use super::transitions::Event;
use super::*;
use crate::database::Database;
use crate::logs::LogLimits;

struct Opened {
    queue: Queue,
    #[expect(dead_code, reason = "the folder goes with it")]
    folder: TempDir,
}

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("plane.db")).await.unwrap();
    let deriver = Deriver::of([7; 32]);
    let queue = Queue::new(QueueParts {
        store: Box::new(SqliteStore::new(database.clone())),
        logs: LogStore::open(&folder.path().join("logs"), LogLimits::default()).unwrap(),
        states: StateStore::new(&folder.path().join("states"), database.pool.clone()),
        directory: Directory::load(database.clone()).await.unwrap(),
        wake: Wake::default(),
        vault: Vault::new(&deriver).unwrap(),
        identities: Identities::new(database),
        deriver,
        timings: Timings::default(),
        linked: Vec::new(),
        runner_image: None,
        issues_tokens: false,
    });
    Opened { queue, folder }
}

impl Opened {
    /// A job that runs.
    async fn running(&self, id: &str) -> Row {
        let now = Timestamp::now();
        let job = json!({ "id": id, "org_id": "o", "job_type": "k", "status": "PROCESSING", "attempt": 1,
                          "runner_id": "r", "phase": "committed", "created_at": now, "updated_at": now });
        let row = Row::new(serde_json::from_value(job).unwrap(), LossPolicy::Fail);
        let row = Row { confirmed: true, lease_until: self.queue.lease_from(now), ..row };
        self.queue.0.store.insert(row).await.unwrap()
    }
}

#[tokio::test]
async fn who_follows_a_job_from_an_old_look_sees_its_end() {
    let plane = open().await;
    let seen = plane.running("j").await;
    let end = |row: &mut Row, _: Option<&mut Row>| row.apply(Event::End(JobStatus::Success));
    plane.queue.change(&seen.job.id, end).await.unwrap();
    let follower = plane.queue.follow_from(&seen).await.unwrap();
    assert_eq!(follower.borrow().status, JobStatus::Success);
}
