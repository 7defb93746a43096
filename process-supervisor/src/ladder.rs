//! Which signal comes next, and when. Pure: it is told the time and sends nothing.

use std::time::{Duration, Instant};

/// How to stop a child. A later order may only be firmer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// One SIGINT to the child itself (never to its group: a tool's own children must not see it), `grace` to end,
    /// SIGTERM to the group, `firm` to end, SIGKILL to the group until it is empty.
    Ladder {
        /// How long after SIGINT comes SIGTERM.
        grace: Duration,
        /// How long after SIGTERM comes SIGKILL.
        firm: Duration,
    },
    /// SIGKILL to the group at once.
    Kill,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// SIGINT to the child itself.
    Interrupt,
    /// SIGTERM to the group.
    Terminate,
    /// SIGKILL to the group.
    Kill,
}

/// How far down the ladder a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ladder {
    /// Nobody asked it to stop.
    Running,
    /// It got its one SIGINT.
    Interrupted { terminate_at: Instant, firm: Duration },
    /// Its group got SIGTERM.
    Terminated { kill_at: Instant },
    /// Its group got SIGKILL, and gets it again: one signal can miss a fork.
    Killed { again_at: Instant },
}

/// Between two SIGKILLs to a group.
const KILL_AGAIN: Duration = Duration::from_millis(100);
/// As good as for ever; far more would overflow the clock.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Ladder {
    /// The next rung, if its time has come. A second ladder order changes nothing: a second SIGINT makes tools lose
    /// what they are about to save.
    pub(crate) fn advance(self, order: Option<StopOrder>, now: Instant) -> (Self, Option<Step>) {
        let killed = (Self::Killed { again_at: now + KILL_AGAIN }, Some(Step::Kill));
        match (self, order) {
            (Self::Killed { again_at }, _) if now < again_at => (self, None),
            (Self::Killed { .. }, _) | (_, Some(StopOrder::Kill)) => killed,
            (Self::Running, None) => (self, None),
            (Self::Running, Some(StopOrder::Ladder { grace, firm })) => {
                (Self::Interrupted { terminate_at: now + grace.min(FOR_EVER), firm }, Some(Step::Interrupt))
            }
            (Self::Interrupted { terminate_at, firm }, _) if now >= terminate_at => {
                (Self::Terminated { kill_at: now + firm.min(FOR_EVER) }, Some(Step::Terminate))
            }
            (Self::Terminated { kill_at }, _) if now >= kill_at => killed,
            (Self::Interrupted { .. } | Self::Terminated { .. }, _) => (self, None),
        }
    }

    /// When to look again.
    pub(crate) fn next_at(self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Interrupted { terminate_at: at, .. }
            | Self::Terminated { kill_at: at }
            | Self::Killed { again_at: at } => Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(600);
    const FIRM: Duration = Duration::from_secs(10);
    const ORDER: Option<StopOrder> = Some(StopOrder::Ladder { grace: GRACE, firm: FIRM });

    #[test]
    fn a_ladder_is_one_sigint_then_sigterm_then_sigkill() {
        let start = Instant::now();
        let (ladder, step) = Ladder::Running.advance(ORDER, start);
        assert_eq!(step, Some(Step::Interrupt));
        let (ladder, step) = ladder.advance(ORDER, start + GRACE / 2);
        assert_eq!(step, None, "a repeated order sends no second SIGINT");
        let (ladder, step) = ladder.advance(ORDER, start + GRACE);
        assert_eq!(step, Some(Step::Terminate));
        let (ladder, step) = ladder.advance(ORDER, start + GRACE + FIRM);
        assert_eq!(step, Some(Step::Kill));
        let (_, step) = ladder.advance(ORDER, start + GRACE + FIRM + KILL_AGAIN);
        assert_eq!(step, Some(Step::Kill));
    }

    #[test]
    fn a_kill_order_skips_the_rest_from_every_rung() {
        let now = Instant::now();
        let (interrupted, _) = Ladder::Running.advance(ORDER, now);
        let (terminated, _) = interrupted.advance(ORDER, now + GRACE);
        for ladder in [Ladder::Running, interrupted, terminated] {
            assert_eq!(ladder.advance(Some(StopOrder::Kill), now).1, Some(Step::Kill));
        }
    }
}
