//! What becomes of a token that is replaced. Whoever has it may be in the middle of an apply, and has yet to say how that ends.

use serde::{Deserialize, Serialize};
use wire::JobId;

/// What becomes of a token that is replaced while its runner holds jobs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OldToken {
    /// It stays the runner's: nothing is replaced then.
    Stays,
    /// It is good for those jobs until they have ended, but for no other.
    FinishesItsJobs,
    /// It ends at once: somebody else may have it.
    Ends,
}

/// A token that finishes its jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EarlierToken {
    /// SHA-256 of it.
    pub(super) hash: String,
    /// What the runner held when it was replaced.
    pub(super) jobs: Vec<JobId>,
}

/// The tokens that finish their jobs once `replaced` is another, while the runner holds these.
pub(super) fn with_replaced(earlier: Vec<EarlierToken>, replaced: String, held: &[JobId]) -> Vec<EarlierToken> {
    let replaced = EarlierToken { hash: replaced, jobs: held.to_vec() };
    let all = earlier.into_iter().chain([replaced]);
    all.filter(|token| token.jobs.iter().any(|job| held.contains(job))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_as_long_as_one_of_its_jobs_is_held() {
        let jobs = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<Vec<JobId>>();
        let hashes = |tokens: &[EarlierToken]| tokens.iter().map(|token| token.hash.clone()).collect::<Vec<_>>();
        let one = with_replaced(vec![], "one".to_owned(), &jobs(&["a", "b"]));
        let two = with_replaced(one, "two".to_owned(), &jobs(&["b", "c"]));
        assert_eq!(hashes(&two), ["one", "two"]);
        let three = with_replaced(two, "three".to_owned(), &jobs(&["c"]));
        assert_eq!(hashes(&three), ["two", "three"]);
        assert_eq!(with_replaced(three, "four".to_owned(), &[]), []);
    }
}
