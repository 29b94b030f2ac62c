//! A body on its way to the disk: written as it comes, by threads that may block, never held whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::checksum::Checksum;
use super::turns::Turn;
use crate::fault::Fault;
use crate::metrics::UPLOAD_BYTES;

/// Bytes that are written at once.
const BATCH: usize = 1 << 20;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// How a body ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself.
    Whole,
    /// It has more bytes than it may.
    TooLong,
    /// The connection did, or the client was silent for too long.
    Broken,
    /// Another request has the turn.
    Replaced,
}

/// Where a body goes.
#[derive(Debug)]
pub(super) struct Intake {
    file: Arc<File>,
    at: u64,
    /// Bytes that came.
    pub(super) came: u64,
    limit: u64,
    /// Sees all bytes.
    pub(super) checksum: Option<Checksum>,
}

impl Intake {
    /// At most `limit` bytes into `file` from `at` on.
    pub(super) fn new(file: &Arc<File>, at: u64, limit: u64) -> Self {
        Self {
            file: Arc::clone(file),
            at,
            came: 0,
            limit,
            checksum: None,
        }
    }

    /// Takes from `body` until it ends, or about `most` bytes came; `None` for the latter.
    ///
    /// # Errors
    /// When the disk takes no more.
    pub(super) async fn take<E>(
        &mut self,
        body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin + Send),
        turn: &mut Turn,
        most: u64,
    ) -> Result<Option<End>, Fault> {
        let mut batch = Vec::new();
        let mut length = 0;
        let until = self.came.saturating_add(most);
        let end = loop {
            let next = {
                let next = pin!(tokio::time::timeout(SILENCE, body.next()));
                tokio::select! {
                    biased;
                    () = turn.told() => break Some(End::Replaced),
                    next = next => next,
                }
            };
            let bytes = match next {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(None) => break Some(End::Whole),
                Ok(Some(Err(_))) | Err(_) => break Some(End::Broken),
            };
            let room = self.limit.saturating_sub(self.came + length as u64);
            if bytes.len() as u64 > room {
                break Some(End::TooLong);
            }
            length += bytes.len();
            batch.push(bytes);
            if length >= BATCH {
                self.write(std::mem::take(&mut batch)).await?;
                length = 0;
                if self.came >= until {
                    break None;
                }
            }
        };
        self.write(batch).await?;
        Ok(end)
    }

    async fn write(&mut self, batch: Vec<Bytes>) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        let (file, at) = (Arc::clone(&self.file), self.at + self.came);
        let checksum = self.checksum.take();
        let (count, checksum) = tokio::task::spawn_blocking(move || {
            let mut checksum = checksum;
            let mut count = 0;
            for bytes in batch {
                file.write_all_at(&bytes, at + count)?;
                if let Some(checksum) = &mut checksum {
                    checksum.update(&bytes);
                }
                count += bytes.len() as u64;
            }
            Ok((count, checksum))
        })
        .await?
        .map_err(|error| disk(&error))?;
        self.came += count;
        UPLOAD_BYTES.add(count);
        self.checksum = checksum;
        Ok(())
    }

    /// Waits until what came is on the disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) async fn sync(&self) -> Result<(), Fault> {
        let file = Arc::clone(&self.file);
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await?;
        synced.map_err(|error| disk(&error))
    }
}

/// What a failure of the disk is to the one who uploads.
pub(super) fn disk(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Fault::NoSpace("The disk is full; free some space and go on with the upload".to_owned())
        }
        _ => Fault::internal(format!("write an upload: {error}")),
    }
}
