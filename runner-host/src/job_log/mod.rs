//! The log of one run: frames in a file. Written by the job process, read by the host.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use reader::{Batch, FrameReader, is_damage};
pub(crate) use writer::{FrameWriter, LogTotals};
