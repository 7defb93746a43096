//! What of a job is secret before anything of it has run. What becomes a secret later is masked by who learns it.

use std::borrow::Cow;

use wire::Job;

use crate::mask::Masker;
use crate::{ExecutorPlugin, JobSettings};

/// The secrets of a job's settings, and those that its kind's schema marks `writeOnly` in the payload.
pub(crate) fn secrets_of<'a>(job: &Job, settings: &'a JobSettings) -> impl Iterator<Item = Cow<'a, str>> {
    let plugin = inventory::iter::<ExecutorPlugin>().find(|plugin| plugin.kind() == job.job_type);
    let of_payload = plugin.map(|plugin| plugin.secrets_in(&job.config_snapshot)).unwrap_or_default();
    settings.secrets().chain(of_payload.into_iter().map(Cow::Owned))
}

/// `text` with these secrets hidden, for what is said of a job that has no [`crate::JobContext`]: it could not be
/// started, or its process is gone.
#[must_use]
pub fn without_secrets_of(job: &Job, settings: &JobSettings, text: &str) -> String {
    let mut masker = Masker::default();
    secrets_of(job, settings).for_each(|secret| masker.add(&secret));
    masker.text(text)
}
