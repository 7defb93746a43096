//! The bucket for states in the operator's storage: asked for before terraform is, and made where it is missing.

use executor_api::{ExecutorError, JobContext, StorageSettings};
use reqwest::{Method, StatusCode};
use serde::Serialize;

use crate::storage::{Answer, Bucket, StorageError};

/// S3's default: it refuses to be told so.
const UNSAID_REGION: &str = "us-east-1";
const XMLNS: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const VERSIONING: &str = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                          <Status>Enabled</Status></VersioningConfiguration>";

/// The bucket, if it is not there and the operator lets us make one. Only looks: one request.
///
/// # Errors
/// If the storage does not answer. What the runner's key may not see is left to terraform, which says it better.
pub(crate) async fn missing<'a>(
    job: &'a JobContext,
    storage: &'a StorageSettings,
    name: &'a str,
) -> Result<Option<Missing<'a>>, ExecutorError> {
    if !storage.create_buckets {
        return Ok(None);
    }
    let bucket = Bucket::of(storage, name).map_err(|error| ExecutorError::Other(error.to_string()))?;
    let missing = Missing { job, bucket, name, region: &storage.region };
    let mut stop = job.stop();
    tokio::select! {
        found = missing.look() => Ok((!found?).then_some(missing)),
        stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
    }
}

/// A bucket that may be missing.
pub(crate) struct Missing<'a> {
    job: &'a JobContext,
    bucket: Bucket<'a>,
    name: &'a str,
    region: &'a str,
}

impl Missing<'_> {
    /// Whether it is there, as far as we may know: a refusal says neither.
    async fn look(&self) -> Result<bool, ExecutorError> {
        let answer = self.bucket.ask(Method::HEAD, "", "").await.map_err(|error| self.unanswered(&error))?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_server_error() => Err(self.error(
                &format!("cannot be asked for: {} answered {}", self.bucket.host, answer.text()),
                "try again, or look after the storage",
            )),
            _ => Ok(true),
        }
    }

    /// Nobody but its owner sees into a bucket unless somebody says so: private is what is left out. Not to be stopped half
    /// way: a bucket that is there is never touched again, and would stay without versioning.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) async fn make(&self) -> Result<(), ExecutorError> {
        let made = self.bucket.ask(Method::PUT, "", &self.configuration()).await;
        let answer = made.map_err(|error| self.unanswered(&error))?;
        let (name, host) = (self.name, &self.bucket.host);
        match answer.status {
            status if status.is_success() && !answer.is_html => {
                self.job.log().system(format!("made the bucket {name} for states at {host}"));
            }
            // A race that was lost, to another job or to a try of our own whose answer was lost.
            StatusCode::CONFLICT if self.is_ours().await? => {}
            _ => return Err(self.refused(&answer)),
        }
        self.keep_versions().await;
        Ok(())
    }

    /// Not every storage says in its refusal whose it is.
    async fn is_ours(&self) -> Result<bool, ExecutorError> {
        let answer = self.bucket.ask(Method::HEAD, "", "").await.map_err(|error| self.unanswered(&error))?;
        Ok(answer.status.is_success())
    }

    /// An overwritten state can be had back. A storage that cannot do it is good enough for states without.
    async fn keep_versions(&self) {
        let why = match self.bucket.ask(Method::PUT, "?versioning", VERSIONING).await {
            Ok(answer) if answer.status.is_success() => return,
            Ok(answer) => format!("{} answered {}", self.bucket.host, answer.text()),
            Err(error) => error.to_string(),
        };
        let name = self.name;
        let text =
            format!("the bucket {name} keeps no old versions of states: {why}; turn versioning on there if it can");
        self.job.log().system(text);
    }

    fn configuration(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename = "CreateBucketConfiguration")]
        struct Configuration<'a> {
            #[serde(rename = "@xmlns")]
            xmlns: &'a str,
            #[serde(rename = "LocationConstraint")]
            region: &'a str,
        }
        if self.region == UNSAID_REGION {
            return String::new();
        }
        quick_xml::se::to_string(&Configuration { xmlns: XMLNS, region: self.region }).expect("two strings are XML")
    }

    fn refused(&self, answer: &Answer) -> ExecutorError {
        let host = &self.bucket.host;
        if answer.is_html {
            let what = format!("cannot be made: {host} answered {}, and so is no S3 storage", answer.text());
            return self.error(&what, "a proxy answers in its place, or SUPABASE_S3_ENDPOINT is wrong");
        }
        let said = format!("{host} answered {}", answer.text());
        match answer.status {
            // Of what is being made or taken away nobody says whose it is.
            StatusCode::CONFLICT if answer.code != "OperationAborted" => self.error(
                &format!("belongs to somebody else: {said}"),
                "name another, for environments and runners in ALETHIA_STATE_BUCKET",
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.error(
                &format!("is not there, and the runner's key may not make it: {said}"),
                "make it, or allow the key s3:CreateBucket",
            ),
            _ => self.error(
                &format!("is not there, and cannot be made: {said}"),
                "make it, or check SUPABASE_S3_ENDPOINT and SUPABASE_S3_REGION",
            ),
        }
    }

    fn unanswered(&self, error: &StorageError) -> ExecutorError {
        let host = &self.bucket.host;
        self.error(&format!("cannot be asked for at {host}: {error}"), "check SUPABASE_S3_ENDPOINT and the way there")
    }

    fn error(&self, what: &str, remedy: &str) -> ExecutorError {
        ExecutorError::Other(format!("the bucket {} for states {what}; for the runner's operator: {remedy}", self.name))
    }
}
