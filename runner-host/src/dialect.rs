//! Which contract the plane speaks.

use crate::runner::Runner;

/// Which contract the plane speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The seed's.
    Seed,
    /// Ours.
    Two,
}

impl Runner {
    /// Waits until the dialect is known.
    pub(crate) async fn dialect(&self) -> Dialect {
        let mut dialect = self.dialect.subscribe();
        match dialect.wait_for(Option::is_some).await.map(|known| *known) {
            Ok(Some(known)) => known,
            _ => std::future::pending().await,
        }
    }
}
