//! PLAN, DEPLOY, DESTROY and BOOTSTRAP with the real terraform, on a template that needs no cloud.

mod ceiling;
mod harness;
mod killed;
mod kinds;
mod leaving;
mod locked;
mod path;
mod production;
mod promises;
mod storage;
mod versions;
