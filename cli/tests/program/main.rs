//! The program as people and scripts meet it: exit codes, one JSON document, and errors that say what to do.

#[expect(dead_code, reason = "the charts of the provisioner's own tests; not all of it is of use here")]
#[path = "../../../executors/provisioner/tests/after_apply/charts.rs"]
mod charts;
mod desk;
mod environments;
mod guide;
mod identities;
mod jobs;
mod kinds;
mod local_runs;
mod people;
mod proxies;
mod remedies;
mod runners;
mod stand_in;
mod states;
mod variables;
