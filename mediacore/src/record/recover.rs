//! Recovery: whatever a crash left, be it in the middle of recording or of finishing, becomes a finished file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::ftyp;

use super::finish::{
    Finished, Method, Observer, Preference, Unfinished, remove_if_there, sync_parent, temporary_path,
};
use super::gather::{Gathered, gather};
use super::journal::{FragmentRecord, GapRecord, Record};
use super::part::journal_path;
use super::place::{Room, empty_free_size};
use super::report::Came;
use super::scan::{box_type_at, fragment_at, matches_crc};

/// What recovery found and did.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The recording.
    pub path: PathBuf,
    /// What was done.
    pub outcome: Outcome,
    /// Length of what is there now.
    pub duration: Duration,
    /// The file's size in bytes.
    pub size: u64,
    /// What the recording missed before the crash.
    pub gaps: Vec<GapRecord>,
    /// When its media came, as far as a journal tells.
    pub came: Option<Came>,
    /// Fragments that were whole on the disk though not yet in the journal.
    pub fragments_found: u64,
    /// Fragments in the journal whose bytes were not what had been written.
    pub fragments_damaged: u64,
}

/// What was done about one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was finished now.
    Finished(Method),
    /// It had been finished; only the journal was still there, or nothing at all.
    AlreadyFinished,
    /// Nothing had been recorded; the empty files are gone.
    Empty,
}

impl Outcome {
    /// `finished`, `already_finished` or `empty`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::AlreadyFinished => "already_finished",
            Self::Empty => "empty",
        }
    }
}

/// Finishes the recording at `path` with the help of its journal.
///
/// `Refused` while another process still records it; `NotFound` when there is neither file nor journal. A file without a
/// journal is [`rebuild`](super::rebuild)'s.
pub fn recover(path: &Path, prefer: Preference, observer: Observer<'_>) -> Result<Recovered> {
    let journal_path = journal_path(path);
    let opened = OpenOptions::new().read(true).write(true).open(&journal_path);
    let journal = match opened {
        Ok(journal) => journal,
        Err(error) => {
            return Err(Error::storage(
                format!("open the journal {}", journal_path.display()),
                error,
            ));
        }
    };
    if flock(&journal, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} is still being recorded", path.display()),
        ));
    }
    Recovery {
        path,
        journal_path: &journal_path,
        journal: &journal,
    }
    .run(prefer, observer)
}

/// The recordings with a journal in `folder` and below, links not followed, sorted by name.
pub fn unfinished_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |e| Error::storage(format!("read the folder {}", folder.display()), e);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|ext| ext == "journal") {
                found.push(path.with_extension(""));
            }
        }
    }
    found.sort();
    Ok(found)
}

struct Recovery<'a> {
    path: &'a Path,
    journal_path: &'a Path,
    journal: &'a File,
}

impl Recovery<'_> {
    fn run(&self, prefer: Preference, observer: Observer<'_>) -> Result<Recovered> {
        remove_if_there(&temporary_path(self.path)).map_err(|e| self.failed("remove the copy beside", e))?;
        let file = match OpenOptions::new().read(true).write(true).open(self.path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.failed("open", error)),
        };
        let Some(file) = &file else {
            return self.clear_empty(None);
        };
        let Some(gathered) = gather(self.journal_path)? else {
            return self.without_journal(file, prefer, observer);
        };
        if self.is_switched(file)? {
            return self.already_finished(gathered, file);
        }
        let inserted = self.inserted(&gathered, file)?;
        let mut gathered = gathered;
        let fragments_damaged = gathered.keep_undamaged(|fragment| {
            let mut moved = fragment.clone();
            moved.offset += inserted;
            matches_crc(file, &moved)
                .map(|same| !same)
                .map_err(|e| self.failed("read", e))
        })?;
        let mut fragments_found = 0;
        if fragments_damaged == 0 && inserted == 0 {
            fragments_found = self.take_tail(&mut gathered, file)?;
        }
        if gathered.fragments == 0 && fragments_damaged > 0 {
            return Err(Error::new(
                ErrorKind::Malformed,
                format!(
                    "{}: every fragment is damaged; the file is left as it is",
                    self.path.display()
                ),
            ));
        }
        if gathered.fragments == 0 {
            return self.clear_empty(Some(file));
        }
        let room = Room {
            start: ftyp().len() as u64,
            end: gathered.room_end,
        };
        if inserted > 0 {
            // The crash may have come before the `free` box was made to cover the new room.
            let header = room.grown(inserted).free_header();
            file.write_all_at(&header, room.start)
                .map_err(|e| self.failed("write", e))?;
        }
        let (gaps, came) = (std::mem::take(&mut gathered.gaps), gathered.came());
        let mut journal_end = gathered.journal_end;
        let media_end = gathered.media_end + inserted;
        let tracks = gathered.moved(inserted).into_tracks();
        let mut intend = |record: &Record| {
            let bytes = record.encode(journal_end);
            let written = self
                .journal
                .write_all_at(&bytes, journal_end)
                .and_then(|()| self.journal.sync_data());
            journal_end += bytes.len() as u64;
            written.map_err(|e| self.failed("note the next step for", e))
        };
        let unfinished = Unfinished {
            path: self.path,
            file,
            room: room.grown(inserted),
            media_end,
            tracks: &tracks,
        };
        let Finished { method, size } = unfinished.finish(prefer, &mut intend, observer)?;
        self.remove_journal()?;
        observer(method, super::finish::Step::JournalRemoved);
        Ok(Recovered {
            path: self.path.to_path_buf(),
            outcome: Outcome::Finished(if inserted > 0 { Method::InsertRange } else { method }),
            duration: super::report::duration_of(&tracks),
            size,
            gaps,
            came,
            fragments_found,
            fragments_damaged,
        })
    }

    /// Whether the complete `moov` is uncovered: an empty `free` box, then `moov`.
    fn is_switched(&self, file: &File) -> Result<bool> {
        let start = ftyp().len() as u64;
        let free = box_type_at(file, start).map_err(|e| self.failed("read", e))?;
        let moov = box_type_at(file, start + 8).map_err(|e| self.failed("read", e))?;
        Ok(free == Some((8, *b"free")) && moov.is_some_and(|(_, kind)| kind == *b"moov"))
    }

    /// By how much the media has already been moved up: by the first so many of the intended insertions.
    ///
    /// A file system that was cut off in the middle of an insertion may have moved a part of the media; such a file is left as it
    /// is, since what lies where can't be told any more.
    fn inserted(&self, gathered: &Gathered, file: &File) -> Result<u64> {
        let (Some(first), false) = (gathered.offsets.first(), gathered.inserts.is_empty()) else {
            return Ok(0);
        };
        let is_moof = |offset: u64| match box_type_at(file, offset) {
            Ok(found) => Ok(found.is_some_and(|(_, kind)| kind == *b"moof")),
            Err(error) => Err(self.failed("read", error)),
        };
        let mut moved = 0u64;
        for len in std::iter::once(&0).chain(&gathered.inserts) {
            moved = moved.saturating_add(*len);
            if is_moof(first.saturating_add(moved))? {
                break;
            }
        }
        for offset in &gathered.offsets {
            if !is_moof(offset.saturating_add(moved))? {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    format!(
                        "{}: the fragment of byte {offset} is not where it should be, {moved} bytes on; the file is left as it is",
                        self.path.display()
                    ),
                ));
            }
        }
        Ok(moved)
    }

    /// Takes the fragments behind the last one of the journal that are whole and undamaged.
    fn take_tail(&self, gathered: &mut Gathered, file: &File) -> Result<u64> {
        let end = file
            .metadata()
            .map_err(|e| self.failed("read the length of", e))?
            .len();
        let mut found = 0;
        let mut at = match gathered.fragments {
            0 => self.after_init(gathered.room_end, file)?,
            _ => gathered.media_end,
        };
        while let Some(fragment) = fragment_at(file, at, end).map_err(|e| self.failed("read", e))? {
            self.write_again(file, &fragment)?;
            at = fragment.offset + fragment.len;
            gathered.push(fragment);
            found += 1;
        }
        gathered.keep_undamaged(|_| Ok(false))?;
        Ok(found)
    }

    /// Writes a fragment once more: no sync of it went well, as far as is known, so it may be in the cache alone, and not be written back.
    fn write_again(&self, file: &File, fragment: &FragmentRecord) -> Result<()> {
        let mut buffer = vec![0; 256 << 10];
        let end = fragment.offset + fragment.len;
        let mut at = fragment.offset;
        while at < end {
            let some = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..some], at)
                .and_then(|()| file.write_all_at(&buffer[..some], at))
                .map_err(|e| self.failed("write once more", e))?;
            at += some as u64;
        }
        Ok(())
    }

    /// Where the first fragment begins: behind the `moov` in front of the fragments.
    fn after_init(&self, room_end: u64, file: &File) -> Result<u64> {
        let moov = box_type_at(file, room_end).map_err(|e| self.failed("read", e))?;
        Ok(moov.map_or(room_end, |(size, _)| room_end + u64::from(size)))
    }

    fn already_finished(&self, mut gathered: Gathered, file: &File) -> Result<Recovered> {
        let size = file
            .metadata()
            .map_err(|e| self.failed("read the length of", e))?
            .len();
        // What uncovered the `moov` may be in the cache alone, when the sync after it failed: written and synced once more, it is not.
        file.write_all_at(&empty_free_size(), ftyp().len() as u64)
            .and_then(|()| file.sync_data())
            .map_err(|e| self.failed("sync", e))?;
        gathered.keep_undamaged(|_| Ok(false))?;
        let (gaps, came) = (std::mem::take(&mut gathered.gaps), gathered.came());
        let tracks = gathered.into_tracks();
        self.remove_journal()?;
        Ok(Recovered {
            path: self.path.to_path_buf(),
            outcome: Outcome::AlreadyFinished,
            duration: super::report::duration_of(&tracks),
            size,
            gaps,
            came,
            fragments_found: 0,
            fragments_damaged: 0,
        })
    }

    /// The journal never began, or its first bytes are damaged: the file itself tells whether anything was recorded.
    fn without_journal(&self, file: &File, prefer: Preference, observer: Observer<'_>) -> Result<Recovered> {
        let start = ftyp().len() as u64;
        let free = box_type_at(file, start).map_err(|e| self.failed("read", e))?;
        let end = file
            .metadata()
            .map_err(|e| self.failed("read the length of", e))?
            .len();
        let first = match free {
            Some((size, kind)) if kind == *b"free" => self.after_init(start + u64::from(size), file)?,
            _ => end,
        };
        if fragment_at(file, first, end)
            .map_err(|e| self.failed("read", e))?
            .is_none()
        {
            return self.clear_empty(Some(file));
        }
        let recovered = super::rebuild::rebuild(self.path, prefer, observer)?;
        self.remove_journal()?;
        Ok(recovered)
    }

    /// Removes a journal and a file without one whole fragment, so that they aren't in the way.
    fn clear_empty(&self, file: Option<&File>) -> Result<Recovered> {
        if let Some(file) = file {
            let len = file
                .metadata()
                .map_err(|e| self.failed("read the length of", e))?
                .len();
            if len > MOST_OF_NOTHING {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    format!(
                        "{}: no whole fragment found; the file is left as it is",
                        self.path.display()
                    ),
                ));
            }
            fs::remove_file(self.path).map_err(|e| self.failed("remove the empty", e))?;
        }
        self.remove_journal()?;
        tracing::info!(path = %self.path.display(), "nothing had been recorded");
        Ok(Recovered {
            path: self.path.to_path_buf(),
            outcome: Outcome::Empty,
            duration: Duration::ZERO,
            size: 0,
            gaps: Vec::new(),
            came: None,
            fragments_found: 0,
            fragments_damaged: 0,
        })
    }

    fn remove_journal(&self) -> Result<()> {
        fs::remove_file(self.journal_path).map_err(|e| self.failed("remove the journal of", e))?;
        sync_parent(self.path)
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::storage(format!("{what} {}", self.path.display()), error)
    }
}

/// A file without a whole fragment has a room, a small `moov` and at most one fragment that was being written.
const MOST_OF_NOTHING: u64 = 64 << 20;
