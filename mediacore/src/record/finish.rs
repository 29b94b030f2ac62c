//! Finishing: one complete `moov` goes in front of media that stays where it is.
//!
//! In order of preference: into the reserved room; into room that the file system inserts (`FALLOC_FL_INSERT_RANGE`: ext4, XFS);
//! into a new file to which the media is copied inside the kernel and that replaces the old one. See
//! [`place`] for the bytes. After each step a crash leaves a file that [`recover`](super::recover) finishes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::TrackTables;

use super::journal::Record;
use super::place::{self, FREE_HEADER, Room};

/// How the `moov` got to the front.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// It fitted into the room that was reserved when recording began.
    Reserved,
    /// The file system inserted room in front of the media.
    InsertRange,
    /// The media was copied into a new file.
    Copy,
}

impl Method {
    /// `reserved`, `insert_range` or `copy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::InsertRange => "insert_range",
            Self::Copy => "copy",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which methods may be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Preference {
    /// The first that works, in the order of [`Method`].
    #[default]
    Auto,
    /// This one; an error when it can't be used.
    Only(Method),
}

impl Preference {
    fn allows(self, method: Method) -> bool {
        self == Self::Auto || self == Self::Only(method)
    }
}

/// A step of finishing that has just been made durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The intent to insert room stands in the journal.
    Journaled,
    /// Room has been inserted.
    Inserted,
    /// The complete `moov` is written, still covered.
    MoovWritten,
    /// The `moov` is uncovered: the file is progressive.
    Switched,
    /// The new file is complete under its temporary name.
    Copied,
    /// The new file has taken the old one's name.
    Renamed,
    /// The journal is gone.
    JournalRemoved,
}

impl Step {
    /// The step in lower-case words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Journaled => "journaled",
            Self::Inserted => "inserted",
            Self::MoovWritten => "moov_written",
            Self::Switched => "switched",
            Self::Copied => "copied",
            Self::Renamed => "renamed",
            Self::JournalRemoved => "journal_removed",
        }
    }
}

/// Is told of every step of finishing.
pub type Observer<'a> = &'a dyn Fn(Method, Step);

/// An [`Observer`] that can be kept and shared: progress for people, crashes for tests.
#[derive(Clone)]
pub struct StepObserver(pub std::sync::Arc<dyn Fn(Method, Step) + Send + Sync>);

impl fmt::Debug for StepObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepObserver")
    }
}

/// A file whose media is complete and durable, and whose `moov` is not yet in front.
pub(crate) struct Unfinished<'a> {
    pub(crate) path: &'a Path,
    pub(crate) file: &'a File,
    pub(crate) room: Room,
    /// Where the media ends; anything after it is cut off.
    pub(crate) media_end: u64,
    /// Chunk offsets are those in the file now.
    pub(crate) tracks: &'a [TrackTables],
}

/// What finishing did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Finished {
    pub(crate) method: Method,
    pub(crate) size: u64,
}

impl Unfinished<'_> {
    /// Puts the `moov` in front. `intend` must make a record durable in the journal, if there is one.
    pub(crate) fn finish(
        self,
        prefer: Preference,
        intend: &mut dyn FnMut(&Record) -> Result<()>,
        observer: Observer<'_>,
    ) -> Result<Finished> {
        let len = self
            .file
            .metadata()
            .map_err(|e| self.failed("read the length of", e))?
            .len();
        if len > self.media_end {
            self.file
                .set_len(self.media_end)
                .map_err(|e| self.failed("cut the unfinished end off", e))?;
        }
        let moov = place::moov(self.tracks, self.media_end, 0);
        if prefer.allows(Method::Reserved) && self.room.fits(moov.len() as u64) {
            self.fill(self.room, &moov, Method::Reserved, observer)?;
            return Ok(Finished {
                method: Method::Reserved,
                size: self.media_end,
            });
        }
        if prefer.allows(Method::InsertRange) {
            match self.insert(moov.len() as u64, prefer, intend, observer) {
                Ok(Some(finished)) => return Ok(finished),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        if prefer.allows(Method::Copy) {
            return self.copy(observer);
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{}: can't be finished by {prefer:?}", self.path.display()),
        ))
    }

    /// Writes `moov` into the room and uncovers it.
    fn fill(&self, room: Room, moov: &[u8], method: Method, observer: Observer<'_>) -> Result<()> {
        let front = room.fill(moov, self.media_end + (room.end - self.room.end) - room.end);
        self.write_at(&front, room.start + FREE_HEADER)?;
        self.sync()?;
        observer(method, Step::MoovWritten);
        self.write_at(&place::empty_free_size(), room.start)?;
        self.sync()?;
        observer(method, Step::Switched);
        Ok(())
    }

    /// `None` when this file system can't insert.
    fn insert(
        &self,
        moov_len: u64,
        prefer: Preference,
        intend: &mut dyn FnMut(&Record) -> Result<()>,
        observer: Observer<'_>,
    ) -> Result<Option<Finished>> {
        let block = block_size(self.file);
        if !self.room.end.is_multiple_of(block) || !can_insert(self.file) {
            return Ok(None);
        }
        // At least one block: a room into which nothing fits exactly may need no more bytes than it has.
        let more = self.room.missing(moov_len, block).max(block);
        intend(&Record::Insert {
            at: self.room.end,
            len: more,
            size_before: self.media_end,
        })?;
        observer(Method::InsertRange, Step::Journaled);
        if let Err(error) = fallocate(self.file, FallocateFlags::INSERT_RANGE, self.room.end, more) {
            if !prefer.allows(Method::Copy) {
                return Err(self.failed("insert room into", error.into()));
            }
            tracing::debug!(path = %self.path.display(), %error, "no room can be inserted, the file is copied");
            return Ok(None);
        }
        observer(Method::InsertRange, Step::Inserted);
        let room = self.room.grown(more);
        self.write_at(&room.free_header(), room.start)?;
        let moov = place::moov(self.tracks, self.media_end, more);
        self.fill(room, &moov, Method::InsertRange, observer)?;
        Ok(Some(Finished {
            method: Method::InsertRange,
            size: self.media_end + more,
        }))
    }

    fn copy(&self, observer: Observer<'_>) -> Result<Finished> {
        let media = self.room.end..self.media_end;
        let front = place::copied_front(self.tracks, media.clone(), block_size(self.file));
        let temporary = temporary_path(self.path);
        let failed = |error| Error::storage(format!("copy the media to {}", temporary.display()), error);
        remove_if_there(&temporary).map_err(failed)?;
        let copied = (|| {
            let mut new = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            new.write_all(&front)?;
            let mut old = self.file;
            old.seek(SeekFrom::Start(media.start))?;
            let wanted = media.end - media.start;
            let copied = io::copy(&mut old.take(wanted), &mut new)?;
            if copied != wanted {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the recording ends too early",
                ));
            }
            new.sync_all()
        })();
        if let Err(error) = copied {
            let _ = fs::remove_file(&temporary);
            return Err(failed(error));
        }
        observer(Method::Copy, Step::Copied);
        fs::rename(&temporary, self.path).map_err(|e| self.failed("replace", e))?;
        sync_parent(self.path)?;
        observer(Method::Copy, Step::Renamed);
        Ok(Finished {
            method: Method::Copy,
            size: front.len() as u64 + media.end - media.start,
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| self.failed("write the index of", e))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| self.failed("sync", e))
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::storage(format!("{what} {}", self.path.display()), error)
    }
}

/// The file system's block size, which inserting needs offsets to be multiples of; 4096 when it doesn't say.
pub(crate) fn block_size(file: &File) -> u64 {
    let size = fstatvfs(file).map_or(4096, |stat| stat.f_bsize);
    if size.is_power_of_two() && (512..=1 << 20).contains(&size) {
        size
    } else {
        4096
    }
}

/// Whether the file's file system can insert room: asked with a range far beyond the end, which changes nothing.
pub(crate) fn can_insert(file: &File) -> bool {
    let block = block_size(file);
    !matches!(
        fallocate(file, FallocateFlags::INSERT_RANGE, block << 30, block),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::PERM)
    )
}

/// Where [`Method::Copy`] builds the new file.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".finishing");
    path.with_file_name(name)
}

/// Makes names in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| Error::storage(format!("sync the folder {}", parent.display()), e))
}

pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
