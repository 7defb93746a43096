//! Queues and topics, which each cloud has in its own way.

use executor_provisioner::tfvars::tfvars;
use serde_json::{Value, json};

use crate::environments::{read, smallest};

fn told(provider: &str, queues: Value, topics: Value) -> Value {
    let mut payload = smallest(provider);
    payload["queues"] = queues;
    payload["topics"] = topics;
    json!(tfvars(&read(&payload)))
}

#[test]
fn on_aws_a_queue_is_a_queue() {
    let queues = json!([{ "name": "jobs.fifo", "ordered": true, "delay_seconds": 5 }, { "name": "mails" }]);
    let topics = json!([{ "name": "events", "subscriptions": [{ "protocol": "sqs", "endpoint": "mails" }] }]);
    let told = told("aws", queues, topics);
    let jobs = json!({ "fifo_queue": true, "dlq_enable": false, "visibility_timeout_seconds": 30,
                       "message_retention_seconds": 345_600, "delay_seconds": 5 });
    assert_eq!(told["sqs_queues"]["jobs"], jobs);
    assert_eq!(told["sqs_queues"]["mails"]["delay_seconds"], Value::Null);
    let subscriptions = json!([{ "protocol": "sqs", "endpoint": "mails" }]);
    assert_eq!(told["sns_topics"], json!({ "events": { "subscriptions": subscriptions } }));
    assert_eq!(told["provision_sqs"], true);
}

#[test]
fn on_gcp_a_queue_is_a_topic_with_one_subscription() {
    let queues = json!([{ "name": "jobs", "visibility_timeout": 60, "message_retention": 86_400 }]);
    let topics = json!([{ "name": "events", "subscriptions": [
        { "protocol": "pull", "endpoint": "worker" }, { "protocol": "push", "endpoint": "https://x.example.com/" },
    ] }]);
    let told = told("gcp", queues, topics);
    let jobs = json!({ "message_retention_duration": "86400s", "subscriptions": [
        { "name": "jobs-sub", "ack_deadline_seconds": 60, "enable_message_ordering": false },
    ] });
    assert_eq!(told["pubsub_topics"]["jobs"], jobs);
    let names = |at: usize| told["pubsub_topics"]["events"]["subscriptions"][at]["name"].as_str().unwrap();
    assert_eq!(names(0), "events.worker");
    assert!(names(1).starts_with("events.s-"), "{}", names(1));
    assert_eq!(told["create_pubsub"], true);
}

#[test]
fn on_azure_times_are_written_as_service_bus_reads_them() {
    let queues = json!([{ "name": "jobs", "fifo": true, "visibility_timeout": 60 }]);
    let topics = json!([{ "name": "events", "subscriptions": [{ "protocol": "pull", "endpoint": "worker" }] }]);
    let told = told("azure", queues, topics);
    let jobs = &told["service_bus_queues"]["jobs"];
    assert_eq!((&jobs["lock_duration"], &jobs["default_message_ttl"]), (&json!("PT60S"), &json!("PT345600S")));
    assert_eq!((&jobs["requires_session"], &jobs["max_delivery_count"]), (&json!(true), &json!(10)));
    let subscriptions = json!([{ "name": "worker", "max_delivery_count": 10 }]);
    assert_eq!(told["service_bus_topics"], json!({ "events": { "subscriptions": subscriptions } }));
}

#[test]
fn a_subscription_keeps_its_name_when_another_goes() {
    let topics = |endpoints: &[&str]| {
        let one = |endpoint: &&str| json!({ "protocol": "push", "endpoint": endpoint });
        json!([{ "name": "events", "subscriptions": endpoints.iter().map(one).collect::<Value>() }])
    };
    for (provider, at) in [("gcp", "/pubsub_topics/events"), ("azure", "/service_bus_topics/events")] {
        let names = |endpoints: &[&str]| -> Vec<Value> {
            let told = told(provider, json!([]), topics(endpoints));
            let subscriptions = told.pointer(&format!("{at}/subscriptions")).unwrap().as_array().unwrap();
            subscriptions.iter().map(|subscription| subscription["name"].clone()).collect()
        };
        let both = names(&["https://a.example.com/", "https://b.example.com/"]);
        assert_eq!(names(&["https://b.example.com/"]), both[1..]);
        assert_ne!(both[0], both[1]);
    }
}
