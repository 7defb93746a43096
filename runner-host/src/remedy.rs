//! What to do about a tool that is missing or of no use.

use semver::VersionReq;
use tool_manager::{Pins, Platform};

use crate::registry::KindHere;
use crate::tool_probe::FoundTool;

/// Why a kind is not offered, with the remedy for each tool that it lacks; none if it is.
pub(crate) fn of_kind(kind: &KindHere) -> Option<String> {
    kind.why_not()?;
    let lacking = kind.tools.iter().filter_map(|tool| Some(format!("{}; {}", tool.problem.as_ref()?, of(tool))));
    Some(lacking.collect::<Vec<_>>().join(if kind.plugin.needs_any_tool() { ". Or: " } else { ". And: " }))
}

/// What to do, in the words of whoever may do it.
pub(crate) fn of(tool: &FoundTool) -> String {
    let needed = VersionReq::parse(tool.needed).unwrap_or(VersionReq::STAR);
    let by_hand = format!("put {} {} on the PATH", tool.name, tool.needed);
    match Pins::known().newest(tool.name, &needed, Platform::of_this_program()) {
        Some(pin) => format!("run `alethia tools install {}@{}`, or {by_hand}", pin.name, pin.version),
        None => by_hand,
    }
}
