//! A runner that was registered, as the plane knows it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use wire::{KindInfo, RunnerId, RunnerInfo, RunnerMode, RunnerStatus, Timestamp};

use super::EarlierToken;
use crate::tokens;

/// A runner that was registered.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Which one.
    pub id: RunnerId,
    /// Whose; a cloud-hosted one works for all organisations.
    pub org: String,
    /// What people call it.
    pub name: String,
    /// Whom it works for.
    pub mode: RunnerMode,
    /// SHA-256 of its token.
    pub(crate) token_hash: String,
    /// What its token was before, while jobs are held that were given to it then.
    pub(crate) earlier_tokens: Vec<EarlierToken>,
    /// What it offers, as who registered it says.
    pub labels: Map<String, Value>,
    /// What it offers besides, as it says itself.
    pub own_labels: Map<String, Value>,
    /// The kinds that it links. Shared: every request of a runner copies what is known of it.
    pub kinds: Arc<[KindInfo]>,
    /// Its version.
    pub version: Option<String>,
    /// What it said of itself last.
    pub said: RunnerStatus,
    /// When it was last heard of.
    pub last_heartbeat: Option<Timestamp>,
    /// Its state directory.
    pub instance_id: Option<String>,
    /// Somebody asked it to drain.
    pub drain: bool,
    /// A job is to take it away: it takes no more. Known from that job, and kept nowhere else.
    pub leaving: bool,
    /// The only identity whose jobs it takes, where it was made for one.
    pub cloud_identity_id: Option<String>,
    /// Its operator's own.
    pub metadata: Option<Value>,
    /// How a job has deployed it. Written with that job's end, in one change of the database.
    pub deploy_config: Option<Value>,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Runner {
    /// A runner that nobody has heard of yet.
    #[must_use]
    pub(crate) fn new(org: String, name: String, mode: RunnerMode, token: &str) -> Self {
        Self {
            id: RunnerId::generate(),
            org,
            name,
            mode,
            token_hash: tokens::digest(token),
            earlier_tokens: Vec::new(),
            labels: Map::new(),
            own_labels: Map::new(),
            kinds: Arc::default(),
            version: None,
            said: RunnerStatus::Offline,
            last_heartbeat: None,
            instance_id: None,
            drain: false,
            leaving: false,
            cloud_identity_id: None,
            metadata: None,
            deploy_config: None,
            created_at: Timestamp::now(),
        }
    }

    /// ONLINE within `online` of its last sign of life, unless it said something else.
    #[must_use]
    pub fn status(&self, now: Timestamp, online: Duration) -> RunnerStatus {
        let since = self.last_heartbeat.map(|at| now.as_micros().saturating_sub(at.as_micros()));
        match since {
            Some(since) if u128::from(since.max(0).cast_unsigned()) < online.as_micros() => self.said,
            _ => RunnerStatus::Offline,
        }
    }

    /// The names of the kinds that it links. None of one that has not said so: it may turn out to run any.
    pub(crate) fn kind_names(&self) -> Option<Vec<String>> {
        (!self.kinds.is_empty()).then(|| self.kinds.iter().map(|kind| kind.kind.clone()).collect())
    }

    /// As the contract shows it.
    #[must_use]
    pub fn info(&self, status: RunnerStatus, jobs: Vec<wire::JobId>) -> RunnerInfo {
        RunnerInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            mode: self.mode,
            status,
            last_heartbeat: self.last_heartbeat,
            version: self.version.clone(),
            labels: self.labels.clone().into_iter().chain(self.own_labels.clone()).collect(),
            cloud_identity_id: self.cloud_identity_id.clone(),
            kinds: self.kinds.to_vec(),
            jobs,
            metadata: self.metadata.clone(),
            deploy_config: self.deploy_config.clone(),
            created_at: Some(self.created_at),
        }
    }
}
