//! The tools that executors run: pinned versions, fetched once, checked by SHA-256, kept side by side.
//!
//! What may be installed is `pins.toml`; where the files come from is a [`Mirror`]; where programs are is the layout of
//! [`executor_api::InstalledTools`], which jobs read. The pinned hash is all that is trusted: not the mirror, not the
//! connection, not a signature that may have expired.

mod download;
mod install;
mod mirror;
mod pins;
mod unpack;

pub use download::DownloadError;
pub use install::{InstallError, Installed, ToolManager};
pub use mirror::{Mirror, MirrorError};
pub use pins::{Pin, PinError, Pins, Platform};
pub use unpack::UnpackError;
