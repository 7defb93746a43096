//! The figures of this project, each beside a floor that is measured in the same run.
//!
//! A floor is what the machine needs for the bare work: a spawn, a write that is synced, a request. Absolute times
//! mean little on a shared machine; a ratio of two arms that took turns does. `figures/` has one file per figure.

pub mod clock;
pub mod figures;
pub mod lines;
pub mod tool_clock;

mod bare;
mod client;
mod dead_end;
mod empty_state;
mod environment;
mod floors;
mod moto;
mod observe;
mod programs;
mod proxy;
mod report;
mod system;
