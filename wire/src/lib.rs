//! The HTTP contract between runner, control plane and clients: data, routes and header names. No I/O.
//!
//! The spelling of the outside world (`PROCESSING`, `X-Worker-ID`, `/api/workers/heartbeat`) lives in this crate
//! and nowhere else. Reading is lenient (unknown fields are ignored, aliases of both dialects are accepted),
//! writing is strict.

mod artifact;
mod claim;
mod concurrency;
mod git;
mod heartbeat;
mod identity;
mod ids;
mod job;
mod kind;
mod log;
pub mod paths;
mod people;
mod pointer;
mod registration;
mod report;
mod runner_image;
mod runner_work;
mod secrets;
mod submit;
mod time;

pub use artifact::{ARTIFACT_NAME_FORM, ArtifactInfo, ArtifactList, is_artifact_name};
pub use claim::{Claim, ClaimRequest, JobAccess};
pub use concurrency::Exclusive;
pub use git::{GitCredentialInfo, GitCredentialRequest, GitTokenAnswer, GitTokenRequest};
pub use heartbeat::{CancelOrder, Heartbeat, HeartbeatAnswer, HeldJob, PROTOCOL, RunnerEvent, RunnerStatus};
pub use identity::{
    CloudIdentity, ConnectAnswer, ConnectRequest, DisconnectRequest, Federation, IdentityInfo, InitAnswer, InitRequest,
    OidcTokenAnswer, OidcTokenRequest, VerifyRequest,
};
pub use ids::{AttemptNo, JobId, RunnerId};
pub use job::{Job, JobStatus, Phase};
pub use kind::{KindInfo, LossPolicy, ToolInfo};
pub use log::{
    AppendAnswer, FRAME_HEADER_BYTES, Frame, FrameError, FrameHeader, LogAppended, LogEntry, LogPage, LogPost,
    LogStream, MAX_FRAME_BYTES,
};
pub use people::{UserAnswer, UserInfo, UserRequest};
pub use pointer::{pointer_of, pointer_to};
pub use registration::{
    DeployRunnerAnswer, DeployRunnerRequest, QueueDemand, RegisterAnswer, RegisterRequest, RunnerDemand, RunnerInfo,
    RunnerMode, UpdateRunnerRequest,
};
pub use report::{ErrorBody, LogSummary, Reason, ReportAnswer, StatusReport};
pub use runner_image::{NoImage, RunnerImage};
pub use runner_work::{
    DEPLOY_CONFIG, RUNNER, RUNNER_POINTERS, RUNNER_TOKEN_POINTERS, RunnerWork, named_runner, remembered, runner_key,
};
pub use secrets::{HIDDEN, SECRET_MEDIA_TYPE, SecretPlace, secret_places, texts};
pub use submit::{JobList, SourceAnswer, SubmitAnswer, SubmitRequest};
pub use time::Timestamp;
