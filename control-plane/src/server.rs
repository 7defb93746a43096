//! Opens a data folder, and serves it.

use std::fs::{DirBuilder, File};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::Router;
use rustix::fs::{FlockOperation, flock};
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;
use wire::{KindInfo, RunnerImage};

use crate::access::{SecretReaders, User};
use crate::artifacts::{ArtifactRecords, BlobStore, SecretArtifacts};
use crate::connections;
use crate::database::Database;
use crate::directory::Directory;
use crate::gate::Gate;
use crate::git_credentials::GitCredentials;
use crate::identities::Identities;
use crate::logs::{LogLimits, LogStore};
use crate::oidc::Issuer;
use crate::plane::Plane;
use crate::queue::{Queue, QueueParts, SqliteStore, Timings, reaper};
use crate::routes::{Storage, StorageLimits};
use crate::sources::Sources;
use crate::state::StateStore;
use crate::tokens::{self, Deriver};
use crate::vault::Vault;
use crate::wake::Wake;

/// The organisation and the user that the first start makes.
const FIRST_ORG: &str = "default";
const FIRST_USER: &str = "admin";

/// What a control plane needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Everything that is kept: database, logs, artifacts, states. Made if it is not there.
    pub data_dir: PathBuf,
    /// The kinds that this program links. Runners add theirs.
    pub kinds: Vec<KindInfo>,
    /// After how long what happens.
    pub timings: Timings,
    /// How much is too much.
    pub limits: Limits,
    /// Who sees the secrets that a job hands over.
    pub secret_readers: SecretReaders,
    /// Scheme, host and port under which the world knows the plane; needed to vouch for jobs at clouds.
    pub public_url: Option<Url>,
    /// What a runner runs that is deployed without an image of its own.
    pub runner_image: Option<RunnerImage>,
}

/// How much is too much.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Of one job's log, and of logs kept open.
    pub logs: LogLimits,
    /// Of one request.
    pub requests: StorageLimits,
}

/// A control plane that listens, and answers once [`ControlPlane::run`] runs.
pub struct ControlPlane {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    admin_token_file: PathBuf,
    created_admin_token: bool,
    parts: Parts,
}

struct Parts {
    queue: Queue,
    wake: Wake,
    database: Database,
    /// Held for as long as the folder is ours.
    lock: File,
}

/// Opens the data folder and begins to listen.
///
/// # Errors
/// If the folder is used by another plane or cannot be used, or the address is taken. The text says which and what to do.
pub async fn start(config: Config) -> anyhow::Result<ControlPlane> {
    let data = &config.data_dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))?;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))?;
    let lock = lock(data)?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; is it in use? choose another with --listen", config.listen))?;
    let address = listener.local_addr()?;

    let database = Database::open(&data.join("plane.db"))
        .await
        .with_context(|| format!("cannot open the database in {}", data.display()))?;
    let pool = database.pool.clone();
    let directory = Directory::load(database.clone()).await?;
    let admin_token_file = data.join("admin-token");
    let created_admin_token = first_user(&directory, &admin_token_file).await?;
    let stores = Stores::open(data, &pool, config.limits.logs)?;
    let wake = Wake::default();
    let identities = Identities::new(database.clone());
    let deriver = Deriver::open(&data.join("secret")).context("cannot use the plane's secret")?;
    let vault = Vault::new(&deriver)?;
    let queue = Queue::new(QueueParts {
        store: Box::new(SqliteStore::new(database.clone())),
        logs: stores.logs.clone(),
        states: stores.states.clone(),
        directory: directory.clone(),
        wake: wake.clone(),
        vault: vault.clone(),
        identities: identities.clone(),
        deriver,
        timings: config.timings,
        linked: config.kinds,
        runner_image: config.runner_image,
        issues_tokens: config.public_url.is_some(),
    });
    queue.remember_who_leaves().await?;
    let storage = Storage {
        secrets: SecretArtifacts::new(database.clone(), vault.clone()),
        logs: stores.logs,
        blobs: stores.blobs,
        artifacts: ArtifactRecords::new(pool.clone()),
        sources: Sources::new(pool),
        states: stores.states,
        access: Gate::shared(queue.clone(), directory.clone(), config.secret_readers),
        limits: config.limits.requests,
    };
    let key = data.join("oidc-key.pem");
    let public_url = config.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let oidc = config.public_url.map(|origin| Issuer::open(&origin, &key)).transpose()?;
    let git_credentials = GitCredentials::new(database.clone(), vault.clone());
    let plane = Plane {
        queue: queue.clone(),
        directory,
        wake: wake.clone(),
        identities,
        git_credentials,
        secret_readers: config.secret_readers,
        oidc,
        public_url,
    };
    let router = crate::router::router(plane, storage);
    let parts = Parts { queue, wake, database, lock };
    Ok(ControlPlane { listener, address, router, admin_token_file, created_admin_token, parts })
}

impl ControlPlane {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file with the token of the first user.
    #[must_use]
    pub fn admin_token_file(&self) -> &Path {
        &self.admin_token_file
    }

    /// Whether this start made that file.
    #[must_use]
    pub fn created_admin_token(&self) -> bool {
        self.created_admin_token
    }

    /// Serves until `shutdown`. Then whoever waits is sent home, what was begun is answered, and the folder is free.
    ///
    /// # Errors
    /// None as yet: a listener that fails is tried again.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Parts { queue, wake, database, lock } = self.parts;
        let most = connections::allow_many();
        let reaper = tokio::spawn(reaper::run(queue));
        connections::serve(self.listener, self.router, most, &shutdown, || wake.close()).await;
        reaper.abort();
        let _ = reaper.await;
        database.close().await;
        drop(lock);
        Ok(())
    }
}

struct Stores {
    logs: LogStore,
    blobs: BlobStore,
    states: StateStore,
}

impl Stores {
    fn open(data: &Path, pool: &SqlitePool, limits: LogLimits) -> anyhow::Result<Self> {
        Ok(Self {
            logs: LogStore::open(&data.join("logs"), limits).context("cannot open the logs")?,
            blobs: BlobStore::open(&data.join("artifacts")).context("cannot open the artifacts")?,
            states: StateStore::new(&data.join("states"), pool.clone()),
        })
    }
}

fn lock(data: &Path) -> anyhow::Result<File> {
    let file = File::create(data.join("lock"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).with_context(|| {
        format!("another control plane uses the data folder {}; stop it, or choose another with --data", data.display())
    })?;
    Ok(file)
}

/// The token is in a file before its digest is in the database: a crash in between leaves a file that the next start
/// replaces, never a user whose token nobody has.
async fn first_user(directory: &Directory, file: &Path) -> anyhow::Result<bool> {
    if directory.has_users() {
        return Ok(false);
    }
    if file.exists() {
        std::fs::remove_file(file)?;
    }
    let token = tokens::generate()?;
    tokens::write_secret(file, &token).with_context(|| format!("cannot write {}", file.display()))?;
    let user = User { id: FIRST_USER.to_owned(), org: FIRST_ORG.to_owned(), is_platform: true };
    directory.add_user(user, &token).await?;
    Ok(true)
}
