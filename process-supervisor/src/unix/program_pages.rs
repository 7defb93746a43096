//! What only the start of a program needs of its file does not stay in memory.

use std::ptr::with_exposed_provenance_mut;
use std::{fs, io};

use rustix::mm::{Advice, madvise};

/// Takes program and libraries out of this process's memory: what is used again is mapped again, from the kernel's cache
/// of files; what only the start has used can be put to another use.
///
/// # Errors
/// If the system refuses. Nothing else changes then.
pub fn release_program_pages() -> io::Result<()> {
    for Mapping { start, end, .. } in
        mappings(&fs::read_to_string("/proc/self/smaps")?).filter(Mapping::is_of_file_only)
    {
        // SAFETY: nobody can write there, and no page of it differs from the file's: each reads the same afterwards.
        #[expect(unsafe_code, reason = "there is no other way to say so to the kernel")]
        unsafe {
            madvise(with_exposed_provenance_mut(start), end - start, Advice::LinuxDontNeed)?;
        }
    }
    Ok(())
}

#[derive(Debug)]
struct Mapping<'a> {
    start: usize,
    end: usize,
    permissions: &'a str,
    file: &'a str,
    /// Pages that are not the file's (any more): linking has written to them, for example.
    own_pages: &'a str,
}

impl<'a> Mapping<'a> {
    /// `START-END PERMISSIONS OFFSET DEVICE INODE FILE`
    fn of_head(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let (start, end, permissions) = (address(start)?, address(end)?, words.next()?);
        Some(Self { start, end, permissions, file: words.nth(3).unwrap_or_default(), own_pages: "" })
    }

    fn is_of_file_only(&self) -> bool {
        self.file.starts_with('/') && self.own_pages == "0 kB" && matches!(self.permissions, "r--p" | "r-xp")
    }
}

/// In the form of smaps; see proc_pid_smaps(5).
fn mappings(smaps: &str) -> impl Iterator<Item = Mapping<'_>> {
    let mut head = None;
    smaps.lines().filter_map(move |line| match line.split_once(':') {
        Some(("Anonymous", pages)) => head.take().map(|head| Mapping { own_pages: pages.trim(), ..head }),
        _ => {
            head = Mapping::of_head(line).or(head.take());
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each mapping, besides what counts, one line that does not.
    const SMAPS: &str = "\
55e1c0000000-55e1c0100000 r--p 00000000 fe:00 123                        /usr/bin/alethia
Rss:                1024 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
55e1c0100000-55e1c0200000 r--p 00100000 fe:00 123                        /usr/bin/alethia
Rss:                1024 kB
Anonymous:           512 kB
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
Anonymous:             0 kB
7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_as_the_file_is_can_be_mapped_again() {
        let all: Vec<_> = mappings(SMAPS).collect();
        assert_eq!(all.len(), 4, "{all:?}");
        let released: Vec<_> = all.iter().filter(|mapping| mapping.is_of_file_only()).collect();
        assert_eq!(released.iter().map(|mapping| mapping.start).collect::<Vec<_>>(), [0x55e1_c000_0000]);
        assert_eq!(all[0].end - all[0].start, 0x10_0000);
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        release_program_pages().unwrap();
        let after = resident();
        assert!(after < before, "{before} kB, then {after} kB");
    }
}
