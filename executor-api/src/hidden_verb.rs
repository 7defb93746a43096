//! Verbs of our own program that tools call: a plugin's answer to "give me a credential now".

use std::ffi::OsString;
use std::process::ExitCode;

/// A verb that no help text shows. It runs before anything else of the program, so it costs a tool next to nothing.
pub struct HiddenVerb {
    /// What the program is called with, for example `__aws-credential`.
    pub name: &'static str,
    /// Does it with the arguments behind the name.
    pub run: fn(&[OsString]) -> ExitCode,
}

inventory::collect!(HiddenVerb);

impl HiddenVerb {
    /// Runs the verb if this process was called with one: `args` are those of the process, without its own name.
    #[must_use]
    pub fn run_if_asked(args: &[OsString]) -> Option<ExitCode> {
        let (name, rest) = args.split_first()?;
        let verb = inventory::iter::<Self>.into_iter().find(|verb| *name == *verb.name)?;
        Some((verb.run)(rest))
    }
}
