//! One part of a recording on the disk: the growing file and its journal.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, FlockOperation, fadvise, fallocate, flock};

use crate::clock::WallTime;
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::Fragment;
use crate::mp4::moov::{MovieTrack, init};

use super::finish::{block_size, can_insert, sync_parent};
use super::journal::{FragmentRecord, MAGIC, Record};
use super::place::Room;

/// The growing file and its journal, both created here and owned until they are finished.
#[derive(Debug)]
pub(super) struct PartFile {
    path: PathBuf,
    journal_path: PathBuf,
    file: File,
    journal: File,
    room: Room,
    /// Where the next fragment goes: everything before is durable or on its way.
    end: u64,
    /// The front up to here has been given up by the page cache; `None` where nothing can be inserted, and a finish may read it all.
    uncached: Option<u64>,
    journal_end: u64,
    /// The journal's last bytes, which no sync has made durable yet.
    unsynced: Vec<u8>,
    /// A sync of them failed: whether they are on the disk is unknown, so they are written once more before the next sync.
    doubtful: bool,
}

/// What a new part begins with.
pub(super) struct PartSpec<'a> {
    pub(super) path: &'a Path,
    pub(super) number: u32,
    pub(super) wall: WallTime,
    /// Bytes of `moov` to reserve room for; `None` chooses by what the file system can do.
    pub(super) reserve: Option<u64>,
    pub(super) tracks: &'a [(MovieTrack, u64)],
}

/// Room for the `moov` of about two minutes: the rest is inserted.
const RESERVE_WITH_INSERT: u64 = 60 << 10;
/// How much of a recording's end stays in the page cache. Inserting room drops what is cached behind it, 45 ms for each GB, while the
/// person who stopped a recording waits; and a recording of hours would push out what viewers read.
const CACHED: u64 = 256 << 20;
/// What is dropped at once.
const DROPPED: u64 = 16 << 20;
/// Room for the `moov` of about half an hour, where nothing can be inserted and the media would have to be copied.
const RESERVE_WITHOUT_INSERT: u64 = 1000 << 10;

impl PartFile {
    /// Creates both files, refusing ones that exist, and makes them durable.
    pub(super) fn create(spec: &PartSpec<'_>) -> Result<Self> {
        let path = spec.path.to_path_buf();
        let journal_path = journal_path(spec.path);
        let exclusive = |path: &Path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
                .map_err(|e| match e.kind() {
                    io::ErrorKind::AlreadyExists => Error::new(
                        ErrorKind::InvalidInput,
                        format!("{} exists already", path.display()),
                    ),
                    _ => Error::storage(format!("create {}", path.display()), e),
                })
        };
        let journal = exclusive(&journal_path)?;
        let created = Self::write_front(spec, &path, &journal_path, journal, exclusive);
        if created.is_err() {
            // Nothing was recorded yet: an empty file would only be in the way of the next try. One that was there before
            // stays, since `create_new` refused it.
            let _ = std::fs::remove_file(&journal_path);
        }
        created
    }

    fn write_front(
        spec: &PartSpec<'_>,
        path: &Path,
        journal_path: &Path,
        journal: File,
        exclusive: impl Fn(&Path) -> Result<File>,
    ) -> Result<Self> {
        flock(&journal, FlockOperation::NonBlockingLockExclusive)
            .map_err(|e| Error::storage(format!("lock {}", journal_path.display()), e.into()))?;
        let file = exclusive(path)?;
        let insertable = can_insert(&file);
        let reserve = spec.reserve.unwrap_or(if insertable {
            RESERVE_WITH_INSERT
        } else {
            RESERVE_WITHOUT_INSERT
        });
        let room = Room::new(reserve, block_size(&file));
        let mut part = Self {
            path: path.to_path_buf(),
            journal_path: journal_path.to_path_buf(),
            file,
            journal,
            room,
            end: room.end,
            uncached: insertable.then_some(0),
            journal_end: 0,
            unsynced: Vec::new(),
            doubtful: false,
        };
        let written = part.write_header(spec);
        if written.is_err() {
            let _ = std::fs::remove_file(path);
        }
        written.map(|()| part)
    }

    fn write_header(&mut self, spec: &PartSpec<'_>) -> Result<()> {
        // Real blocks where the file system can, so that a full disk can't keep a small recording from being finished.
        let _ = fallocate(&self.file, FallocateFlags::empty(), 0, self.room.end);
        let moov = init(spec.tracks.iter().map(|(track, start)| (track, *start)));
        self.write_at(&self.room.header(), 0)?;
        self.write_at(&moov, self.room.end)?;
        self.end = self.room.end + moov.len() as u64;
        self.journal
            .write_all(MAGIC)
            .map_err(|e| self.journal_failed(e))?;
        self.journal_end = MAGIC.len() as u64;
        self.unsynced.extend_from_slice(MAGIC);
        let begin = Record::Begin {
            header_end: self.room.end,
            part: spec.number,
            wall: spec.wall,
        };
        self.append(&begin)?;
        for (track, start) in spec.tracks {
            self.append(&Record::Track {
                track: track.clone(),
                start: *start,
            })?;
        }
        self.sync_media()?;
        self.sync_journal()?;
        self.journal_is_synced();
        sync_parent(&self.path)
    }

    /// Checks that the name still leads to this file: where a disk was unmounted it leads elsewhere, and nothing may be written there.
    pub(super) fn check_place(&self) -> Result<()> {
        let own = self.file.metadata();
        let named = std::fs::metadata(&self.path);
        match own.and_then(|own| Ok((own, named?))) {
            Ok((own, named)) if (own.dev(), own.ino()) == (named.dev(), named.ino()) => Ok(()),
            Ok(_) => Err(self.gone(None)),
            Err(error) => Err(self.gone(Some(error))),
        }
    }

    fn gone(&self, cause: Option<io::Error>) -> Error {
        let text = format!(
            "{} is not there any more: is its disk mounted?",
            self.path.display()
        );
        let error = Error::new(ErrorKind::Storage, text);
        match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }

    /// The journal, from its begin.
    pub(super) fn journal(&self) -> Result<File> {
        let rewound = self.journal.try_clone().and_then(|mut journal| {
            journal.seek(SeekFrom::Start(0))?;
            Ok(journal)
        });
        rewound.map_err(|e| self.journal_failed(e))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn journal_path(&self) -> &Path {
        &self.journal_path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Writes a fragment behind the last one without syncing; a part of it that was written stays behind the end.
    pub(super) fn write_fragment(&self, fragment: &Fragment) -> Result<()> {
        let mut output = &self.file;
        let failed = |e| Error::storage(format!("write {} at byte {}", self.path.display(), self.end), e);
        output.seek(SeekFrom::Start(self.end)).map_err(failed)?;
        let mut slices = Vec::with_capacity(fragment.payload.len() + 1);
        slices.push(IoSlice::new(&fragment.head));
        slices.extend(fragment.payload.iter().map(|piece| IoSlice::new(piece)));
        write_all_vectored(&mut output, &mut slices).map_err(failed)
    }

    pub(super) fn sync_media(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|e| Error::storage(format!("sync {}", self.path.display()), e))
    }

    /// Enters the fragment that was written last and synced. Where it lies.
    pub(super) fn enter_fragment(&mut self, fragment: &Fragment, wall: WallTime) -> Result<u64> {
        let offset = self.end;
        let record = FragmentRecord {
            offset,
            len: fragment.len,
            head: u32::try_from(fragment.head.len()).unwrap_or(u32::MAX),
            crc: fragment.crc,
            wall,
            runs: fragment.runs.clone(),
        };
        self.append(&Record::Fragment(record))?;
        self.end += fragment.len;
        Ok(offset)
    }

    /// Takes back the fragment that was entered last, at `offset`: its record could not be synced, and what is on the disk of it is unknown.
    /// It has to be written once more.
    pub(super) fn take_back(&mut self, offset: u64, record: u64) {
        self.end = offset;
        let kept = usize::try_from(record.saturating_sub(self.synced_end())).unwrap_or(0);
        self.unsynced.truncate(kept);
        self.journal_end = record;
        self.doubtful = true;
    }

    /// Where the next record goes.
    pub(super) const fn journal_end(&self) -> u64 {
        self.journal_end
    }

    fn synced_end(&self) -> u64 {
        self.journal_end - self.unsynced.len() as u64
    }

    /// Appends a record without syncing. A record that could not be written whole is overwritten by the next one.
    pub(super) fn append(&mut self, record: &Record) -> Result<()> {
        if self.doubtful {
            self.journal
                .write_all_at(&self.unsynced, self.synced_end())
                .map_err(|e| self.journal_failed(e))?;
            self.doubtful = false;
        }
        let bytes = record.encode(self.journal_end);
        self.journal
            .write_all_at(&bytes, self.journal_end)
            .map_err(|e| self.journal_failed(e))?;
        self.journal_end += bytes.len() as u64;
        self.unsynced.extend_from_slice(&bytes);
        Ok(())
    }

    /// Everything in the journal is durable, and so is the media that it tells of.
    pub(super) fn journal_is_synced(&mut self) {
        self.unsynced.clear();
        self.uncache();
    }

    /// Lets the page cache give up what lies far behind the end. Only clean pages go, so nothing is lost by it, and no error matters.
    fn uncache(&mut self) {
        let Some(from) = self.uncached else { return };
        let to = self.end.saturating_sub(CACHED);
        if let Some(len) = NonZeroU64::new(to.saturating_sub(from)).filter(|len| len.get() >= DROPPED) {
            let _ = fadvise(&self.file, from, Some(len), Advice::DontNeed);
            self.uncached = Some(to);
        }
    }

    pub(super) fn sync_journal(&self) -> Result<()> {
        self.journal.sync_data().map_err(|e| self.journal_failed(e))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(|e| Error::storage(format!("write {} at byte {offset}", self.path.display()), e))
    }

    fn journal_failed(&self, error: io::Error) -> Error {
        Error::storage(
            format!("write the journal {}", self.journal_path.display()),
            error,
        )
    }
}

/// `x.mp4` has its journal in `x.mp4.journal`.
pub fn journal_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".journal");
    path.with_file_name(name)
}

/// At most this many pieces go into one `writev` (`IOV_MAX`).
const MAX_SLICES: usize = 1024;

pub(crate) fn write_all_vectored(output: &mut impl Write, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let some = slices.len().min(MAX_SLICES);
        match output.write_vectored(&slices[..some]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::gather::gather;
    use super::super::journal::GapRecord;
    use super::*;
    use crate::mp4::{Run, SampleRow};

    fn fragment() -> Fragment {
        let rows = vec![SampleRow {
            size: 5,
            duration: 3000,
            composition: 0,
            sync: true,
        }];
        let run = Run {
            track: 1,
            dts: 0,
            rows,
        };
        Fragment::new(1, vec![run], vec![Bytes::from_static(b"media")])
    }

    #[test]
    fn what_a_failed_sync_covered_is_written_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mp4");
        let mut part = PartFile::create(&PartSpec {
            path: &path,
            number: 1,
            wall: WallTime(1),
            reserve: None,
            tracks: &[],
        })
        .unwrap();
        let safe = part.journal_end();
        let gap = GapRecord {
            at: std::time::Duration::from_secs(1),
            length: std::time::Duration::from_secs(2),
            cause: "x".to_owned(),
            track: None,
        };
        part.append(&Record::Gap(gap.clone())).unwrap();
        let record = part.journal_end();
        let fragment = fragment();
        part.write_fragment(&fragment).unwrap();
        let offset = part.enter_fragment(&fragment, WallTime(2)).unwrap();
        // The sync fails, and nothing of what it covered is on the disk.
        part.journal.set_len(safe).unwrap();
        part.take_back(offset, record);
        part.write_fragment(&fragment).unwrap();
        assert_eq!(part.enter_fragment(&fragment, WallTime(3)).unwrap(), offset);
        part.sync_journal().unwrap();
        part.journal_is_synced();
        let gathered = gather(part.journal_path()).unwrap().unwrap();
        assert_eq!((gathered.fragments, gathered.gaps), (1, vec![gap]));
        assert_eq!(gathered.journal_end, part.journal_end());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mp4");
        let part = PartFile::create(&PartSpec {
            path: &path,
            number: 1,
            wall: WallTime(1),
            reserve: None,
            tracks: &[],
        })
        .unwrap();
        part.check_place().unwrap();
        let away = folder.path().join("y.mp4");
        std::fs::rename(&path, &away).unwrap();
        assert_eq!(part.check_place().unwrap_err().kind(), ErrorKind::Storage);
        std::fs::write(&path, "another").unwrap();
        assert_eq!(part.check_place().unwrap_err().kind(), ErrorKind::Storage);
    }
}
