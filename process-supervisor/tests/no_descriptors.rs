//! Changes the limit of open files of the process that runs it: so it is the only test of this file, which is a
//! process.

use process_supervisor::{
    Command, DetachedProcess, Environment, ProcessIdentity, StopOrder, become_subreaper, kill_descendants,
    spawn_detached, supervise,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{mpsc, watch};

/// More than is open at most.
const ENOUGH: u64 = 64;

fn with_limit<T>(limit: u64, act: impl FnOnce() -> T) -> T {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..usual }).unwrap();
    let result = act();
    setrlimit(Resource::Nofile, usual).unwrap();
    result
}

/// Whichever descriptor is the one too many: an error leaves nothing running, and is never taken for an ending.
#[test]
fn a_lack_of_descriptors_leaves_nothing_running_and_hides_nothing() {
    become_subreaper().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sleeper = Command::new("/bin/sleep", Environment::default(), "/").arg("600");
    let own = ProcessIdentity::current().unwrap();
    let _context = runtime.enter();
    for limit in 3..ENOUGH {
        let (_stop, stopped) = watch::channel(Some(StopOrder::Kill));
        let ended = with_limit(limit, || runtime.block_on(supervise(&sleeper, mpsc::channel(1).0, stopped)));
        assert!(limit < ENOUGH - 1 || ended.is_ok(), "{ended:?}");
        assert_eq!(kill_descendants(), 0, "with {limit} descriptors {ended:?} left something running");

        let detached = with_limit(limit, || spawn_detached(&sleeper, &folder.path().join("output")));
        let left = kill_descendants();
        assert_eq!(left, usize::from(detached.is_ok()), "with {limit} descriptors: {detached:?}");

        let adopted = with_limit(limit, || DetachedProcess::adopt(&own));
        assert!(!matches!(adopted, Ok(None)), "with {limit} descriptors a living process counts as ended");
    }
}
