//! Logs, artifacts, sources and terraform states over HTTP: the real routes and files on a real socket. Who may do
//! what is played by [`plane::Rules`].

mod artifacts;
mod log_stream;
mod logs;
mod plane;
mod states;
mod terraform;
