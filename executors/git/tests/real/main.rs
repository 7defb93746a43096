//! The real git against real hosts: `git http-backend` with a token, and sshd with a key.

mod access;
mod cloning;
mod committing;
mod hostile;
mod hosts;
mod jobs;
mod pushing;
mod ssh;
