//! The real kubectl and a real API server.

mod applying;
mod cluster;
mod failing;
mod pruning;
mod reading;
mod rolling_out;
mod wrapper;
