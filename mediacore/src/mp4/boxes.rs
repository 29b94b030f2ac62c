//! A safe cursor over boxes: headers, big-endian numbers, and errors that say where.

mod error;
mod read_at;

use std::fmt;

pub use error::{BoxError, BoxPath, BoxProblem};
pub use read_at::ReadAt;

use super::limits;

/// A box type: four bytes, mostly letters.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// `moov`: what is in the file and where.
    pub const MOOV: Self = Self(*b"moov");
    /// `moof`: the tables of one fragment.
    pub const MOOF: Self = Self(*b"moof");
    /// `mdat`: media.
    pub const MDAT: Self = Self(*b"mdat");
    /// `uuid`: a box whose type is the 16 bytes that follow the header.
    pub const UUID: Self = Self(*b"uuid");
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

/// The first bytes of a box (ISO/IEC 14496-12, 4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BoxHeader {
    /// The type.
    pub kind: FourCc,
    /// The extended type of a `uuid` box.
    pub uuid: Option<[u8; 16]>,
    /// Bytes of the header itself: 8, 16 with a 64-bit size, and 16 more for `uuid`.
    pub header: u64,
    /// Bytes of the whole box with its header, never less than `header`. May reach beyond the parent's end: the reader
    /// decides what that means.
    pub size: u64,
}

impl BoxHeader {
    /// The longest header: 64-bit size and extended type.
    pub const MAX_LEN: usize = 32;

    /// Reads a header from the start of `bytes`, where `left` bytes are left in the parent from here on (a size of 0
    /// means all of them).
    ///
    /// # Errors
    /// [`BoxProblem::Truncated`] when `bytes` ends inside the header, [`BoxProblem::BadSize`] when the size is smaller
    /// than the header.
    pub fn parse(bytes: &[u8], left: u64) -> Result<Self, BoxProblem> {
        let short = |need: u64| BoxProblem::Truncated {
            need,
            left: u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left),
        };
        let small = bytes.first_chunk::<8>().ok_or_else(|| short(8))?;
        let [a, b, c, d, kind @ ..] = *small;
        let kind = FourCc(kind);
        let (mut header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, left),
            1 => {
                let large = bytes.get(8..).and_then(<[u8]>::first_chunk::<8>);
                (16, u64::from_be_bytes(*large.ok_or_else(|| short(16))?))
            }
            size => (8, u64::from(size)),
        };
        let uuid = if kind == FourCc::UUID {
            let at = if header == 8 { 8 } else { 16 };
            header += 16;
            let id = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>);
            Some(*id.ok_or_else(|| short(header))?)
        } else {
            None
        };
        if size < header {
            return Err(BoxProblem::BadSize { kind, size, header });
        }
        Ok(Self {
            kind,
            uuid,
            header,
            size,
        })
    }
}

/// A position in the body of a box that is in memory.
///
/// Every read is checked; an error carries the box path and the absolute byte offset. Copying a cursor is cheap and
/// makes a bookmark.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    left: &'a [u8],
    offset: u64,
    path: BoxPath,
}

impl<'a> Cursor<'a> {
    /// Over `body`, the bytes after a box's header, which stand at `offset` in the file.
    pub fn new(body: &'a [u8], offset: u64, path: BoxPath) -> Self {
        Self {
            left: body,
            offset,
            path,
        }
    }

    /// The absolute byte offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Which box this is.
    pub fn path(&self) -> BoxPath {
        self.path
    }

    /// The type of the box that the cursor is in.
    pub fn kind(&self) -> FourCc {
        self.path.last()
    }

    /// The same cursor, with the box's number among its like in the path: `trak[1]`.
    #[must_use]
    pub fn numbered(mut self, number: usize) -> Self {
        self.path = self.path.numbered(number);
        self
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.left
    }

    /// An error at this place.
    pub fn error(&self, problem: BoxProblem) -> BoxError {
        BoxError {
            path: Box::new(self.path),
            offset: self.offset,
            problem,
        }
    }

    /// A [`BoxProblem::Invalid`] at this place.
    pub fn invalid(&self, what: impl Into<String>) -> BoxError {
        self.error(BoxProblem::Invalid(what.into()))
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BoxError> {
        match self.left.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.advance_to(rest);
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], BoxError> {
        match self.left.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.advance_to(rest);
                Ok(bytes)
            }
            None => Err(self.truncated(count)),
        }
    }

    /// Steps over `count` bytes.
    pub fn skip(&mut self, count: usize) -> Result<(), BoxError> {
        self.bytes(count).map(|_| ())
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, BoxError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, BoxError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, BoxError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes, two's complement.
    pub fn i32(&mut self) -> Result<i32, BoxError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, BoxError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self) -> Result<i64, BoxError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Version and flags of a full box (ISO/IEC 14496-12, 4.2.2).
    pub fn full_box(&mut self) -> Result<(u8, u32), BoxError> {
        let [version, a, b, c] = self.array()?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    /// The bytes of `count` entries of `size` bytes each, after checking that they are there.
    pub fn entries(&mut self, count: u32, size: usize) -> Result<&'a [u8], BoxError> {
        let need = u64::from(count).saturating_mul(u64::try_from(size).unwrap_or(u64::MAX));
        let table = usize::try_from(need)
            .ok()
            .and_then(|need| self.left.split_at_checked(need));
        let Some((bytes, rest)) = table else {
            let left = self.left.len() as u64;
            return Err(self.error(BoxProblem::ShortTable { count, need, left }));
        };
        self.advance_to(rest);
        Ok(bytes)
    }

    /// The next box inside this one, its header read; `None` at the end.
    ///
    /// Up to seven zero bytes at the end of a box are no error: old QuickTime files end lists that way.
    pub fn next_box(&mut self) -> Result<Option<Self>, BoxError> {
        if self.left.len() < 8 && self.left.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let left = self.left.len() as u64;
        let header = BoxHeader::parse(self.left, left).map_err(|problem| self.error(problem))?;
        let path = self.path.child(header.kind);
        let path = path.ok_or_else(|| self.error(BoxProblem::TooDeep))?;
        // The header lies within `left`, so both sizes fit once the box does.
        let (Ok(size), Ok(start)) = (usize::try_from(header.size), usize::try_from(header.header)) else {
            return Err(self.outside(header, left));
        };
        let (Some(body), Some(rest)) = (self.left.get(start..size), self.left.get(size..)) else {
            return Err(self.outside(header, left));
        };
        let child = Self::new(body, self.offset.saturating_add(header.header), path);
        self.advance_to(rest);
        Ok(Some(child))
    }

    fn outside(&self, header: BoxHeader, left: u64) -> BoxError {
        self.error(BoxProblem::Outside {
            kind: header.kind,
            size: header.size,
            left,
        })
    }

    fn truncated(&self, need: usize) -> BoxError {
        self.error(BoxProblem::Truncated {
            need: need as u64,
            left: self.left.len() as u64,
        })
    }

    fn advance_to(&mut self, rest: &'a [u8]) {
        let step = self.left.len() - rest.len();
        self.offset = self.offset.saturating_add(step as u64);
        self.left = rest;
    }
}

const _: () = assert!(limits::DEPTH >= 8, "the deepest path that we follow must fit");

#[cfg(test)]
mod tests;
