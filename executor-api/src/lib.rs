//! All that the author of a kind of job sees: the [`Executor`] trait, its registration, and the [`JobContext`].
//!
//! An executor never talks to the control plane, never sees the runner's token and never starts a process except
//! through its context. It is handed one job, runs tools, and says how it ended.

mod context;
mod credentials;
mod dns_name;
mod document;
mod error;
mod executor;
mod hidden_verb;
mod input;
mod installed_tools;
mod log_sink;
mod loopback;
mod mask;
mod metadata_service;
mod patience;
mod plugin;
mod run;
mod secrets;
mod settings;
mod stop;
pub mod testing;
mod tool_version;

pub use context::{Artifact, ArtifactBody, JobBackend, JobContext, JobContextParts, JobPaths, params_in, params_of};
pub use credentials::{
    AMBIENT_SECRETS, Ambient, CloudCluster, CloudSettings, ClusterEndpoint, CredentialPlugin, CredentialRequest,
    CredentialSession, CredentialSource, JobCredentials, RunAs, credential_folder, credential_inputs,
    credential_source, is_cloud_variable, run_as,
};
pub use dns_name::{is_label, is_subdomain};
pub use error::ExecutorError;
pub use executor::{Executor, Outcome};
pub use hidden_verb::HiddenVerb;
pub use input::Input;
pub use installed_tools::InstalledTools;
pub use log_sink::{LogSink, LogWriter};
pub use loopback::{goes_to_loopback, is_loopback, needs_no_roots};
pub use metadata_service::is_metadata_service;
pub use patience::{Patience, goes_away_by_itself};
pub use plugin::{ExecutorPlugin, ExecutorRegistry, RegistryError, Tool, check_timeout, minutes, waiting_time};
pub use process_supervisor::{Command, Environment, ProcessExit};
pub use run::Finished;
pub use secrets::without_secrets_of;
pub use settings::{JobSettings, PlaneAccess, StorageSettings};
pub use stop::{Stop, StopReason, StopSignal, StopTrigger};
pub use wire::{CloudIdentity, ErrorBody, Job, JobId, JobStatus, LogStream, LossPolicy, pointer_of, pointer_to, texts};

/// For `inventory::submit!` without a dependency of one's own.
pub use inventory;
