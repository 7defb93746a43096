//! Topics of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::naming::{self, Thing};
use super::place::Provider;
use super::queue::{FIFO, Queue};
use super::words;

const MOST: usize = 100;
const MOST_SUBSCRIPTIONS: usize = 50;

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Topic {
    /// Unique in the environment. AWS: one that ends with `.fifo` is ordered.
    pub name: String,
    /// Who hears of a message.
    pub subscriptions: Vec<Subscription>,
}

/// Who hears of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subscription {
    /// For example `sqs` or `https`.
    pub protocol: String,
    /// Where to.
    pub endpoint: String,
}

/// A topic, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct TopicParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// Who hears of a message.
    #[schemars(length(max = 50))]
    pub subscriptions: Option<Vec<SubscriptionParams>>,
}

/// Who hears of a message, as a payload says it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct SubscriptionParams {
    /// For example `sqs` or `https`. Required.
    pub protocol: Option<String>,
    /// Where to: an ARN, an address, or on GCP and Azure a name. Required.
    pub endpoint: Option<String>,
}

/// `queues`: where a queue is made of a topic, or is in one namespace with topics, they share their names.
pub(super) fn read(
    params: Option<Vec<TopicParams>>,
    provider: Provider,
    queues: &[Queue],
) -> Result<Vec<Topic>, ExecutorError> {
    let topics =
        Field::at("/topics", params).at_most(MOST)?.each(|at, params| read_one(at, params, provider, queues))?;
    let names = naming::places("/topics", &topics, |topic| &topic.name);
    if provider == Provider::Aws {
        naming::refuse_twins(names)?;
    } else {
        naming::refuse_twins(naming::places("/queues", queues, |queue| &queue.name).chain(names))?;
    }
    Ok(topics)
}

fn read_one(at: &str, params: TopicParams, provider: Provider, queues: &[Queue]) -> Result<Topic, ExecutorError> {
    let stem = params.name.as_deref().filter(|_| provider == Provider::Aws).and_then(|name| name.strip_suffix(FIFO));
    let end = if stem.is_some() { FIFO } else { "" };
    let name = naming::name(Thing::Topic, provider, at, stem.map(str::to_owned).or(params.name))?;
    let name = format!("{name}{end}");
    let subscriptions = Field::at(format!("{at}/subscriptions"), params.subscriptions).at_most(MOST_SUBSCRIPTIONS)?;
    let mut taken: Vec<Subscription> = Vec::new();
    let subscriptions = subscriptions.each(|at, params| {
        let subscription = subscription(at, params, provider, queues)?;
        if taken.iter().any(|before| before.is_twin_of(&subscription, provider)) {
            return Err(ExecutorError::invalid(at, "is there already; give each endpoint once"));
        }
        taken.push(subscription.clone());
        Ok(subscription)
    })?;
    Ok(Topic { name, subscriptions })
}

const AWS_PROTOCOLS: [&str; 8] = ["sqs", "lambda", "https", "email", "email-json", "firehose", "application", "sms"];

impl Subscription {
    /// Elsewhere than on AWS a subscription is named after its endpoint alone.
    fn is_twin_of(&self, other: &Self, provider: Provider) -> bool {
        let same = self.endpoint.eq_ignore_ascii_case(&other.endpoint);
        same && (provider != Provider::Aws || self.protocol == other.protocol)
    }
}

fn subscription(
    at: &str,
    params: SubscriptionParams,
    provider: Provider,
    queues: &[Queue],
) -> Result<Subscription, ExecutorError> {
    let protocol = Field::at(format!("{at}/protocol"), params.protocol).text(|text| {
        if provider == Provider::Aws && !AWS_PROTOCOLS.contains(&text) {
            return Err(format!("give one of {}", AWS_PROTOCOLS.join(", ")));
        }
        words::word(text, 32, "-")
    })?;
    let endpoint = Field::at(format!("{at}/endpoint"), params.endpoint).text(|text| words::line(text, 2048))?;
    let protocol = protocol.required("say how, for example sqs")?;
    let endpoint =
        endpoint.check(|text| if provider == Provider::Aws { at_aws(&protocol, text, queues) } else { Ok(text) })?;
    Ok(Subscription { endpoint: endpoint.required("say where to")?, protocol })
}

/// The endpoint of a protocol of SNS. A queue of the same snapshot goes by its name.
fn at_aws(protocol: &str, endpoint: String, queues: &[Queue]) -> Result<String, String> {
    let queue = endpoint.strip_suffix(FIFO).unwrap_or(&endpoint);
    if protocol == "sqs" && queues.iter().any(|one| one.name == queue) {
        return Ok(queue.to_owned());
    }
    let (fits, remedy) = match protocol {
        "sqs" => (endpoint.starts_with("arn:"), "the name of one of /queues, or the ARN of another queue"),
        "lambda" | "firehose" | "application" => (endpoint.starts_with("arn:"), "an ARN"),
        "https" => (endpoint.starts_with("https://"), "an address that begins with https://"),
        "email" | "email-json" => (endpoint.contains('@'), "an address of electronic mail"),
        _ => (endpoint.starts_with('+'), "a telephone number, for example +4930123456"),
    };
    if fits { Ok(endpoint) } else { Err(format!("give {remedy}")) }
}
