//! Brings a release file into a local one, and says what its SHA-256 is.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::StreamExt;
use reqwest::{Client, StatusCode};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::mirror::{Mirror, Place};

const CONNECT: Duration = Duration::from_secs(10);
/// Files are large and lines may be slow; what must not happen is that nothing moves.
const STALLED: Duration = Duration::from_secs(60);
/// The largest release file today has a quarter of this.
const MOST_BYTES: u64 = 1 << 30;

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No answer, or one that broke off.
    #[error("it did not come, or not whole")]
    Broken(#[source] reqwest::Error),
    /// An answer that says no.
    #[error("the server answered {0}")]
    Refused(StatusCode),
    /// Nothing that is pinned is as large.
    #[error("it has more than {MOST_BYTES} bytes; this is no release file")]
    TooLarge,
    /// A file could not be read or written.
    #[error("the file cannot be read or kept")]
    Io(#[from] io::Error),
}

impl DownloadError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Broken(error) => !is_distrust(error),
            Self::Refused(status) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            Self::TooLarge | Self::Io(_) => false,
        }
    }
}

/// A certificate that is not trusted is not trusted a second later either.
fn is_distrust(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_of_tls)
}

/// An error of TLS is one of the input's form, wrapped once or twice; the wrapping hides it from `source`.
fn is_of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_of_tls)
}

/// Fetches files. Follows redirects, and the proxy and CA settings of this process: `HTTPS_PROXY`, `NO_PROXY`,
/// `SSL_CERT_FILE`, `SSL_CERT_DIR`.
pub(crate) struct Downloader {
    http: Client,
    mirror: Mirror,
    pauses: ExponentialBuilder,
}

impl Downloader {
    pub(crate) fn new(mirror: Mirror) -> Result<Self, reqwest::Error> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(4)
            .with_jitter();
        Ok(Self { http: client(STALLED)?, mirror, pauses })
    }

    /// For tests: gives up sooner.
    pub(crate) fn impatient(self, stalled: Duration) -> Result<Self, reqwest::Error> {
        let pauses = self.pauses.with_min_delay(Duration::from_millis(1)).with_max_delay(Duration::from_millis(1));
        Ok(Self { http: client(stalled)?, pauses, ..self })
    }

    pub(crate) fn place(&self, url: &str) -> Place {
        self.mirror.place(url)
    }

    /// Copies the file at `place` to `dest`, and returns its SHA-256 in hexadecimal.
    pub(crate) async fn fetch(
        &self,
        place: &Place,
        dest: &Path,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<String, DownloadError> {
        match place {
            Place::File(file) => {
                let (file, dest) = (file.clone(), dest.to_owned());
                tokio::task::spawn_blocking(move || copy(&file, &dest)).await.map_err(io::Error::other)?
            }
            Place::Url(url) => {
                let attempt = || self.attempt(url, dest);
                let fetched = attempt.retry(self.pauses).when(DownloadError::is_retryable);
                let fetched = fetched.notify(|error, pause| {
                    say(&format!("{}; trying again in {:.1} s", chain(error), pause.as_secs_f32()));
                });
                fetched.await
            }
        }
    }

    async fn attempt(&self, url: &str, dest: &Path) -> Result<String, DownloadError> {
        let broken = |error: reqwest::Error| DownloadError::Broken(error.without_url());
        let answer = self.http.get(url).send().await.map_err(broken)?;
        if !answer.status().is_success() {
            return Err(DownloadError::Refused(answer.status()));
        }
        let mut file = tokio::fs::File::create(dest).await?;
        let (mut digest, mut size) = (Sha256::new(), 0);
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(broken)?;
            size += chunk.len() as u64;
            if size > MOST_BYTES {
                return Err(DownloadError::TooLarge);
            }
            digest.update(&chunk);
            file.write_all(&chunk).await?;
        }
        file.flush().await?;
        Ok(hex::encode(digest.finalize()))
    }
}

fn client(stalled: Duration) -> Result<Client, reqwest::Error> {
    let user_agent = concat!("alethia/", env!("CARGO_PKG_VERSION"));
    Client::builder().user_agent(user_agent).connect_timeout(CONNECT).read_timeout(stalled).build()
}

fn copy(file: &Path, dest: &Path) -> Result<String, DownloadError> {
    let mut source = std::fs::File::open(file)?;
    let mut dest = std::fs::File::create(dest)?;
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(digest.finalize()));
        }
        size += read as u64;
        if size > MOST_BYTES {
            return Err(DownloadError::TooLarge);
        }
        digest.update(&buffer[..read]);
        dest.write_all(&buffer[..read])?;
    }
}

/// An error and all its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
