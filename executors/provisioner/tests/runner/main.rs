//! Runners that deploy runners: with the real terraform and the real provider against moto, which plays AWS.

mod aws;
mod lifecycle;
mod payload;
mod scaler;
mod template;
