//! How far a job's process has come, as its runner sees it.

/// From the start to the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It lives, or may live.
    Lives,
    /// It has ended and waits for no answer. Its tools may work, and how the job ended may have to be written down.
    Gone,
    /// How the job ended is written down: nothing more comes.
    Ended,
}

impl Life {
    /// Whether the process waits for no answer any more.
    pub(crate) fn is_gone(self) -> bool {
        self != Self::Lives
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(self) -> bool {
        self == Self::Ended
    }
}
