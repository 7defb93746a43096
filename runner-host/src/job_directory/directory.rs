//! The folder: made, looked into, put away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use executor_api::JobPaths;
use uuid::Uuid;
use wire::{AttemptNo, JobId, Phase, Reason};

use crate::short_name;

use super::documents::{
    CLAIM, COMMIT, COMMITTED, Claimed, Committed, LOG, OUTCOME, OutcomeRecord, PROCESS, PROCESS_OUTPUT, STOP,
};
use super::format::FORMER_OUTBOX;
use super::kept::KEPT;
use super::room::{OUTCOME_BYTES, take_room};

/// What the name of a run that was lost ends with.
const LOST: &str = "lost";
/// What the name of a run ends with that is being removed.
const GONE: &str = "gone";

/// The directory of one run.
#[derive(Clone, Debug)]
pub(crate) struct JobDirectory {
    pub(super) root: PathBuf,
    /// By this process.
    pub(super) claim_is_synced: Arc<OnceLock<()>>,
}

impl JobDirectory {
    /// Where the directory of a claim belongs.
    pub(crate) fn of(jobs: &Path, claimed: &Claimed) -> Self {
        Self::at(jobs.join(directory_name(&claimed.job.id, claimed.job.attempt_no())))
    }

    /// Makes the directory of a claim, as `make` makes it for its name. `claim.json` comes last: without it nothing was started.
    ///
    /// Nothing is synced. If a power cut takes the directory, the plane gives the job away by the rules of its kind; what
    /// must not be lost brings the claim with it: see [`Self::write`].
    pub(super) fn create_by(&self, claimed: &Claimed, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        for earlier in self.earlier()? {
            earlier.make_way()?;
        }
        make(&self.root)?;
        self.place(CLAIM, claimed)
    }

    #[cfg(test)]
    pub(crate) fn create(&self, claimed: &Claimed) -> io::Result<()> {
        self.create_by(claimed, |_| self.make())
    }

    /// Makes all that does not depend on the claim.
    pub(super) fn make(&self) -> io::Result<()> {
        let paths = self.paths();
        for dir in [&self.root, &paths.work, &paths.home, &paths.temp] {
            DirBuilder::new().mode(0o700).create(dir)?;
        }
        for file in [LOG, PROCESS, PROCESS_OUTPUT] {
            new_file(&self.file(file))?;
        }
        self.keep_room()
    }

    /// What is there of earlier runs under the same number: a plane of the seed's contract gives a job again, also one whose end
    /// it did not take.
    fn earlier(&self) -> io::Result<Vec<Self>> {
        let name = name_of(&self.root);
        let is_its = |file: &str| file.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let mut earlier = vec![];
        for entry in fs::read_dir(self.root.parent().unwrap_or(&self.root))? {
            let directory = Self::at(entry?.path());
            if is_its(&name_of(&directory.root)) && !directory.is_gone() {
                earlier.push(directory);
            }
        }
        Ok(earlier)
    }

    /// What an earlier run may still do, or has left to deliver, is not written over; and what has changed the world is not
    /// done again.
    fn make_way(&self) -> io::Result<()> {
        let in_the_way = |why: &str| io::Error::other(format!("{} is in the way: {why}", self.root.display()));
        if self.is_lost() {
            let why =
                "this job was run here and has passed its commit point; look there how it ended, and submit it anew";
            return if self.is_committed() { Err(in_the_way(why)) } else { Ok(()) };
        }
        self.claimed().map_err(|error| in_the_way(&error.to_string()))?;
        if self.phase() != Phase::Preparing {
            return Err(in_the_way("an earlier run of this job is not delivered; start the runner again"));
        }
        match self.lock_process()? {
            Some(_) => self.remove(),
            None => Err(in_the_way("a process still runs this job there")),
        }
    }

    /// Makes the folder of what is fetched for the job; many need nothing.
    pub(crate) fn make_inputs(&self) -> io::Result<PathBuf> {
        let inputs = self.paths().inputs;
        DirBuilder::new().recursive(true).mode(0o700).create(&inputs)?;
        Ok(inputs)
    }

    /// For what must be said on a full disk, too: in the files that it will be written to.
    pub(super) fn keep_room(&self) -> io::Result<()> {
        take_room(&new_file(&self.hidden(OUTCOME))?, OUTCOME_BYTES)?;
        self.keep_room_for_a_stop()
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, claim_is_synced: Arc::default() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn paths(&self) -> JobPaths {
        JobPaths::below(&self.root)
    }

    /// How far the run has come, by the files that are there.
    pub(crate) fn phase(&self) -> Phase {
        match (self.has(OUTCOME), self.is_committed()) {
            (true, _) => Phase::Ending,
            (false, true) => Phase::Committed,
            (false, false) => Phase::Preparing,
        }
    }

    /// Whether the plane has said yes to the commit point.
    fn is_committed(&self) -> bool {
        // An answer that cannot be read counts as a yes: what may have changed the world is not run again.
        self.has(COMMITTED) && !matches!(self.read(COMMITTED), Ok(Some(Committed { refused: Some(_) })))
    }

    /// For a run whose end the plane has taken, or has refused. Returns where it is, if something is kept.
    pub(crate) fn put_away(&self, is_taken: bool) -> io::Result<Option<PathBuf>> {
        let is_over = is_taken && !self.has_unknown_end() && !self.keeps_something()?;
        if is_over || self.is_shared() {
            return self.remove().map(|()| None);
        }
        self.keep_as_lost().map(Some)
    }

    /// Whether nobody knows how far the run came in changing the world. What it worked on may say so, to a person: for one,
    /// `errored.tfstate`, a state that terraform could store nowhere else.
    fn has_unknown_end(&self) -> bool {
        let outcome: io::Result<Option<OutcomeRecord>> = self.read(OUTCOME);
        // An earlier version said it only with the reason.
        let is_lost = |outcome: &OutcomeRecord| outcome.is_stand_in || outcome.reason == Some(Reason::ProcessLost);
        outcome
            .is_ok_and(|outcome| outcome.is_some_and(|outcome| outcome.phase == Phase::Committed && is_lost(&outcome)))
    }

    /// Nothing of the run stays behind. It leaves its name first: half a directory would look like a run
    /// that has not begun, or not ended.
    pub(crate) fn remove(&self) -> io::Result<()> {
        short_name::remove(&self.paths().temp);
        // An earlier one of this name may be there still, with files that are not ours to delete.
        let gone = Self::at(self.beside(&format!("{}.{GONE}", Uuid::new_v4())));
        fs::rename(&self.root, &gone.root)?;
        gone.finish_removal()
    }

    /// Whether its removal has begun.
    pub(crate) fn is_gone(&self) -> bool {
        self.root.extension().is_some_and(|extension| extension == GONE)
    }

    /// Removes what has left its name.
    pub(crate) fn finish_removal(&self) -> io::Result<()> {
        self.remove_all_but(|_| false)?;
        fs::remove_dir(&self.root)
    }

    /// Keeps what the run has to say where a person finds it.
    fn keep_as_lost(&self) -> io::Result<PathBuf> {
        short_name::remove(&self.paths().temp);
        let kept = self.lost();
        fs::rename(&self.root, &kept)?;
        Self::at(kept.clone()).forget_what_was_given()?;
        Ok(kept)
    }

    /// Where it is when it has been put away and something is kept. What is kept of an earlier run stays.
    pub(super) fn lost(&self) -> PathBuf {
        let (mut lost, mut number) = (self.beside(LOST), 1);
        while lost.exists() {
            number += 1;
            lost = self.beside(&format!("{number}.{LOST}"));
        }
        lost
    }

    /// Under its own name and more.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.root.with_file_name(format!("{}.{suffix}", name_of(&self.root)))
    }

    /// Whether a run is kept there.
    pub(crate) fn is_lost(&self) -> bool {
        self.root.extension().is_some_and(|extension| extension == LOST)
    }

    /// Leaves of a lost run what it has said: what it was given and what it worked on hold secrets, and the next job on this
    /// machine may be somebody else's. What it worked on stays where nobody knows how far it came. What nobody knows goes.
    pub(crate) fn forget_what_was_given(&self) -> io::Result<()> {
        let work = if self.has_unknown_end() { self.paths().work } else { PathBuf::new() };
        self.remove_all_but(|file| is_said(file) || file == work)
    }

    /// As much as can be: tools may have left files that are not ours to delete, and they keep no other. Says what failed first.
    fn remove_all_but(&self, stays: impl Fn(&Path) -> bool) -> io::Result<()> {
        let mut removed = Ok(());
        for entry in fs::read_dir(&self.root)? {
            let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
            if !stays(&path) {
                let is_dir = entry.is_ok_and(|kind| kind.is_dir());
                removed = removed.and(unless_gone(if is_dir { remove_tree(&path) } else { fs::remove_file(&path) }));
            }
        }
        removed
    }
}

/// Whether a file says what became of the run: nothing in it is hidden from who may see the job's log.
fn is_said(file: &Path) -> bool {
    let name = name_of(file);
    let documents = [LOG, COMMIT, COMMITTED, OUTCOME, PROCESS, PROCESS_OUTPUT, STOP];
    // The first with a dot is a file, and without one the folder of the format before.
    documents.contains(&name.as_str()) || [FORMER_OUTBOX, KEPT].iter().any(|prefix| name.starts_with(prefix))
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Tools leave folders without write permission.
pub(super) fn remove_tree(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Err(error),
        _ => {
            make_writable(dir);
            fs::remove_dir_all(dir)
        }
    })
}

fn make_writable(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

pub(super) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(crate) fn directory_name(job: &JobId, attempt: AttemptNo) -> String {
    format!("{job}.{attempt}")
}
