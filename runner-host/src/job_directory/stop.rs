//! Why and how to stop: said again and again, and on a full disk, too.

use std::fs;
use std::io;

use executor_api::Stop;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::JobDirectory;
use super::documents::STOP;

impl JobDirectory {
    /// Makes room for what may be asked: nothing is asked yet. There are two files, the one that is read and the one that is
    /// written next, and they change places.
    pub(super) fn keep_room_for_a_stop(&self) -> io::Result<()> {
        self.place(STOP, &None::<Stop>)?;
        self.fill(STOP, &None::<Stop>).map(drop)
    }

    /// Says why and how to stop.
    pub(crate) fn ask_to_stop(&self, stop: &Stop) -> io::Result<()> {
        self.fill(STOP, stop)?;
        let (written, read) = (self.hidden(STOP), self.file(STOP));
        // Where they cannot change places, or an earlier version made no room, what is written next may find none.
        renameat_with(CWD, &written, CWD, &read, RenameFlags::EXCHANGE).or_else(|_| fs::rename(written, read))
    }

    /// Why and how to stop, if somebody asks for it.
    pub(crate) fn stop(&self) -> io::Result<Option<Stop>> {
        self.read::<Option<Stop>>(STOP).map(Option::flatten)
    }
}
