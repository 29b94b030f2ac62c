//! [`Layout`]: a response as pieces with its length known before the first byte: bytes in memory, ranges of files, and
//! bytes that are made from a file as they are read.
//!
//! A layout costs memory by its pieces, never by its length. [`Reader`] turns it into bytes a buffer at a time, so that a
//! client that does not read holds one buffer. Reading has two modes ([`Wait`]): what is in the page cache can be had at once
//! on an async thread; anything else is left to a thread that may block.

mod reader;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;

pub use reader::{Buffer, Reader};
pub use source::{FileSource, Source, Wait};

/// A response body: pieces one after the other.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pieces: Vec<Piece>,
    length: u64,
}

/// One piece of a [`Layout`].
#[derive(Clone)]
pub enum Piece {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file, moved without being looked at.
    File {
        /// The file.
        source: Arc<dyn Source>,
        /// Which of its bytes.
        range: Range<u64>,
    },
    /// Bytes that are made while they are read.
    Made {
        /// What makes them.
        make: Arc<dyn Make>,
        /// Which of them.
        range: Range<u64>,
    },
}

/// Something whose length is known and whose bytes are made on demand: a multiplexed or an encrypted segment.
pub trait Make: Send + Sync + fmt::Debug {
    /// How many bytes there are in all.
    fn length(&self) -> u64;

    /// Starts to make the bytes of `range`, which lies within the length.
    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer>;
}

/// Makes bytes from front to back.
pub trait Producer: Send {
    /// Appends at most `room` bytes to `out`, fewer only at the end or when a natural step ends before it.
    ///
    /// With [`Wait::No`] it does no I/O that could block: it answers [`Filled::Cold`] then, with nothing appended and the
    /// state unchanged. `out` is only appended to.
    ///
    /// # Errors
    /// `Storage` when the file can't be read, `Malformed` when it does not hold what its index says; after an error the
    /// producer is not used again.
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled>;
}

/// What a step of reading came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filled {
    /// At least one byte was appended.
    More,
    /// There is nothing left.
    End,
    /// The bytes are not in memory; ask again with [`Wait::Yes`] where blocking is allowed.
    Cold,
}

impl Layout {
    /// No bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn push_bytes(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.length += bytes.len() as u64;
            self.pieces.push(Piece::Bytes(bytes));
        }
    }

    /// Appends a range of a file; one that continues the last piece is joined to it.
    pub fn push_file(&mut self, source: &Arc<dyn Source>, range: Range<u64>) {
        if range.start >= range.end {
            return;
        }
        self.length += range.end - range.start;
        if let Some(Piece::File {
            source: last,
            range: before,
        }) = self.pieces.last_mut()
            && before.end == range.start
            && Arc::ptr_eq(last, source)
        {
            before.end = range.end;
            return;
        }
        let source = Arc::clone(source);
        self.pieces.push(Piece::File { source, range });
    }

    /// Appends all that `make` makes.
    pub fn push_made(&mut self, make: Arc<dyn Make>) {
        let length = make.length();
        if length > 0 {
            self.length += length;
            self.pieces.push(Piece::Made {
                make,
                range: 0..length,
            });
        }
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Self) {
        self.length = self.length.saturating_add(other.length);
        self.pieces.extend(other.pieces);
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Bytes on the heap, made pieces not counted.
    pub fn heap_size(&self) -> usize {
        let owned = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File { .. } | Piece::Made { .. } => 0,
        };
        self.pieces.capacity() * size_of::<Piece>() + self.pieces.iter().map(owned).sum::<usize>()
    }

    /// The part of it that `range` covers, pinned to its length.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut cut = Self::new();
        let mut at = 0;
        for piece in &self.pieces {
            let start = range.start.max(at);
            let end = range.end.min(at + piece.length());
            if start < end {
                cut.length += end - start;
                cut.pieces.push(piece.slice(start - at..end - at));
            }
            at += piece.length();
        }
        cut
    }

    /// Reads it from the first byte to the last.
    pub fn reader(&self) -> Reader {
        Reader::new(self.pieces.clone())
    }

    /// All bytes at once, waiting for the disk: for playlists, tests and small bodies.
    ///
    /// # Errors
    /// Those of reading; `LimitExceeded` when there are more than `limit` bytes.
    pub fn to_bytes(&self, limit: u64) -> Result<Bytes> {
        reader::collect(self, limit)
    }
}

impl Piece {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { range, .. } | Self::Made { range, .. } => range.end.saturating_sub(range.start),
        }
    }

    /// A part of it; `part` lies within its length.
    fn slice(&self, part: Range<u64>) -> Self {
        let inner = |range: &Range<u64>| range.start + part.start..range.start + part.end;
        match self {
            Self::Bytes(bytes) => {
                let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Self::Bytes(bytes.slice(at(part.start)..at(part.end)))
            }
            Self::File { source, range } => Self::File {
                source: Arc::clone(source),
                range: inner(range),
            },
            Self::Made { make, range } => Self::Made {
                make: Arc::clone(make),
                range: inner(range),
            },
        }
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::File { range, .. } => write!(f, "File({range:?})"),
            Self::Made { make, range } => write!(f, "Made({range:?} of {make:?})"),
        }
    }
}

impl From<Bytes> for Layout {
    fn from(bytes: Bytes) -> Self {
        let mut layout = Self::new();
        layout.push_bytes(bytes);
        layout
    }
}
