//! The real Argo CD: its program, its server, its repo-server and its controller, on a real API server.

mod cluster;
mod core_mode;
mod git_host;
mod installing;
mod server_mode;
mod unknown;
