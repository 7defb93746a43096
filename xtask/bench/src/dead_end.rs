//! A proxy that leads nowhere and counts who called: what needs a registry is seen, and fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

/// A listening proxy that hangs up.
pub(crate) struct DeadEnd {
    origin: String,
    calls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl DeadEnd {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { origin, calls, task })
    }

    /// What sends everything here that does not stay on this machine.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 3] {
        [("HTTP_PROXY", &self.origin), ("HTTPS_PROXY", &self.origin), ("NO_PROXY", "127.0.0.1")]
    }

    /// How often somebody called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for DeadEnd {
    fn drop(&mut self) {
        self.task.abort();
    }
}
