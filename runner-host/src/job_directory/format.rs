//! Which version wrote a directory, and how the layout before this one is read.
//!
//! | format | layout |
//! |---|---|
//! | 1 | `format`, `settings.json`, `reserve` and a folder `outbox/` beside the claim; the process and the claim are synced |
//! | 2 | number, boot and settings in `claim.json`; `outbox.*` are files beside it; only what must outlive a power cut is synced |
//!
//! A process of format 1 that still runs writes that layout to its end; what nobody has begun becomes one of this format.

use std::fs;
use std::io;
use std::path::PathBuf;

use process_supervisor::boot_id;
use serde::Deserialize;
use serde_json::Value;
use wire::{CloudIdentity, Job};

use super::documents::{CLAIM, Claimed};
use super::{JobDirectory, OutboxEntry};

/// The layout that this version writes. It adopts its own and the one before.
pub(crate) const FORMAT: u32 = 2;
const FORMER: u32 = 1;

/// The number, in a file of its own.
const FORMER_NUMBER: &str = "format";
/// What the operator set.
const FORMER_SETTINGS: &str = "settings.json";
/// Room for the outcome on a full disk.
const FORMER_RESERVE: &str = "reserve";
pub(super) const FORMER_OUTBOX: &str = "outbox";

/// The claim as format 1 had it.
#[derive(Deserialize)]
struct FormerClaim {
    job: Job,
    log_limit_bytes: u64,
    #[serde(default)]
    cloud_identity: Option<CloudIdentity>,
}

impl JobDirectory {
    /// The claim, whichever version wrote it. None if there is none, or none that reached the disk before a power cut.
    ///
    /// # Errors
    /// If it cannot be read, or another version has to.
    pub(crate) fn claimed(&self) -> io::Result<Option<Claimed>> {
        let bytes = match fs::read(self.file(CLAIM)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let claim: Value = serde_json::from_slice(&bytes)?;
        match (claim.get("format").and_then(Value::as_u64), claim.get("boot_id")) {
            (None, None) => self.former_claim(claim).map(Some),
            // For some days this layout was written under the number of the one before.
            (Some(1 | 2), Some(_)) => Ok(Some(Claimed { format: FORMAT, ..serde_json::from_value(claim)? })),
            (number, _) => Err(unknown(&number.map_or("not said".to_owned(), |number| number.to_string()))),
        }
    }

    fn former_claim(&self, claim: Value) -> io::Result<Claimed> {
        let number = fs::read_to_string(self.file(FORMER_NUMBER)).unwrap_or_default();
        if number.trim().parse() != Ok(FORMER) {
            return Err(unknown(if number.is_empty() { "not said" } else { number.trim() }));
        }
        let FormerClaim { job, log_limit_bytes, cloud_identity } = serde_json::from_value(claim)?;
        let settings = self.read(FORMER_SETTINGS)?.unwrap_or_default();
        let (format, boot_id, issues_tokens) = (FORMER, String::new(), None);
        Ok(Claimed { format, boot_id, job, log_limit_bytes, cloud_identity, issues_tokens, settings })
    }

    /// Makes a directory of the format before, which no process has worked in, one of this format.
    pub(crate) fn bring_up_to_date(&self, claimed: Claimed) -> io::Result<Claimed> {
        if claimed.format == FORMAT {
            return Ok(claimed);
        }
        self.free_former_reserve();
        let claimed = Claimed { format: FORMAT, boot_id: boot_id()?, ..claimed };
        self.place(CLAIM, &claimed)?;
        self.keep_room()?;
        Ok(claimed)
    }

    /// Whether all that a process said of itself is there. Format 1 synced it; else a power cut may have taken it.
    pub(crate) fn says_who_ran(claimed: &Claimed) -> io::Result<bool> {
        Ok(claimed.format == FORMER || claimed.boot_id == boot_id()?)
    }

    /// Gives up the room that format 1 kept for the outcome, to whoever has to write it.
    pub(crate) fn free_former_reserve(&self) {
        // Missing is as good.
        let _ = fs::remove_file(self.file(FORMER_RESERVE));
    }

    /// The first entry of an outbox of format 1. The bytes of an artifact are a file of their own.
    pub(super) fn next_former_outbox(&self) -> io::Result<Option<(PathBuf, OutboxEntry)>> {
        let entries = match fs::read_dir(self.file(FORMER_OUTBOX)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names = names.filter(|name| !name.starts_with('.') && name.ends_with(".json"));
        let Some(name) = names.min() else { return Ok(None) };
        let file = self.file(FORMER_OUTBOX).join(&name);
        let text = fs::read(&file)?;
        let entry = if name.ends_with(".progress.json") {
            OutboxEntry::progress(&text)
        } else {
            OutboxEntry::artifact(&text, fs::read(former_bytes(&file))?.into())
        };
        Ok(Some((file, entry)))
    }
}

/// Where the bytes are, of an artifact of format 1.
pub(super) fn former_bytes(entry: &std::path::Path) -> PathBuf {
    entry.with_extension("bytes")
}

fn unknown(number: &str) -> io::Error {
    io::Error::other(format!(
        "its format is {number}, and this version knows {FORMER} and {FORMAT}; start the version that made it"
    ))
}
