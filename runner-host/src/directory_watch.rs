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
    watches: Watches,
    listeners: Listeners,
}

type Listeners = Arc<Mutex<HashMap<WatchDescriptor, watch::Sender<()>>>>;

impl DirectoryWatch {
    /// Must be called within a tokio runtime.
    pub(crate) fn start() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let (watches, listeners) = (inotify.watches(), Listeners::default());
        tokio::spawn(tell(inotify.into_event_stream(vec![0; 8192])?, Arc::clone(&listeners)));
        Ok(Self { watches, listeners })
    }

    /// From now on hears of every change of a file in `dir`, and of every file that is renamed into place there.
    pub(crate) fn changes_in(&self, dir: &Path) -> io::Result<Changes> {
        // Locked first: no event is told before there is somebody who hears it.
        let mut listeners = lock(&self.listeners);
        let folder = self.watches.clone().add(dir, WatchMask::MODIFY | WatchMask::MOVED_TO)?;
        let (teller, heard) = watch::channel(());
        listeners.insert(folder.clone(), teller);
        Ok(Changes { watch: self.clone(), folder, heard })
    }
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
            _ => listeners.values().for_each(|teller| teller.send_replace(())),
        }
    }
}

fn lock(listeners: &Listeners) -> MutexGuard<'_, HashMap<WatchDescriptor, watch::Sender<()>>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is heard of one folder, until it is dropped. Only a hint: look behind it by time, too.
pub(crate) struct Changes {
    watch: DirectoryWatch,
    folder: WatchDescriptor,
    heard: watch::Receiver<()>,
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
        lock(&self.watch.listeners).remove(&self.folder);
        // A folder that was removed has left by itself.
        let _ = self.watch.watches.clone().remove(self.folder.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_hears_of_its_own_folder() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let watch = DirectoryWatch::start().unwrap();
        let [mut one, mut two] = folders.each_ref().map(|folder| watch.changes_in(folder.path()).unwrap());
        std::fs::write(folders[0].path().join("file"), "x").unwrap();
        one.next().await;
        assert!(!two.heard.has_changed().unwrap());
        drop(one);
        std::fs::write(folders[0].path().join("file"), "y").unwrap();
        std::fs::write(folders[1].path().join("file"), "x").unwrap();
        two.next().await;
        assert_eq!(lock(&watch.listeners).len(), 1);
    }
}
