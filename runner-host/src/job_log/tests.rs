//! What is written is what is read.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use executor_api::LogWriter;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wire::{Frame, LogStream, MAX_FRAME_BYTES, Timestamp};

use super::{FrameReader, FrameWriter, LogTotals};

/// An empty log that keeps so many bytes: its folder, its file, who writes it and who sums it up.
fn log(limit: u64) -> (TempDir, PathBuf, FrameWriter, LogTotals) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    File::create(&file).unwrap();
    let (writer, totals) = FrameWriter::open(&file, limit).unwrap();
    (folder, file, writer, totals)
}

fn write(writer: &mut FrameWriter, text: &[u8]) {
    writer.append(LogStream::Stdout, Timestamp::now(), text);
}

fn read(file: &Path) -> Vec<u8> {
    let mut reader = FrameReader::open(file).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = reader.next(1).unwrap() {
        let mut rest = &batch.frames[..];
        while let Ok((frame, more)) = Frame::split_first(rest) {
            all.extend_from_slice(frame.bytes);
            rest = more;
        }
        reader.advance(&batch);
    }
    all
}

#[test]
fn what_is_written_is_read_and_summed_up() {
    let (_folder, file, mut writer, totals) = log(u64::MAX);
    let big = vec![b'x'; MAX_FRAME_BYTES * 2 + 5];
    for text in [&b"one\n"[..], b"\0\xff\xfe", &big] {
        write(&mut writer, text);
    }
    let all = read(&file);
    assert_eq!(all.len(), 7 + big.len());
    assert_eq!(totals.finish(), FrameReader::summarize(&file).unwrap());
    assert_eq!(totals.finish().sha256, hex::encode(Sha256::digest(&all)));
}

#[test]
fn a_torn_end_is_waited_for_and_does_not_hide_what_is_whole() {
    let (_folder, file, mut writer, _) = log(u64::MAX);
    write(&mut writer, b"first\n");
    let whole = std::fs::metadata(&file).unwrap().len();
    write(&mut writer, b"second\n");
    let all = std::fs::metadata(&file).unwrap().len();
    for cut in (whole..all).rev() {
        OpenOptions::new().write(true).open(&file).unwrap().set_len(cut).unwrap();
        assert_eq!(read(&file), b"first\n", "cut at {cut}");
    }
}

#[test]
fn of_what_is_too_long_both_ends_are_kept_and_the_rest_is_counted_and_said() {
    let (_folder, file, mut writer, totals) = log(40);
    for text in ["beginning, of\n", "too much\n", "more\n", "of it ", "the end\n"] {
        write(&mut writer, text.as_bytes());
    }
    let summary = totals.finish();
    let text = String::from_utf8(read(&file)).unwrap();
    assert_eq!(text, "beginning, of\n9 bytes of log could not be kept here\nmore\nof it the end\n");
    assert_eq!((summary.dropped_bytes, summary.length), (9, text.len() as u64));
    assert_eq!(FrameReader::summarize(&file).unwrap().sha256, summary.sha256);
}

#[test]
fn of_one_piece_that_is_too_long_the_end_is_kept() {
    let (_folder, file, mut writer, totals) = log(10);
    write(&mut writer, b"nothing of this but its end\n");
    assert_eq!(totals.finish().dropped_bytes, 18);
    assert_eq!(read(&file), b"18 bytes of log could not be kept here\nt its end\n");
}

#[test]
fn what_just_fits_is_kept_whole() {
    let (_folder, file, mut writer, totals) = log(12);
    for text in ["one\n", "two\n", "six\n"] {
        write(&mut writer, text.as_bytes());
    }
    assert_eq!(totals.finish().dropped_bytes, 0);
    assert_eq!(read(&file), b"one\ntwo\nsix\n");
}

#[test]
fn a_reader_goes_to_where_the_plane_wants_it() {
    let (_folder, file, mut writer, _) = log(u64::MAX);
    for text in ["one\n", "two\n", "three\n"] {
        write(&mut writer, text.as_bytes());
    }
    let mut reader = FrameReader::open(&file).unwrap();
    reader.seek(8).unwrap();
    assert_eq!(reader.next(1).unwrap().unwrap().offset, 8);
    reader.seek(0).unwrap();
    assert_eq!(reader.next(1).unwrap().unwrap().offset, 0);
    assert!(reader.seek(5).is_err(), "the plane stores whole frames only");
}

#[test]
fn somebody_else_goes_on_where_a_killed_writer_left_half_a_frame() {
    let (_folder, file, mut writer, _) = log(u64::MAX);
    write(&mut writer, b"one\n");
    write(&mut writer, b"two, of which half is there\n");
    let length = file.metadata().unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 8).unwrap();
    write(&mut FrameWriter::go_on(&file).unwrap(), b"3\n");
    assert_eq!(read(&file), b"one\n3\n");
    assert_eq!(FrameReader::summarize(&file).unwrap().length, 6);
}
