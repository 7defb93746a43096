//! `server`: a control plane in this process.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use control_plane::{Config, ControlPlane, Limits, SecretReaders, Timings};
use executor_api::{ExecutorPlugin, ExecutorRegistry};
use runner_host::Variables;
use runner_host::command::init_tracing;
use tokio_util::sync::CancellationToken;
use url::Url;
use wire::RunnerImage;

use crate::config;
use crate::ending::{Ending, Misconfigured};
use crate::leave_requests::LeaveRequests;

#[derive(Args)]
pub(crate) struct ServerArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "ALETHIA_LISTEN",
        default_value = config::DEFAULT_LISTEN,
        value_parser = address
    )]
    listen: SocketAddr,
    /// Where everything is kept [default: alethia in the user's data folder]
    #[arg(long, value_name = "DIR", env = "ALETHIA_DATA_DIR")]
    data: Option<PathBuf>,
    /// Scheme, host and port under which the world knows this plane, for clouds that are to trust the tokens of its jobs
    #[arg(long, value_name = "URL", env = "ALETHIA_PUBLIC_URL")]
    public_url: Option<Url>,
    /// What a runner runs that is deployed without an image of its own
    #[arg(long, value_name = "REPOSITORY[:TAG]", env = "ALETHIA_RUNNER_IMAGE")]
    runner_image: Option<RunnerImage>,
    /// Who sees the secrets that a job hands over, for example a first password
    #[arg(long, value_enum, value_name = "WHO", env = "ALETHIA_SECRETS_FOR", default_value = "submitter")]
    secrets_for: SecretsFor,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SecretsFor {
    /// Who submitted the job
    Submitter,
    /// Everybody of its organisation
    Organisation,
}

impl From<SecretsFor> for SecretReaders {
    fn from(who: SecretsFor) -> Self {
        match who {
            SecretsFor::Submitter => Self::Submitter,
            SecretsFor::Organisation => Self::Organisation,
        }
    }
}

/// A name is looked up once, at the start. One that has an address of each family is meant as most people write it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found =
        text.to_socket_addrs().map_err(|error| format!("{error}; give for example {}", config::DEFAULT_LISTEN))?;
    found.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| "the name has no address".to_owned())
}

pub(crate) async fn run(args: ServerArgs) -> anyhow::Result<ExitCode> {
    let variables = Variables::of_process();
    init_tracing(&variables.log_filter());
    let data = match args.data {
        Some(data) => data,
        None => config::default_data_dir(&variables)?,
    };
    // Heard from the start: a signal while the folder is opened is not lost.
    let shutdown = on_request()?;
    let config = Config {
        secret_readers: args.secrets_for.into(),
        public_url: args.public_url,
        runner_image: args.runner_image,
        ..config(args.listen, data.clone())?
    };
    let plane = open(config).await?;
    anstream::println!("serving http://{} from {}", plane.address(), data.display());
    if plane.created_admin_token() {
        anstream::println!("the administrator's token is in {}", plane.admin_token_file().display());
    }
    if !plane.address().ip().is_loopback() {
        tracing::warn!("this address is open to the network, and tokens travel over it: put TLS in front of it");
    }
    plane.run(shutdown).await?;
    Ok(Ending::Done.into())
}

/// What a control plane is without further settings; it knows the kinds of this program.
pub(crate) fn config(listen: SocketAddr, data_dir: PathBuf) -> anyhow::Result<Config> {
    let registry = ExecutorRegistry::from_linked()?;
    Ok(Config {
        listen,
        data_dir,
        kinds: registry.iter().map(ExecutorPlugin::info).collect(),
        timings: Timings::default(),
        limits: Limits::default(),
        secret_readers: SecretReaders::default(),
        public_url: None,
        runner_image: None,
    })
}

/// A control plane that listens.
pub(crate) async fn open(config: Config) -> anyhow::Result<ControlPlane> {
    Ok(control_plane::start(config).await.map_err(|error| Misconfigured(format!("{error:#}")))?)
}

/// Cancelled by SIGTERM and by Ctrl-C.
fn on_request() -> anyhow::Result<CancellationToken> {
    let mut requests = LeaveRequests::listen()?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        requests.next().await;
        tracing::info!("leaving; running jobs go on and report to the next start");
        cancel.cancel();
    });
    Ok(token)
}
