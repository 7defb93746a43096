//! The API over real HTTP: a whole plane on a socket, and clients that know nothing of it but the contract.

mod bad_input;
mod claims;
mod concurrency;
mod ended;
mod endpoints;
mod hang_up;
mod held_back;
mod identities;
mod jobs;
mod loss;
mod matrix;
mod plane;
mod platform;
mod registered_again;
mod runner_update;
mod runner_work;
mod runners;
mod secrets;
mod seed;
mod sources;
mod stay;
mod walk;
