//! Hears when something in a folder changes.
//!
//! One watcher for all folders of a process: the kernel takes 10 to 30 ms to close one, and whoever closes it waits for
//! that. A folder comes to it and leaves it at once.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{Stream, StreamExt};
use inotify::{EventMask, EventOwned, Inotify, WatchDescriptor, WatchMask, Watches};
use tokio::sync::watch;

/// Watches folders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DirectoryWatch {
    /// None where the system has none left to give.
    watches: Option<Watches>,
    listeners: Listeners,
}

type Listeners = Arc<Mutex<HashMap<WatchDescriptor, watch::Sender<()>>>>;

impl DirectoryWatch {
    /// Must be called within a tokio runtime. Other programs of this user may have taken all watchers that there are:
    /// then nothing is heard, and whoever looks behind it by time is only slower.
    pub(crate) fn start() -> Self {
        let listeners = Listeners::default();
        let started = Inotify::init().and_then(|inotify| {
            let watches = inotify.watches();
            tokio::spawn(tell(inotify.into_event_stream(vec![0; 8192])?, Arc::clone(&listeners)));
            Ok(watches)
        });
        let watches = started.inspect_err(|error| say("watch folders", error)).ok();
        Self { watches, listeners }
    }

    /// From now on hears of every change of a file in `dir`, and of every file that is renamed into place there.
    pub(crate) fn changes_in(&self, dir: &Path) -> Changes {
        let (teller, heard) = watch::channel(());
        let Some(mut watches) = self.watches.clone() else { return Changes { source: Source::None(teller), heard } };
        // Locked first: no event is told before there is somebody who hears it.
        let mut listeners = lock(&self.listeners);
        match watches.add(dir, WatchMask::MODIFY | WatchMask::MOVED_TO) {
            Ok(folder) => {
                listeners.insert(folder.clone(), teller);
                let (listeners, watches) = (Arc::clone(&self.listeners), watches);
                Changes { source: Source::Folder { listeners, watches, folder }, heard }
            }
            Err(error) => {
                say(&format!("watch {}", dir.display()), &error);
                Changes { source: Source::None(teller), heard }
            }
        }
    }
}

fn say(what: &str, error: &io::Error) {
    tracing::warn!(error = crate::chain(error), "cannot {what}; looking from time to time instead");
}

async fn tell(mut events: impl Stream<Item = io::Result<EventOwned>> + Unpin, listeners: Listeners) {
    while let Some(event) = events.next().await {
        let listeners = lock(&listeners);
        match event {
            // None if the folder has left meanwhile.
            Ok(event) if !event.mask.contains(EventMask::Q_OVERFLOW) => {
                listeners.get(&event.wd).into_iter().for_each(|teller| teller.send_replace(()));
            }
            // Too many at once: nobody knows whose were lost.
            Ok(_) => listeners.values().for_each(|teller| teller.send_replace(())),
            // It would fail again at once, and for ever.
            Err(error) => return say("hear of changes any more", &error),
        }
    }
}

fn lock(listeners: &Listeners) -> MutexGuard<'_, HashMap<WatchDescriptor, watch::Sender<()>>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is heard of one folder, until it is dropped. Only a hint: look behind it by time, too.
pub(crate) struct Changes {
    source: Source,
    heard: watch::Receiver<()>,
}

enum Source {
    Folder {
        listeners: Listeners,
        watches: Watches,
        folder: WatchDescriptor,
    },
    /// Kept, so that nobody takes silence for an end.
    None(#[expect(dead_code, reason = "held, not used")] watch::Sender<()>),
}

impl Changes {
    /// Another ear for the same folder, good for as long as this lives.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.heard.clone()
    }

    /// Waits for a change since the last call.
    pub(crate) async fn next(&mut self) {
        if self.heard.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        let Source::Folder { listeners, watches, folder } = &mut self.source else { return };
        lock(listeners).remove(folder);
        // A folder that was removed has left by itself.
        let _ = watches.remove(folder.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_hears_of_its_own_folder() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let watch = DirectoryWatch::start();
        let [mut one, mut two] = folders.each_ref().map(|folder| watch.changes_in(folder.path()));
        std::fs::write(folders[0].path().join("file"), "x").unwrap();
        one.next().await;
        assert!(!two.heard.has_changed().unwrap());
        drop(one);
        std::fs::write(folders[0].path().join("file"), "y").unwrap();
        std::fs::write(folders[1].path().join("file"), "x").unwrap();
        two.next().await;
        assert_eq!(lock(&watch.listeners).len(), 1);
    }

    #[tokio::test]
    async fn where_nothing_is_heard_somebody_waits_and_does_not_spin() {
        let none = DirectoryWatch { watches: None, listeners: Listeners::default() };
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere");
        for changes in [none.changes_in(folder.path()), DirectoryWatch::start().changes_in(&nowhere)] {
            let mut heard = changes.subscribe();
            std::fs::write(folder.path().join("file"), "x").unwrap();
            assert!(futures_util::FutureExt::now_or_never(heard.changed()).is_none());
        }
    }
}
