//! The tools that the benchmark's jobs run: as small as a program of this language can be.
//!
//! `probe stamp` prints when it began; `probe tick COUNT MS` prints the time COUNT times; `probe lines COUNT` floods. A copy
//! of it called `terraform` calls the real one, and stamps when.

use std::io::Write;

use bench::{clock, lines, tool_clock};

fn main() -> std::io::Result<()> {
    let begun = clock::now_ns();
    if let Some(code) = tool_clock::stand_between()? {
        std::process::exit(code);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| args.get(place).and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut out = std::io::stdout().lock();
    match args.first().map(String::as_str) {
        Some("stamp") => writeln!(out, "stamp {begun}"),
        Some("tick") => tick(&mut out, number(1), std::time::Duration::from_millis(number(2))),
        Some("lines") => {
            use std::os::fd::AsFd;
            // Standard output of Rust is line buffered; a copy of the descriptor is not.
            let mut raw = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
            lines::in_blocks(number(1), |block| raw.write_all(block))
        }
        _ => Err(std::io::Error::other("usage: probe stamp | tick COUNT MS | lines COUNT")),
    }
}

fn tick(out: &mut impl Write, count: u64, pause: std::time::Duration) -> std::io::Result<()> {
    for _ in 0..count {
        std::thread::sleep(pause);
        writeln!(out, "tick {}", clock::now_ns())?;
    }
    Ok(())
}
