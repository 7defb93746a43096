//! How much work there is, for what starts and stops runners.

use wire::{QueueDemand, RunnerDemand, Timestamp};

use super::{Claimant, Held, Offer, Queue};
use crate::directory::Runner;
use crate::error::PlaneError;

impl Queue {
    /// The work for runners that work for all organisations, each a pool of its own, and for all of the plane.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn demand(&self, runners: &[Runner]) -> Result<QueueDemand, PlaneError> {
        let waiting = self.0.store.claimable(None).await?;
        let held = self.held().await?;
        let running = held.len() as u64;
        let mut pools = Vec::new();
        for runner in runners {
            pools.push(self.demand_on(runner, &waiting, &held).await?);
        }
        let idle_s = pools.iter().map(|pool| pool.idle_s).min().unwrap_or_default();
        Ok(QueueDemand { recovered: 0, queued: waiting.len() as u64, running, idle_s, pools })
    }

    /// The work for one runner.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn demand_of(&self, runner: &Runner) -> Result<QueueDemand, PlaneError> {
        let waiting = self.0.store.claimable(Claimant::expected(runner).org.as_deref()).await?;
        let RunnerDemand { queued, running, idle_s, .. } =
            self.demand_on(runner, &waiting, &self.held_by(&runner.id).await?).await?;
        Ok(QueueDemand { queued, running, idle_s, ..QueueDemand::default() })
    }

    async fn demand_on(&self, runner: &Runner, waiting: &[Offer], held: &[Held]) -> Result<RunnerDemand, PlaneError> {
        let held = || Held::by(&runner.id, held);
        let claimant = Claimant::expected(runner).holding(held());
        let queued = waiting.iter().filter(|offer| claimant.may_take(offer)).count() as u64;
        let running = held().count() as u64;
        let is_idle = queued + running == 0;
        let since = self.0.store.last_end(&runner.id).await?.unwrap_or(runner.created_at).max(runner.created_at);
        let idle = u64::try_from(Timestamp::now().as_micros() - since.as_micros()).unwrap_or_default() / 1_000_000;
        Ok(RunnerDemand {
            runner_id: runner.id.clone(),
            name: runner.name.clone(),
            status: runner.status(Timestamp::now(), self.0.timings.online),
            queued,
            running,
            idle_s: if is_idle { idle } else { 0 },
            drainable: running == 0,
        })
    }
}
