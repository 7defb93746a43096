//! What most tests begin with: a plane, a proxy before it, a runner's home behind that, and a ledger.

use control_plane::Timings;
use wire::{Job, JobStatus};

use crate::client::Client;
use crate::ledger::{Ledger, assert_same_bytes};
use crate::plane::Plane;
use crate::proxy::Proxy;
use crate::runner::RunnerHome;

/// All of it. Nothing runs but plane and proxy.
pub struct Scene {
    /// Reached by the user directly.
    pub plane: Plane,
    /// Between the home's runners and the plane.
    pub proxy: Proxy,
    /// The first user.
    pub user: Client,
    /// Of the runner `one`.
    pub home: RunnerHome,
    /// Shared with the tools of jobs.
    pub ledger: Ledger,
}

impl Scene {
    /// With the plane's usual timings.
    pub async fn new() -> Self {
        Self::with(Timings::default()).await
    }

    /// With other timings.
    pub async fn with(timings: Timings) -> Self {
        let plane = Plane::start_with(timings).await;
        let proxy = Proxy::start(&plane.origin).await;
        let user = plane.client();
        let home = RunnerHome::new(&proxy.origin, user.register("one").await);
        Self { plane, proxy, user, home, ledger: Ledger::new() }
    }

    /// Waits for the end of a `ledger` job and checks that it is the best one: it ran once, and its log is what its tool
    /// wrote.
    ///
    /// # Panics
    /// If it is not.
    pub async fn ended_well(&self, job: &str) -> Job {
        let ended = self.user.ended_as(job, JobStatus::Success).await;
        let marks = self.ledger.marks();
        assert_eq!((self.ledger.count("start"), self.ledger.count("apply")), (1, 1), "{marks:?}");
        let log = self.user.log(job).await;
        let begins = format!("attempt {} begins: the runner of the attempt before was lost\n", ended.attempt);
        let log = if ended.attempt > 1 { log.strip_prefix(begins.as_bytes()).expect("it says so") } else { &log[..] };
        assert_same_bytes(log, &self.ledger.written());
        assert_eq!(ended.log_complete, Some(true), "{ended:#?}");
        ended
    }
}
