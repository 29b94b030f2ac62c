//! Lines out of a pipe, of bounded length.

/// What came and is not a whole line yet.
#[derive(Debug)]
pub(super) struct Lines {
    rest: Vec<u8>,
    longest: usize,
}

/// A line is longer than it may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooLong;

impl Lines {
    /// Lines of at most so many bytes.
    pub(super) const fn new(longest: usize) -> Self {
        Self {
            rest: Vec::new(),
            longest,
        }
    }

    /// Takes what came; gives the lines that are whole now.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut whole = Vec::new();
        let mut left = bytes;
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            self.take(&left[..end])?;
            whole.push(std::mem::take(&mut self.rest));
            left = &left[end + 1..];
        }
        self.take(left)?;
        Ok(whole)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.rest.len() + bytes.len() > self.longest {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come_and_no_longer_than_they_may() {
        let mut lines = Lines::new(4);
        assert_eq!(lines.push(b"ab").unwrap(), [b""; 0]);
        assert_eq!(
            lines.push(b"c\n\nde\nf").unwrap(),
            [b"abc".as_slice(), b"", b"de"]
        );
        assert_eq!(lines.push(b"ghi\n").unwrap(), [b"fghi"]);
        assert_eq!(lines.push(b"fghij"), Err(TooLong));
    }
}
