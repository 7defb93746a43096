//! What jobs deliver besides their log: plans, reports, state that could not be saved.
//!
//! The bytes lie in a [`BlobStore`], named by their digest and shared with [`crate::sources`]; [`ArtifactRecords`]
//! says which job has which. Who may ask is known elsewhere.

mod blobs;
mod records;
mod secrets;

pub use blobs::{Blob, BlobError, BlobStore, Digest, Incoming};
pub use records::{Artifact, ArtifactName, ArtifactRecords, InvalidName, NewArtifact, RecordError};
pub(crate) use secrets::SECRET_BYTES;
pub use secrets::SecretArtifacts;
