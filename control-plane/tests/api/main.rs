//! The API over real HTTP: a whole plane on a socket, and clients that know nothing of it but the contract.

mod bad_input;
mod claims;
mod hang_up;
mod jobs;
mod loss;
mod plane;
mod runners;
mod secrets;
mod seed;
mod stay;
mod walk;
