//! The program as people and scripts meet it: exit codes, one JSON document, and errors that say what to do.

mod desk;
mod guide;
mod identities;
mod jobs;
mod kinds;
mod local_runs;
mod people;
mod runners;
mod stand_in;
mod variables;
