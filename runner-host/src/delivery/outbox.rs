//! Progress and artifacts, in the order in which the job handed them over.

use std::fs;

use bytes::Bytes;
use reqwest::StatusCode;
use wire::{JobStatus, StatusReport};

use super::{Delivery, Stopped, refused};
use crate::client::{ClientError, Upload};
use crate::job_directory::{ArtifactRecord, JobDirectory, OutboxEntry};
use crate::runner::Dialect;

/// Delivers the oldest entry; false if there is none.
pub(super) async fn deliver_one(delivery: &Delivery<'_>) -> Result<bool, Stopped> {
    let Some((file, entry)) = delivery.directory.next_outbox()? else { return Ok(false) };
    match entry {
        OutboxEntry::Progress(metadata) => {
            let report = StatusReport {
                status: JobStatus::Processing,
                error_message: None,
                execution_metadata: Some(metadata.into()),
                phase: None,
                reason: None,
                log: None,
                finished_at: None,
            };
            let call = || delivery.runner.client.report(delivery.job, delivery.attempt, &report);
            delivery.insist("deliver progress", call).await.map_err(|error| refused(&error))?;
        }
        OutboxEntry::Artifact { record, file } => {
            let bytes = Bytes::from(fs::read(file)?);
            upload(delivery, &record, bytes).await?;
        }
    }
    JobDirectory::remove_outbox(&file)?;
    Ok(true)
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
    answer.or_else(|error| not_taken(delivery, record, &error))
}

/// An artifact that is too large or misnamed costs itself, not the job.
fn not_taken(delivery: &Delivery<'_>, record: &ArtifactRecord, error: &ClientError) -> Result<(), Stopped> {
    match error.status() {
        Some(StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
            tracing::error!(error = crate::chain(error), job.id = %delivery.job, artifact = record.name, "the control plane refuses an artifact");
            Ok(())
        }
        _ => Err(refused(error)),
    }
}
