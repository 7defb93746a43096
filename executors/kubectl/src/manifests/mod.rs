//! Manifests: where a payload says they are, and the files that kubectl reads.

mod files;
mod parse;

use executor_api::{ExecutorError, Input, JobContext};
use job_source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use files::ManifestFiles;

/// Where the manifests are: `source`, or `inline`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifests {
    /// Files: an archive, a git repository, or texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// A file or a folder of the source; all of it if missing. Of a folder all `.yaml`, `.yml` and `.json` files count,
    /// in order of their names, those in folders below it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The manifests themselves, YAML or JSON, with `---` between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true, "contentMediaType" = "application/yaml"))]
    pub inline: Option<String>,
}

const INLINE: &str = "inline.yaml";

impl Manifests {
    /// Checks what can be checked without the files. `pointer` is the place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        match (&self.source, &self.inline) {
            (Some(source), None) => source.check(&format!("{pointer}/source"))?,
            (None, Some(text)) => {
                parse::yaml(text).map_err(|why| ExecutorError::invalid(&format!("{pointer}/inline"), why))?;
            }
            _ => return Err(ExecutorError::invalid(pointer, "give either a source or inline text")),
        }
        match &self.path {
            Some(_) if self.source.is_none() => {
                Err(ExecutorError::invalid(&format!("{pointer}/path"), "a path is one of a source; leave it out"))
            }
            Some(path) => ManifestFiles::check_path(path, &format!("{pointer}/path")),
            None => Ok(()),
        }
    }

    /// What has to be fetched before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        self.source.as_ref().map(Source::inputs).unwrap_or_default()
    }

    /// Puts the files into the folder `manifests` of the working directory, and hides the data of Secrets in them from
    /// the log. `pointer` is the place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if they are refused.
    pub async fn prepare(&self, job: &JobContext, pointer: &str) -> Result<ManifestFiles, ExecutorError> {
        self.check(pointer)?;
        let folder = job.work_dir().join("manifests");
        std::fs::create_dir_all(&folder).map_err(ExecutorError::io("cannot make a folder for the manifests"))?;
        if let Some(source) = &self.source {
            source.unpack(job, &folder, &format!("{pointer}/source")).await?;
            let path = self.path.as_deref().unwrap_or(".");
            return ManifestFiles::read(job, &folder, path, &format!("{pointer}/path"));
        }
        let text = self.inline.as_deref().unwrap_or_default();
        std::fs::write(folder.join(INLINE), text).map_err(ExecutorError::io("cannot write the manifests"))?;
        ManifestFiles::read(job, &folder, INLINE, &format!("{pointer}/inline"))
    }
}

/// Not the text: it may hold secrets.
impl std::fmt::Debug for Manifests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifests").field("path", &self.path).finish_non_exhaustive()
    }
}
