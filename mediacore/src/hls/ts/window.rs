//! What was read of a file last.

use std::io;
use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::layout::{Source, Wait};

/// One read of a file, kept in a buffer that is used again.
#[derive(Debug, Default)]
pub(super) struct Window {
    buffer: Vec<u8>,
    /// Which part of the stream the bytes are of.
    part: usize,
    /// What was not given out yet.
    range: Range<u64>,
    /// Where the buffer starts in the file.
    start: u64,
}

impl Window {
    /// Whether bytes of a part are there as they are in the file: what was given out may have been changed, and samples
    /// may share bytes.
    pub(super) fn holds(&self, part: usize, bytes: &Range<u64>) -> bool {
        self.part == part && self.range.start <= bytes.start && bytes.end <= self.range.end
    }

    /// Reads from `bytes.start` to `until`, at least `bytes`; false when that would wait and `wait` forbids it.
    ///
    /// # Errors
    /// `Malformed` when the file ends before `bytes` do, `Storage` when it can't be read.
    pub(super) fn read(
        &mut self,
        source: &dyn Source,
        part: usize,
        bytes: Range<u64>,
        until: u64,
        wait: Wait,
    ) -> Result<bool> {
        self.range = 0..0;
        let missing = || {
            let text = format!(
                "samples at {bytes:?} are beyond the end of the file, {}",
                source.length()
            );
            Error::new(ErrorKind::Malformed, text)
        };
        if bytes.start > bytes.end || bytes.end > source.length() {
            return Err(missing());
        }
        let until = until.min(source.length()).max(bytes.end);
        let count = usize::try_from(until - bytes.start).map_err(|_| missing())?;
        if self.buffer.len() < count {
            self.buffer.resize(count, 0);
        }
        let buffer = self.buffer.get_mut(..count).unwrap_or_default();
        match source.read_full(buffer, bytes.start, wait) {
            Ok(Some(())) => {
                self.part = part;
                self.range = bytes.start..until;
                self.start = bytes.start;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(missing().with_source(error)),
            Err(error) => {
                let text = format!("can't read {count} bytes at {}", bytes.start);
                Err(Error::new(ErrorKind::Storage, text).with_source(error))
            }
        }
    }

    /// Gives out bytes that it holds, once, and where they stand in [`Window::bytes`]; none when it does not hold them.
    pub(super) fn take(&mut self, bytes: &Range<u64>) -> (usize, &mut [u8]) {
        if bytes.start < self.range.start || bytes.end > self.range.end {
            return (0, &mut []);
        }
        let at = |offset: u64| usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (start, end) = (at(bytes.start), at(bytes.end));
        self.range.start = self.range.start.max(bytes.end);
        (start, self.buffer.get_mut(start..end).unwrap_or_default())
    }

    /// The whole buffer.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_out_is_read_again() {
        let file = bytes::Bytes::from_static(b"0123456789");
        let mut window = Window::default();
        assert!(window.read(&file, 3, 2..4, 8, Wait::No).unwrap());
        assert!(window.holds(3, &(2..8)) && !window.holds(0, &(2..8)) && !window.holds(3, &(2..9)));
        let (at, bytes) = window.take(&(3..5));
        assert_eq!((at, &*bytes), (1, &b"34"[..]));
        bytes.fill(0);
        assert!(!window.holds(3, &(2..8)) && !window.holds(3, &(4..6)));
        assert!(window.holds(3, &(5..8)));
        assert!(window.take(&(4..6)).1.is_empty());
        assert_eq!(window.take(&(5..8)), (3, &mut b"567".to_owned()[..]));
        assert_eq!(
            window.read(&file, 3, 9..11, 0, Wait::Yes).unwrap_err().kind(),
            ErrorKind::Malformed
        );
        assert!(!window.holds(3, &(9..10)));
    }
}
