//! A [`Layout`] as a stream of buffers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Filled, Layout, Piece, Producer, Wait};
use crate::error::{Error, ErrorKind, Result};

/// Reads a layout from front to back. See [`Layout::reader`].
pub struct Reader {
    pieces: VecDeque<Piece>,
    current: Option<Box<dyn Producer>>,
}

impl Reader {
    pub(super) fn new(pieces: Vec<Piece>) -> Self {
        Self {
            pieces: pieces.into(),
            current: None,
        }
    }
}

/// Room for the bytes of one step, used again and again: what is written over is not cleared first.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// A buffer with room for `size` bytes.
    pub fn new(size: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(size),
            filled: 0,
        }
    }

    /// The bytes that were filled in.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Empties it and keeps the memory.
    pub const fn clear(&mut self) {
        self.filled = 0;
    }

    /// The next `count` bytes, to be written over.
    fn next(&mut self, count: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(count);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    const fn advance(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count);
    }

    /// The bytes as something to append to.
    fn append(&mut self, with: impl FnOnce(&mut Vec<u8>) -> Result<Filled>) -> Result<Filled> {
        self.bytes.truncate(self.filled);
        let done = with(&mut self.bytes);
        self.filled = self.bytes.len();
        done
    }
}

impl Reader {
    /// Fills `buffer` up to `size` bytes, as [`Producer::fill`] does.
    ///
    /// # Errors
    /// Those of [`Producer::fill`].
    pub fn fill_buffer(&mut self, buffer: &mut Buffer, size: usize, wait: Wait) -> Result<Filled> {
        let before = buffer.filled;
        while buffer.filled < size {
            let room = size - buffer.filled;
            let step = match self.pieces.front_mut() {
                None => Filled::End,
                Some(Piece::Bytes(bytes)) => {
                    let part = bytes.split_to(room.min(bytes.len()));
                    buffer.next(part.len()).copy_from_slice(&part);
                    buffer.advance(part.len());
                    if bytes.is_empty() {
                        Filled::End
                    } else {
                        Filled::More
                    }
                }
                Some(Piece::File { source, range }) => {
                    let left = range.end.saturating_sub(range.start);
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                    let read = source.read_full(buffer.next(count), range.start, wait);
                    match read {
                        Ok(Some(())) => {
                            buffer.advance(count);
                            range.start += count as u64;
                            if range.start == range.end {
                                Filled::End
                            } else {
                                Filled::More
                            }
                        }
                        Ok(None) => Filled::Cold,
                        Err(error) => {
                            let what = format!("can't read {count} bytes at {}", range.start);
                            return Err(Error::new(ErrorKind::Storage, what).with_source(error));
                        }
                    }
                }
                Some(Piece::Made { make, range }) => {
                    let producer = self
                        .current
                        .get_or_insert_with(|| Arc::clone(make).open(range.clone()));
                    buffer.append(|out| producer.fill(out, room, wait))?
                }
            };
            match step {
                Filled::More => {}
                Filled::Cold => break,
                Filled::End => {
                    self.current = None;
                    if self.pieces.pop_front().is_none() {
                        break;
                    }
                }
            }
        }
        Ok(match (buffer.filled > before, self.pieces.is_empty()) {
            (true, _) => Filled::More,
            (false, true) => Filled::End,
            (false, false) => Filled::Cold,
        })
    }
}

impl Producer for Reader {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled> {
        let filled = out.len();
        let mut buffer = Buffer {
            bytes: std::mem::take(out),
            filled,
        };
        let done = self.fill_buffer(&mut buffer, filled.saturating_add(room), wait);
        buffer.bytes.truncate(buffer.filled);
        *out = buffer.bytes;
        done
    }
}

pub(super) fn collect(layout: &Layout, limit: u64) -> Result<Bytes> {
    if layout.length() > limit {
        let text = format!("{} bytes where {limit} are allowed", layout.length());
        return Err(Error::new(ErrorKind::LimitExceeded, text));
    }
    let mut reader = layout.reader();
    let mut out = Vec::with_capacity(usize::try_from(layout.length()).unwrap_or(0));
    while reader.fill(&mut out, 1 << 20, Wait::Yes)? != Filled::End {}
    Ok(out.into())
}
