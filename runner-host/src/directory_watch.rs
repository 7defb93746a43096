//! Hears when something in a folder changes.

use std::io;
use std::path::Path;

use futures_util::stream::{Stream, StreamExt};
use inotify::{Inotify, WatchMask};

/// An event per change of a file, and per file that is renamed into place. Only a hint: look behind it by time, too.
pub(crate) fn changes_in(dir: &Path) -> io::Result<impl Stream<Item = ()> + Send + Unpin + use<>> {
    let inotify = Inotify::init()?;
    inotify.watches().add(dir, WatchMask::MODIFY | WatchMask::MOVED_TO)?;
    // Many events at once: whoever looks once has seen what they all say.
    let events = inotify.into_event_stream(vec![0; 8192])?;
    Ok(events.ready_chunks(256).map(drop))
}
