//! A plane and runners as an operator would start them: release binaries, own processes, a folder on disk.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use wire::RunnerStatus;

use crate::client::Client;
use crate::programs::{Programs, Running, command};

const START_LIMIT: Duration = Duration::from_secs(20);
/// Only for waits before the clock of a figure runs.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A running plane and its folder.
pub(crate) struct System {
    /// Stopped before the folder goes.
    plane: Running,
    /// What speaks to it.
    pub(crate) client: Client,
    /// Its address as `host:port`.
    pub(crate) host_port: String,
    programs: Programs,
    folder: TempDir,
}

/// Who a runner is, and where it keeps its jobs.
pub(crate) struct Identity {
    /// The plane's name for it.
    pub(crate) id: String,
    /// What it proves that with.
    pub(crate) token: String,
    pub(crate) state: PathBuf,
}

impl System {
    /// Starts a plane on an empty folder below `scratch`.
    pub(crate) async fn start(programs: &Programs, scratch: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new_in(scratch)?;
        let data = folder.path().join("plane");
        let host_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let said = File::create(folder.path().join("plane.out"))?;
        let mut server = command(&programs.alethia);
        server.args(["server", "--listen", &host_port, "--data"]).arg(&data);
        let mut plane = Running(server.stdout(said.try_clone()?).stderr(said).spawn()?);
        let ready = ready(&mut plane, &host_port, &data);
        let client = tokio::time::timeout(START_LIMIT, ready).await.unwrap_or_else(|late| Err(late.into()));
        let client = client.with_context(|| {
            let said = fs::read_to_string(folder.path().join("plane.out")).unwrap_or_default();
            format!("the plane is not ready; it said {said:?}")
        })?;
        Ok(Self { plane, client, host_port, programs: programs.clone(), folder })
    }

    /// The plane's process.
    pub(crate) fn plane_pid(&self) -> u32 {
        self.plane.pid()
    }

    /// A folder for what a figure writes itself, on the disk of the plane.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the plane is, without a proxy.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host_port)
    }

    pub(crate) async fn register(&self, name: &str) -> anyhow::Result<Identity> {
        let answer = self.client.register(name).await?;
        let state = self.folder.path().join(name);
        Ok(Identity { id: answer.runner.id.as_str().to_owned(), token: answer.runner_token, state })
    }

    /// A runner of the product.
    pub(crate) fn product_runner(&self, who: &Identity, origin: &str) -> anyhow::Result<Running> {
        self.spawn_runner(&self.programs.alethia, &["runner", "start"], who, origin, &[("ALETHIA_SLOTS", "1")])
    }

    /// The same with variables that its operator sets.
    pub(crate) fn product_runner_in(&self, who: &Identity, env: &[(&str, &str)]) -> anyhow::Result<Running> {
        self.spawn_runner(&self.programs.alethia, &["runner", "start"], who, &self.origin(), env)
    }

    /// A runner that links the benchmark's own kind.
    pub(crate) fn bench_runner(&self, who: &Identity, origin: &str, slots: usize) -> anyhow::Result<Running> {
        let slots = slots.to_string();
        self.spawn_runner(&self.programs.runner, &["start"], who, origin, &[("ALETHIA_SLOTS", &slots)])
    }

    /// The same with the clouds linked, and with variables that say who it is there.
    pub(crate) fn cloud_runner(&self, who: &Identity, env: &[(&str, &str)]) -> anyhow::Result<Running> {
        self.spawn_runner(&self.programs.cloud_runner, &["start"], who, &self.origin(), env)
    }

    fn spawn_runner(
        &self,
        program: &Path,
        args: &[&str],
        who: &Identity,
        origin: &str,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Running> {
        let said = File::create(who.state.with_extension("out"))?;
        let mut runner = command(program);
        runner.args(args).env("ALETHIA_WEB_ORIGIN", origin).envs(env.iter().copied());
        runner.env("ALETHIA_WORKER_ID", &who.id).env("ALETHIA_WORKER_TOKEN", &who.token);
        runner.env("ALETHIA_STATE_DIR", &who.state).stdout(said.try_clone()?).stderr(said);
        Ok(Running(runner.spawn().context("the runner does not start")?))
    }

    /// Waits until the plane knows that the runner lives and what it can run.
    pub(crate) async fn online(&self, who: &Identity) -> anyhow::Result<()> {
        let seen = async {
            loop {
                let info = self.client.runner(&who.id).await?;
                if info.status == RunnerStatus::Online && !info.kinds.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(START_LIMIT, seen).await.unwrap_or_else(|_| {
            let said = fs::read_to_string(who.state.with_extension("out")).unwrap_or_default();
            bail!("the runner is not online; it said: {said}")
        })
    }
}

async fn ready(plane: &mut Running, host_port: &str, data: &Path) -> anyhow::Result<Client> {
    let origin = format!("http://{host_port}");
    loop {
        if let Some(status) = plane.0.try_wait()? {
            bail!("it ended with {status}");
        }
        if let Ok(token) = fs::read_to_string(data.join("admin-token")) {
            let client = Client::new(origin.clone(), token.trim().to_owned())?;
            if client.round_trip().await.is_ok() {
                return Ok(client);
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
