//! A terraform that changes nothing and counts what happens to it: a script in a folder of its own. What it is called
//! with, the signals that reach it and its children are written to files beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The parts of terraform that the executor reads. `apply` is the test's.
const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$1" >> "$here/calls"
case $1 in
version) echo '{"terraform_version":"1.11.4"}' ;;
init)
    echo 'Initialized'
    mkdir -p .terraform
    override='s/.*"backend":{"\([a-z0-9]*\)":\({[^}]*}\).*/{"backend":{"type":"\1","config":\2}}/'
    sed "$override" '~alethia_override.tf.json' > .terraform/terraform.tfstate
    ;;
plan)
    for arg in "$@"; do
        case $arg in -out=*) echo 'a plan' > "${arg#-out=}" ;; esac
    done
    if [ -e "$here/wait-in-plan" ]; then . "$here/wait-in-plan"; fi
    echo 'Plan: 1 to add, 0 to change, 0 to destroy.'
    exit 2
    ;;
show) echo '{"format_version":"1.2","terraform_version":"1.11.4"}' ;;
output) echo '{}' ;;
apply) . "$here/apply" ;;
esac
"#;

/// The first lines of every `apply` that listens to signals. `/bin/sh` runs a trap only when it waits.
const COUNTS: &str = r#"
trap 'echo INT >> "$here/signals"; interrupted=1' INT
trap 'echo TERM >> "$here/signals"' TERM
"#;

/// Waits for SIGINT, then takes its time: as long as there is no file `go`.
pub const OBEDIENT: &str = r#"
sleep 600 & sleeper=$!
echo 'applying'
while [ -z "$interrupted" ]; do wait $sleeper; done
kill $sleeper
echo 'Interrupt received. Gracefully shutting down...'
while [ ! -e "$here/go" ]; do sleep 0.02; done
echo 'State saved.'
exit 1
"#;

/// Hears everything and does nothing.
pub const DEAF: &str = r#"
echo 'applying'
while :; do sleep 600 & wait $!; done
"#;

/// Cannot save its state.
pub const ERRS: &str = r#"
echo 'all that is known' > errored.tfstate
echo 'Error: Failed to save state' >&2
exit 1
"#;

/// Leaves a child behind in a session of its own, which holds standard output.
pub const FORKING: &str = r#"
setsid sleep 600 &
echo $! > "$here/grandchild"
echo 'applied'
exit 0
"#;

/// The same, and waits for SIGINT.
pub const FORKING_OBEDIENT: &str = r#"
setsid sleep 600 & sleeper=$!
echo $sleeper > "$here/grandchild"
echo 'applying'
while [ -z "$interrupted" ]; do wait $sleeper; done
exit 1
"#;

/// The script and its folder.
pub struct FakeTerraform {
    folder: tempfile::TempDir,
}

impl FakeTerraform {
    /// With one of the `apply`s above.
    ///
    /// # Panics
    /// If the folder cannot be written.
    #[must_use]
    pub fn new(apply: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = Self { folder };
        fs::write(fake.path(), SCRIPT).expect("the script");
        fs::write(fake.folder.path().join("apply"), format!("{COUNTS}{apply}")).expect("its apply");
        fs::set_permissions(fake.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        fake
    }

    /// The program, for `ALETHIA_TERRAFORM` or as a program of its own.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("terraform")
    }

    /// Lets an obedient one end.
    pub fn go(&self) {
        fs::write(self.folder.path().join("go"), "").expect("a file");
    }

    /// Lets `plan` wait for SIGINT.
    pub fn let_plan_wait(&self) {
        let waiting = "echo 'planning'\nsleep 600 & sleeper=$!\nwhile [ -z \"$interrupted\" ]; do wait $sleeper; done\nkill $sleeper\nexit 1\n";
        fs::write(self.folder.path().join("wait-in-plan"), format!("{COUNTS}{waiting}")).expect("a file");
    }

    /// The signals that it got, in order.
    #[must_use]
    pub fn signals(&self) -> Vec<String> {
        self.lines("signals")
    }

    /// How often it was called with this verb.
    #[must_use]
    pub fn calls_of(&self, verb: &str) -> usize {
        self.lines("calls").iter().filter(|call| *call == verb).count()
    }

    /// The child that it left behind.
    #[must_use]
    pub fn grandchild(&self) -> Option<u32> {
        self.lines("grandchild").first()?.parse().ok()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
