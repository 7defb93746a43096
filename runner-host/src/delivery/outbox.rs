//! Progress and artifacts, in the order in which the job handed them over.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use wire::{JobStatus, StatusReport, paths};

use super::{Delivery, Stopped};
use crate::client::Upload;
use crate::dialect::Dialect;
use crate::dispatch;
use crate::job_directory::{ArtifactRecord, JobDirectory, OutboxEntry};

/// Delivers the oldest entry; false if there is none.
pub(super) async fn deliver_one(delivery: &Delivery<'_>) -> Result<bool, Stopped> {
    let Some((file, entry)) = delivery.directory.next_outbox()? else { return Ok(false) };
    match entry {
        OutboxEntry::Progress(metadata) => publish(delivery, metadata).await?,
        OutboxEntry::Artifact { record, bytes } => {
            if let Err(why) = send(delivery, &record, bytes).await? {
                keep(delivery, &file, &record, &why).await?;
                return Ok(true);
            }
        }
        // It costs itself, not the end of the job.
        OutboxEntry::Damaged { why } => {
            let name = file.file_name().unwrap_or_default().display();
            tracing::error!(why, job.id = %delivery.job, %name, "what a job has handed over is damaged");
            let why = format!("what the job handed over was damaged on the runner's disk: {why}");
            publish(delivery, Map::from_iter([(format!("outbox_damaged:{name}"), why.into())])).await?;
        }
    }
    JobDirectory::remove_outbox(&file)?;
    Ok(true)
}

async fn publish(delivery: &Delivery<'_>, metadata: Map<String, Value>) -> Result<(), Stopped> {
    let report = StatusReport { execution_metadata: Some(metadata.into()), ..StatusReport::of(JobStatus::Processing) };
    let call = || delivery.runner.client.report(delivery.job, delivery.attempt, &report);
    if let Err(error) = delivery.insist("deliver progress", call).await? {
        tracing::error!(error = crate::chain(&error), job.id = %delivery.job, "the control plane refuses what a job says of its progress");
    }
    Ok(())
}

/// It costs itself, not the job; who looks for it finds out why it is not there, and where it is.
async fn keep(delivery: &Delivery<'_>, entry: &Path, record: &ArtifactRecord, why: &str) -> Result<(), Stopped> {
    let place = delivery.directory.kept_as(entry).map_or_else(
        || "it is not kept: this runner works for many organisations".to_owned(),
        |kept| format!("the runner keeps it as {}, behind a line that says what it is", kept.display()),
    );
    let why = format!("{why}; {place}");
    tracing::error!(why, job.id = %delivery.job, artifact = record.name, "the control plane has no artifact of a job");
    publish(delivery, Map::from_iter([(format!("artifact_refused:{}", record.name), why.into())])).await?;
    Ok(delivery.directory.keep_outbox(entry)?)
}

/// Sends an artifact; the inner error says why the plane does not have it.
async fn send(delivery: &Delivery<'_>, record: &ArtifactRecord, bytes: Bytes) -> Result<Result<(), String>, Stopped> {
    let Delivery { runner, job, attempt, dialect, .. } = delivery;
    let answer = match dialect {
        // The plane would ask for it again and again.
        Dialect::Two if !is_intact(record, &bytes).await => {
            return Ok(Err(
                "its bytes are not those that the job handed over: the runner's disk has damaged them".into()
            ));
        }
        Dialect::Two => {
            let call = || {
                let ArtifactRecord { name, media_type, sha256 } = record;
                runner.client.put_artifact(job, *attempt, Upload { name, media_type, sha256, bytes: bytes.clone() })
            };
            delivery.insist("deliver an artifact", call).await?
        }
        Dialect::Seed if record.name == paths::PLAN_ARTIFACT => {
            delivery.insist("deliver the plan", || runner.client.post_plan(job, *attempt, bytes.clone())).await?
        }
        // What else it does not keep, a person can make again.
        Dialect::Seed if record.name == "errored.tfstate" => {
            return Ok(Err("a control plane of this contract keeps no states".into()));
        }
        Dialect::Seed => {
            tracing::info!(job.id = %job, artifact = record.name, "the control plane keeps no such artifacts");
            Ok(())
        }
    };
    Ok(answer.map_err(|error| crate::chain(&error)))
}

async fn is_intact(record: &ArtifactRecord, bytes: &Bytes) -> bool {
    let bytes = bytes.clone();
    dispatch::blocking(move || hex::encode(Sha256::digest(bytes))).await == record.sha256
}
