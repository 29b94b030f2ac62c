//! [`Store`]: a whole segment, mostly in memory, before its first byte is used.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::fs::{Mode, OFlags};

use super::limits;
use crate::error::{Error, Result};

/// A segment's bytes: the first [`limits::MEMORY_BYTES`] in memory, the rest in a temporary file that has no name and
/// vanishes with this value.
#[derive(Debug, Default)]
pub(crate) struct Store {
    memory: Vec<u8>,
    file: Option<File>,
    at: usize,
}

impl Store {
    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let room = limits::MEMORY_BYTES.saturating_sub(self.memory.len());
        let (inside, beyond) = bytes.split_at(room.min(bytes.len()));
        self.memory.extend_from_slice(inside);
        if beyond.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file =
                Some(nameless().map_err(|cause| Error::storage("a temporary file for a segment", cause))?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(beyond)
            .map_err(|cause| Error::storage("a temporary file for a segment", cause))
    }

    /// Nothing more comes; reading begins at the start.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        match &mut self.file {
            Some(file) => {
                let back = file.seek(SeekFrom::Start(0));
                back.map(drop)
                    .map_err(|cause| Error::storage("a temporary file for a segment", cause))
            }
            None => Ok(()),
        }
    }

    /// The first bytes, to see what it is.
    pub(crate) fn start(&self) -> &[u8] {
        &self.memory
    }

    /// Leaves out the first bytes of what is in memory.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.memory.len());
    }
}

impl Read for Store {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.memory.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return match &mut self.file {
                Some(file) => file.read(into),
                None => Ok(0),
            };
        }
        let count = rest.len().min(into.len());
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

fn nameless() -> io::Result<File> {
    let directory = std::env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(&directory, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(File::from(file));
    }
    // A file system without O_TMPFILE: a name for a moment.
    for attempt in 0..100 {
        let name = format!(".mediastack-segment-{}-{attempt}", std::process::id());
        let path = directory.join(name);
        match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
        {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(cause),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_segment_comes_back_whole_and_in_order() {
        let bytes: Vec<u8> = (0..limits::MEMORY_BYTES + 100_000)
            .map(|index| (index % 251) as u8)
            .collect();
        let mut store = Store::default();
        for chunk in bytes.chunks(70_001) {
            store.push(chunk).expect("a temporary file");
        }
        store.rewind().expect("seeks");
        assert_eq!(store.memory.len(), limits::MEMORY_BYTES);
        let mut back = Vec::new();
        store.read_to_end(&mut back).expect("reads");
        assert!(back == bytes);
    }
}
