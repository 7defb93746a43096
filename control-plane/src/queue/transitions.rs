//! Who may move a job from where to where. Pure, and nothing else decides.

use wire::JobStatus::{self, Cancelled, Claimed, Failed, Processing, Queued, Success};

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A runner takes it.
    Claim,
    /// Its runner shows that it runs: a log line, a status, progress.
    Run,
    /// Its runner says how it ended.
    End(JobStatus),
    /// A person asks for its end.
    Cancel,
    /// Its runner is lost and it may run again.
    Requeue,
    /// Its runner is lost and it must not run again, or has run too often.
    GiveUp(JobStatus),
}

/// The status after an event; none if the event cannot happen there.
#[must_use]
pub fn next(from: JobStatus, event: Event) -> Option<JobStatus> {
    match (from, event) {
        (Queued, Event::Claim) => Some(Claimed),
        (Queued, Event::Cancel) => Some(Cancelled),
        (Claimed | Processing, Event::Run) => Some(Processing),
        (Claimed | Processing, Event::End(end @ (Success | Failed | Cancelled))) => Some(end),
        // Only its runner can stop what runs; until then the wish is noted beside the status.
        (Claimed | Processing, Event::Cancel) => Some(from),
        (Claimed | Processing, Event::Requeue) => Some(Queued),
        (Claimed | Processing, Event::GiveUp(end @ (Failed | Cancelled))) => Some(end),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_decided() {
        // Rows: from. Columns: claim, run, success, failed, cancelled, cancel, requeue, give up.
        let table: [(JobStatus, [Option<JobStatus>; 8]); 6] = [
            (Queued, [Some(Claimed), None, None, None, None, Some(Cancelled), None, None]),
            (
                Claimed,
                [
                    None,
                    Some(Processing),
                    Some(Success),
                    Some(Failed),
                    Some(Cancelled),
                    Some(Claimed),
                    Some(Queued),
                    Some(Failed),
                ],
            ),
            (
                Processing,
                [
                    None,
                    Some(Processing),
                    Some(Success),
                    Some(Failed),
                    Some(Cancelled),
                    Some(Processing),
                    Some(Queued),
                    Some(Failed),
                ],
            ),
            (Success, [None; 8]),
            (Failed, [None; 8]),
            (Cancelled, [None; 8]),
        ];
        let events = [
            Event::Claim,
            Event::Run,
            Event::End(Success),
            Event::End(Failed),
            Event::End(Cancelled),
            Event::Cancel,
            Event::Requeue,
            Event::GiveUp(Failed),
        ];
        for (from, expected) in table {
            for (event, to) in events.into_iter().zip(expected) {
                assert_eq!(next(from, event), to, "{from} {event:?}");
            }
        }
    }

    #[test]
    fn an_end_is_one_of_three_words() {
        for from in JobStatus::ALL {
            for word in [Queued, Claimed, Processing] {
                assert_eq!(next(from, Event::End(word)), None);
                assert_eq!(next(from, Event::GiveUp(word)), None);
            }
        }
    }
}
