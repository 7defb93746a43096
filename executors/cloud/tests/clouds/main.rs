//! Jobs under identities of three clouds: the real tools against moto, and stand-ins where no real one can be had.

mod aws_bad_days;
mod aws_moto;
mod aws_tools;
mod azure;
mod bad_input;
mod eks;
mod gcp;
mod harness;
mod kubernetes;
mod moto;
mod runner;
mod secrets;
mod stand_in;
mod storage;
mod terraform;
