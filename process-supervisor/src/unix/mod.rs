//! The only code that talks to the operating system about processes other than the one child of `supervise`, and the only
//! `unsafe`.

mod descendants;
mod identity;
mod program_pages;
mod secrets;
mod spawn;
mod watch;

pub(crate) use descendants::group_is_alive;
pub use descendants::{become_subreaper, kill_descendants};
pub use identity::{ProcessIdentity, boot_id};
pub use program_pages::release_program_pages;
pub use secrets::hide_secrets;
pub(crate) use spawn::spawn_in_new_session;
pub(crate) use watch::watch;
