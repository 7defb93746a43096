//! What the crate promises of a config snapshot: both forms mean the same, what is wrong is refused at its place, the
//! templates are told what they know, and a plan is bound to what is provisioned.

mod environments;
mod example;
mod forms;
mod hostile;
mod identities;
mod leaves;
mod messages;
mod places;
mod promises;
mod refusals;
mod strategies;
mod templates;
mod terraform;
