//! The log: frames to a plane of protocol 2, chunks of text to one of the seed's contract.

use std::fs::File;
use std::io;

use wire::{AppendAnswer, Frame, LogPost};

use super::{Delivery, Stopped};
use crate::client::ClientError;
use crate::dialect::Dialect;
use crate::job_directory::LOG;
use crate::job_log::{Batch, FrameReader, is_damage};

/// As much as one request carries, as long as that passes.
const BATCH_BYTES: usize = 1 << 20;
/// The seed's chunk.
const CHUNK_BYTES: usize = 10 * 1024;

/// Where the delivery of one log stands.
pub(super) struct LogDelivery<'a> {
    delivery: &'a Delivery<'a>,
    reader: FrameReader,
    /// As much as passes at once, as far as is known.
    most: usize,
    /// Where the plane wanted it to go on, if it has taken nothing since.
    wanted: Option<u64>,
    /// The plane will not have the rest; the report says that it is not complete.
    given_up: bool,
}

impl<'a> LogDelivery<'a> {
    /// Begins at the start: a plane of protocol 2 says where it wants to go on, and one of the seed's contract gets
    /// what it may have already rather than a gap.
    pub(super) async fn open(delivery: &'a Delivery<'a>) -> Result<Self, Stopped> {
        let file = delivery.directory.file(LOG);
        let reader = FrameReader::open(&file).or_else(|error| match error.kind() {
            // An empty one is the same loss, and the report says how large it is.
            io::ErrorKind::NotFound => {
                tracing::error!(job.id = %delivery.job, "a job's log has gone; the job will say so");
                File::create_new(&file).and_then(|_| FrameReader::open(&file))
            }
            _ => Err(error),
        })?;
        Ok(Self { delivery, reader, most: BATCH_BYTES, wanted: None, given_up: false })
    }

    /// The plane lacks what comes after this offset. What is not here either, nobody will ever have.
    pub(super) async fn go_on_from(&mut self, offset: u64) -> Result<(), Stopped> {
        self.given_up = false;
        self.seek(offset)?;
        if !self.deliver_some().await? {
            self.given_up = true;
        }
        Ok(())
    }

    /// Where the part begins that the plane will not have, if there is one.
    pub(super) fn given_up_at(&self) -> Option<u64> {
        self.given_up.then(|| self.reader.offset())
    }

    /// Whether there is enough for a request of its own.
    pub(super) fn has_much(&self) -> Result<bool, Stopped> {
        Ok(self.reader.waiting()? >= BATCH_BYTES as u64 / 4)
    }

    /// Delivers about one request's worth; false if there is nothing.
    pub(super) async fn deliver_some(&mut self) -> Result<bool, Stopped> {
        if self.given_up {
            return Ok(false);
        }
        let batch = match self.reader.next(self.most) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(false),
            Err(error) => return self.give_up(error).map(|()| false),
        };
        match self.delivery.dialect {
            Dialect::Two => match self.append(&batch).await? {
                Ok(AppendAnswer::Durable(_)) => {
                    self.wanted = None;
                    self.reader.advance(&batch);
                }
                // Just that it was sent: so it would go on for ever.
                Ok(AppendAnswer::Wanted(offset)) if offset == batch.offset && self.wanted == Some(offset) => {
                    tracing::error!(offset, job.id = %self.delivery.job, "the control plane asks again and again for what it is sent; the job will say that its log is not complete");
                    self.given_up = true;
                }
                Ok(AppendAnswer::Wanted(offset)) => {
                    self.wanted = Some(offset);
                    self.seek(offset)?;
                }
                Err(error) if error.is_too_large() && !batch.is_one_frame() => self.most = batch.frames.len() / 2,
                Err(error) => {
                    tracing::error!(error = crate::chain(&error), job.id = %self.delivery.job, "the control plane refuses a part of the log; the job will say that its log is not complete");
                    self.given_up = true;
                }
            },
            Dialect::Seed => {
                self.post(&batch.frames).await?;
                self.reader.advance(&batch);
            }
        }
        Ok(true)
    }

    fn seek(&mut self, offset: u64) -> Result<(), Stopped> {
        self.reader.seek(offset).or_else(|error| self.give_up(error))
    }

    /// A log that is damaged costs its rest, not the job.
    fn give_up(&mut self, error: io::Error) -> Result<(), Stopped> {
        if !is_damage(&error) {
            return Err(error.into());
        }
        tracing::error!(error = crate::chain(&error), job.id = %self.delivery.job, "the rest of a log is lost; the job will say so");
        self.given_up = true;
        Ok(())
    }

    async fn append(&self, batch: &Batch) -> Result<Result<AppendAnswer, ClientError>, Stopped> {
        let Delivery { runner, job, attempt, .. } = self.delivery;
        let call = || runner.client.append_log(job, *attempt, batch.offset, batch.frames.clone());
        self.delivery.insist("deliver log", call).await
    }

    async fn post(&self, frames: &[u8]) -> Result<(), Stopped> {
        let mut rest = frames;
        while let Ok((frame, more)) = Frame::split_first(rest) {
            let text = String::from_utf8_lossy(frame.bytes).replace('\0', "\u{FFFD}");
            for chunk in chunks(&text) {
                self.post_chunk(LogPost { log_chunk: chunk.to_owned(), stream_type: frame.header.stream }).await?;
            }
            rest = more;
        }
        Ok(())
    }

    async fn post_chunk(&self, post: LogPost) -> Result<(), Stopped> {
        let Delivery { runner, job, attempt, .. } = self.delivery;
        let call = || runner.client.post_log(job, *attempt, &post);
        if let Err(error) = self.delivery.insist("deliver log", call).await? {
            tracing::error!(error = crate::chain(&error), job.id = %job, "the control plane refuses a piece of log; it is missing there");
        }
        Ok(())
    }
}

/// Pieces of at most [`CHUNK_BYTES`], never cut inside a character.
fn chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (chunk, more) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES));
        rest = more;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut() {
        let text = "é".repeat(CHUNK_BYTES);
        let chunks: Vec<_> = chunks(&text).collect();
        assert!(chunks.len() > 1 && chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
        assert_eq!(chunks.concat(), text);
    }
}
