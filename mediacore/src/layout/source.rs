//! Files that layouts read from.

use std::fs::File;
use std::io;

use rustix::fs::fstat;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::mp4::ReadAt;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Only what is in memory.
    No,
    /// As long as it takes.
    Yes,
}

/// Immutable bytes at offsets. A file that shrinks under a reader gives an error, never wrong bytes.
pub trait Source: Send + Sync {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Reads up to `buf.len()` bytes at `offset`, 0 at the end; `None` when that would wait and `wait` forbids it.
    ///
    /// # Errors
    /// What the operating system says.
    fn read(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<usize>>;

    /// Whether nothing leads to the bytes any more: the file was removed, and its room on the disk is free once nobody has it open.
    fn is_removed(&self) -> bool {
        false
    }

    /// Fills `buf`; `None` when some of it would have to be waited for.
    ///
    /// # Errors
    /// What the operating system says; `UnexpectedEof` when the bytes end before `buf` is full.
    fn read_full(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<()>> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read(rest, offset.saturating_add(done as u64), wait) {
                Ok(Some(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Some(count)) => done += count,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(()))
    }
}

/// A file on disk, with the length that it had when it was opened.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// Takes an open file of `length` bytes.
    pub fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<usize>> {
        match wait {
            Wait::Yes => self.file.read_at(buf, offset).map(Some),
            Wait::No => {
                let mut bufs = [io::IoSliceMut::new(buf)];
                match preadv2(&self.file, &mut bufs, offset, ReadWriteFlags::NOWAIT) {
                    Ok(count) => Ok(Some(count)),
                    // Not in memory, or a file system that can't tell.
                    Err(Errno::AGAIN | Errno::OPNOTSUPP) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    fn is_removed(&self) -> bool {
        fstat(&self.file).is_ok_and(|about| about.st_nlink == 0)
    }
}

impl Source for bytes::Bytes {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, buf: &mut [u8], offset: u64, _: Wait) -> io::Result<Option<usize>> {
        self[..].read_at(buf, offset).map(Some)
    }
}
