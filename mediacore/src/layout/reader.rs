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

impl Producer for Reader {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled> {
        let before = out.len();
        let end = before.saturating_add(room);
        while out.len() < end {
            let room = end - out.len();
            let step = match self.pieces.front_mut() {
                None => Filled::End,
                Some(Piece::Bytes(bytes)) => {
                    let part = bytes.split_to(room.min(bytes.len()));
                    out.extend_from_slice(&part);
                    if bytes.is_empty() {
                        Filled::End
                    } else {
                        Filled::More
                    }
                }
                Some(Piece::File { source, range }) => {
                    let left = range.end.saturating_sub(range.start);
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                    let from = out.len();
                    out.resize(from + count, 0);
                    let buf = out.get_mut(from..).unwrap_or_default();
                    match source.read_full(buf, range.start, wait) {
                        Ok(Some(())) => range.start += count as u64,
                        Ok(None) => out.truncate(from),
                        Err(error) => {
                            let what = format!("can't read {count} bytes at {}", range.start);
                            return Err(Error::new(ErrorKind::Storage, what).with_source(error));
                        }
                    }
                    match (out.len() == from && count > 0, range.start == range.end) {
                        (true, _) => Filled::Cold,
                        (false, true) => Filled::End,
                        (false, false) => Filled::More,
                    }
                }
                Some(Piece::Made { make, range }) => {
                    let producer = self
                        .current
                        .get_or_insert_with(|| Arc::clone(make).open(range.clone()));
                    producer.fill(out, room, wait)?
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
        Ok(match (out.len() > before, self.pieces.is_empty()) {
            (true, _) => Filled::More,
            (false, true) => Filled::End,
            (false, false) => Filled::Cold,
        })
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
