//! Writes many small pieces so that the kernel copies them fast: from block boundaries to block boundaries.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What goes to the file at once, and starts at a multiple of it. Stays in a processor's own cache.
const CHUNK: usize = 128 << 10;
/// A page of memory and, nearly everywhere, a block of the file system.
const PAGE: usize = 4096;

/// Gathers what is written one after the other and hands it on in chunks that lie in memory as they lie in the file's pages.
///
/// `writev` of packets as they are costs several times more on processors whose block copy is slow unless both sides are
/// aligned (AMD Zen).
#[derive(Debug)]
pub(super) struct Aligned {
    memory: Vec<u8>,
    /// The first byte of `memory` on a page boundary.
    start: usize,
    /// Where the first gathered byte belongs in the file.
    at: u64,
    gathered: usize,
}

impl Aligned {
    /// Writes from `at` on.
    pub(super) fn new(at: u64) -> Self {
        let memory = vec![0; CHUNK + PAGE];
        let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Self {
            memory,
            start,
            at,
            gathered: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, file: &File, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let end = self.begin() + self.gathered;
            let (now, later) = piece.split_at(piece.len().min(CHUNK - end));
            self.memory[self.start + end..][..now.len()].copy_from_slice(now);
            self.gathered += now.len();
            if end + now.len() == CHUNK {
                self.flush(file)?;
            }
            piece = later;
        }
        Ok(())
    }

    /// Writes what is gathered.
    pub(super) fn flush(&mut self, file: &File) -> io::Result<()> {
        let gathered = &self.memory[self.start + self.begin()..][..self.gathered];
        file.write_all_at(gathered, self.at)?;
        self.at += self.gathered as u64;
        self.gathered = 0;
        Ok(())
    }

    /// Where the first gathered byte is, from `start`.
    fn begin(&self) -> usize {
        usize::try_from(self.at % CHUNK as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_length_arrive_in_order() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        for at in [0, 5, CHUNK as u64 - 1, CHUNK as u64] {
            let file = tempfile::tempfile().unwrap();
            let mut aligned = Aligned::new(at);
            let mut rest = &bytes[..];
            for length in [1, 0, 4095, 4096, CHUNK - 7, CHUNK, CHUNK + 1, 3 * CHUNK]
                .into_iter()
                .cycle()
            {
                let (piece, later) = rest.split_at(length.min(rest.len()));
                aligned.push(&file, piece).unwrap();
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            aligned.flush(&file).unwrap();
            let mut back = vec![0; bytes.len()];
            file.read_exact_at(&mut back, at).unwrap();
            assert_eq!(
                (back == bytes, file.metadata().unwrap().len()),
                (true, at + bytes.len() as u64)
            );
        }
    }
}
