//! What a job needs from the control plane before it starts.

use serde::{Deserialize, Serialize};
use wire::JobId;

/// Something that the runner fetches into the job directory's `inputs/` before the job starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An uploaded archive, by its SHA-256. The file is the tar.gz, its digest checked.
    Source(String),
    /// An artifact of another job. The file is the artifact, its digest checked.
    Artifact {
        /// Whose.
        job_id: JobId,
        /// Which.
        name: String,
    },
    /// The record of another job. The file is a [`wire::Job`] as JSON.
    JobRecord(JobId),
    /// The job's token for one git host. The file is the token; missing if there is none. A secret.
    GitToken {
        /// With the port where it is not 443.
        host: String,
    },
    /// A token of OpenID Connect by which the plane says who this job is, for a cloud that trusts the plane. The file
    /// is the JWT; the runner replaces it at 70 % of its life; missing if the plane issues none. A secret.
    OidcToken {
        /// Who is to believe it, for example `sts.amazonaws.com`.
        audience: String,
    },
}

impl Input {
    /// The name of the file in `inputs/`.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self {
            Self::Source(id) => format!("source-{id}.tar.gz"),
            Self::Artifact { job_id, name } => format!("artifact-{job_id}-{name}"),
            Self::JobRecord(id) => format!("job-{id}.json"),
            Self::GitToken { host } => {
                let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
                format!("git-token-{}", host.chars().map(plain).collect::<String>())
            }
            // An audience is no file name, and a job has one.
            Self::OidcToken { .. } => "oidc-token".to_owned(),
        }
    }
}
