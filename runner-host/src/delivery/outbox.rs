//! Progress and artifacts, in the order in which the job handed them over.

use bytes::Bytes;
use serde_json::{Map, Value};
use wire::{JobStatus, StatusReport};

use super::{Delivery, Stopped, refused};
use crate::client::Upload;
use crate::dialect::Dialect;
use crate::job_directory::{ArtifactRecord, JobDirectory, OutboxEntry};

/// Delivers the oldest entry; false if there is none.
pub(super) async fn deliver_one(delivery: &Delivery<'_>) -> Result<bool, Stopped> {
    let Some((file, entry)) = delivery.directory.next_outbox()? else { return Ok(false) };
    match entry {
        OutboxEntry::Progress(metadata) => publish(delivery, metadata).await?,
        OutboxEntry::Artifact { record, bytes } => upload(delivery, &record, bytes).await?,
        // It costs itself, not the end of the job.
        OutboxEntry::Damaged { why } => {
            let name = file.file_name().unwrap_or_default().display();
            tracing::error!(why, job.id = %delivery.job, %name, "what a job has handed over is damaged");
            publish(delivery, Map::from_iter([(format!("outbox_damaged:{name}"), why.into())])).await?;
        }
    }
    JobDirectory::remove_outbox(&file)?;
    Ok(true)
}

async fn publish(delivery: &Delivery<'_>, metadata: Map<String, Value>) -> Result<(), Stopped> {
    let report = StatusReport { execution_metadata: Some(metadata.into()), ..StatusReport::of(JobStatus::Processing) };
    let call = || delivery.runner.client.report(delivery.job, delivery.attempt, &report);
    match delivery.insist("deliver progress", call).await {
        Err(error) if error.is_about_content() => {
            tracing::error!(error = crate::chain(&error), job.id = %delivery.job, "the control plane refuses what a job says of its progress");
            Ok(())
        }
        answer => answer.map(drop).map_err(|error| refused(&error)),
    }
}

async fn upload(delivery: &Delivery<'_>, record: &ArtifactRecord, bytes: Bytes) -> Result<(), Stopped> {
    let Delivery { runner, job, attempt, dialect, .. } = delivery;
    let answer = match dialect {
        Dialect::Two => {
            let call = || {
                let ArtifactRecord { name, media_type, sha256 } = record;
                runner.client.put_artifact(job, *attempt, Upload { name, media_type, sha256, bytes: bytes.clone() })
            };
            delivery.insist("deliver an artifact", call).await
        }
        Dialect::Seed if record.name == "terraform.plan.out" => {
            delivery.insist("deliver the plan", || runner.client.post_plan(job, *attempt, bytes.clone())).await
        }
        Dialect::Seed => {
            tracing::info!(job.id = %job, artifact = record.name, "the control plane keeps no such artifacts");
            Ok(())
        }
    };
    match answer {
        // It costs itself, not the job; who looks for it finds out why it is not there.
        Err(error) if error.is_about_content() => {
            let why = crate::chain(&error);
            tracing::error!(why, job.id = %job, artifact = record.name, "the control plane refuses an artifact");
            publish(delivery, Map::from_iter([(format!("artifact_refused:{}", record.name), why.into())])).await
        }
        answer => answer.map_err(|error| refused(&error)),
    }
}
