//! The templates of environments, on all clouds: what each must keep to, and terraform's own word on them.

mod public;
mod snapshot;
mod template;
mod terraform;
mod uses;
mod words;
