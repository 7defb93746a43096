//! Queues of an environment.

use std::ops::RangeInclusive;

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::naming::{self, Thing};
use super::place::Provider;

const MOST: usize = 100;
/// What AWS wants at the end of such a queue's name; the template puts it there.
pub(super) const FIFO: &str = ".fifo";

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    /// Unique in the environment; without `.fifo`.
    pub name: String,
    /// First in, first out.
    pub ordered: bool,
    /// Seconds, 30 by default.
    pub visibility_timeout: u32,
    /// Seconds, 345600 by default.
    pub message_retention: u32,
    /// Seconds, where a delay is wanted.
    pub delay_seconds: Option<u32>,
}

/// A queue, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct QueueParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// First in, first out; false if missing.
    pub ordered: Option<bool>,
    /// Older name of `ordered`.
    pub fifo: Option<bool>,
    /// For how many seconds a message that somebody works on is nobody else's; 30 if missing.
    pub visibility_timeout: Option<i64>,
    /// For how many seconds a message is kept; 345600 if missing.
    pub message_retention: Option<i64>,
    /// Older place of `provider_config.delay_seconds`.
    pub delay_seconds: Option<i64>,
    /// What only some clouds have.
    pub provider_config: Option<QueueProviderParams>,
}

/// What of a queue only some clouds have.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct QueueProviderParams {
    /// AWS, Azure: for how many seconds nobody gets a new message.
    #[schemars(range(min = 0, max = 900))]
    pub delay_seconds: Option<i64>,
}

pub(super) fn read(params: Option<Vec<QueueParams>>, provider: Provider) -> Result<Vec<Queue>, ExecutorError> {
    let queues = Field::at("/queues", params).at_most(MOST)?.each(|at, params| read_one(at, params, provider))?;
    naming::refuse_twins(naming::places("/queues", &queues, |queue| &queue.name))?;
    Ok(queues)
}

fn read_one(at: &str, params: QueueParams, provider: Provider) -> Result<Queue, ExecutorError> {
    let place = |field: &str| format!("{at}/{field}");
    let ordered = Field::at(place("ordered"), params.ordered).or_at(place("fifo"), params.fifo)?;
    let is_ordered = ordered.get().copied();
    let stem = params.name.as_deref().and_then(|name| name.strip_suffix(FIFO)).map(str::to_owned);
    if stem.is_some() && is_ordered != Some(true) {
        return Err(
            ordered.refuse(format!("must be true for a queue whose name ends with {FIFO}; or name it otherwise"))
        );
    }
    let limits = Limits::of(provider);
    let visibility = Field::at(place("visibility_timeout"), params.visibility_timeout).within(limits.visibility)?;
    let retention = Field::at(place("message_retention"), params.message_retention).within(limits.retention)?;
    let delay = Field::at(place("provider_config/delay_seconds"), params.provider_config.and_then(|p| p.delay_seconds))
        .or_at(place("delay_seconds"), params.delay_seconds)?;
    Ok(Queue {
        name: naming::name(Thing::Queue, provider, at, stem.or(params.name))?,
        ordered: is_ordered.unwrap_or(false),
        visibility_timeout: visibility.or(30),
        message_retention: retention.or(345_600),
        delay_seconds: delay.within(0..=900)?.optional(),
    })
}

/// What each cloud allows, in seconds.
struct Limits {
    visibility: RangeInclusive<u32>,
    retention: RangeInclusive<u32>,
}

impl Limits {
    fn of(provider: Provider) -> Self {
        match provider {
            Provider::Aws => Self { visibility: 0..=43_200, retention: 60..=1_209_600 },
            Provider::Gcp => Self { visibility: 10..=600, retention: 600..=2_678_400 },
            Provider::Azure => Self { visibility: 5..=300, retention: 60..=1_209_600 },
        }
    }
}
