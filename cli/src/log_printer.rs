//! A job's log on the terminal: what a tool printed as it printed it, what we say about the job marked as ours.

use std::io::Write;

use executor_api::LogWriter;
use owo_colors::OwoColorize;
use wire::{LogEntry, LogStream, Timestamp};

use crate::terminal_text::{self, TerminalText};

/// Prints the log of one job to standard output, or nowhere.
pub(crate) struct LogPrinter {
    quiet: bool,
    /// Whether a new line begins with what comes next.
    at_line_start: bool,
    stdout: TerminalText,
    stderr: TerminalText,
}

impl LogPrinter {
    /// `quiet` where standard output is for one JSON document.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, at_line_start: true, stdout: TerminalText::default(), stderr: TerminalText::default() }
    }

    pub(crate) fn entry(&mut self, entry: &LogEntry) {
        self.print(entry.stream_type, entry.log_chunk.as_bytes());
    }

    fn print(&mut self, stream: LogStream, bytes: &[u8]) {
        if self.quiet || bytes.is_empty() {
            return;
        }
        let mut out = anstream::stdout().lock();
        // A reader that has gone, as `head` does, is no reason to stop following: its exit code may be wanted.
        let _ = match stream {
            LogStream::System => self.ours(&mut out, bytes),
            LogStream::Stdout => out.write_all(self.stdout.shown(bytes).as_bytes()),
            LogStream::Stderr => out.write_all(self.stderr.shown(bytes).as_bytes()),
        };
        let _ = out.flush();
        self.at_line_start = bytes.ends_with(b"\n");
    }

    fn ours(&self, out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
        if !self.at_line_start {
            writeln!(out)?;
        }
        // It quotes tools, too.
        for line in terminal_text::shown(&String::from_utf8_lossy(bytes)).lines() {
            writeln!(out, "{} {}", "»".cyan(), line.dimmed())?;
        }
        Ok(())
    }
}

impl LogWriter for LogPrinter {
    fn append(&mut self, stream: LogStream, _: Timestamp, bytes: &[u8]) {
        self.print(stream, bytes);
    }
}
