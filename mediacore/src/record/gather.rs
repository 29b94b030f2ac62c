//! What a journal says about its recording, as sample tables ready for the final `moov`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use crate::clock::WallTime;
use crate::error::{Error, Result};
use crate::mp4::moov::{SampleTables, TrackTables};
use crate::time::{Ticks, TimeBase};

use super::journal::{FragmentRecord, GapRecord, Reader, Record};
use super::report::Came;

/// The content of a journal.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    /// Where the room ends and the media begins, before anything was inserted.
    pub(super) room_end: u64,
    pub(super) part: u32,
    pub(super) wall: WallTime,
    /// When the last packet of what is kept came, as far as the journal knows.
    pub(super) last_came: Option<WallTime>,
    pub(super) tracks: Vec<TrackTables>,
    /// The end of the last fragment; the room's end when there is none.
    pub(super) media_end: u64,
    pub(super) fragments: u64,
    /// The newest fragments, the last one last, to be checked before they are believed after a crash.
    pub(super) newest: Vec<FragmentRecord>,
    /// Where each fragment begins, before anything was inserted.
    pub(super) offsets: Vec<u64>,
    pub(super) gaps: Vec<GapRecord>,
    /// Room that was to be inserted, in order, in bytes.
    pub(super) inserts: Vec<u64>,
    /// Where the journal's last whole record ends.
    pub(super) journal_end: u64,
}

/// How many of the newest fragments are kept with all their rows.
const NEWEST: usize = 4;
/// More gaps than anyone reads; the media around the others is kept all the same.
const MAX_GAPS: usize = 100_000;

/// Reads a journal to its torn or whole end, and leaves the newest fragments out of the tables until
/// [`Gathered::keep_undamaged`] has looked at them; `None` when it is no journal or has not even begun.
pub(super) fn gather(journal: &Path) -> Result<Option<Gathered>> {
    let failed = |e: io::Error| Error::storage(format!("read the journal {}", journal.display()), e);
    gather_from(File::open(journal).map_err(failed)?, journal)
}

/// As [`gather`], of a journal that is open from its begin; where it was may be gone.
pub(super) fn gather_from(file: File, journal: &Path) -> Result<Option<Gathered>> {
    let failed = |e: io::Error| Error::storage(format!("read the journal {}", journal.display()), e);
    let input = BufReader::with_capacity(64 << 10, file);
    let Some(mut reader) = Reader::new(input).map_err(failed)? else {
        return Ok(None);
    };
    let mut gathered = Gathered::default();
    while let Some(record) = reader.read().map_err(failed)? {
        gathered.take(record);
    }
    gathered.journal_end = reader.position();
    Ok(Some(gathered).filter(|gathered| gathered.room_end > 0))
}

impl Gathered {
    fn take(&mut self, record: Record) {
        match record {
            Record::Begin {
                header_end,
                part,
                wall,
            } => {
                (self.room_end, self.media_end) = (header_end, header_end);
                (self.part, self.wall) = (part, wall);
            }
            Record::Track { track, start } => self.tracks.push(TrackTables {
                start: i64::try_from(start).unwrap_or(i64::MAX),
                first: None,
                end: None,
                tables: SampleTables::default(),
                track,
            }),
            Record::Fragment(fragment) => self.push(fragment),
            Record::Gap(gap) if self.gaps.len() < MAX_GAPS => self.gaps.push(gap),
            Record::Gap(_) => {}
            Record::Insert { len, .. } => self.inserts.push(len),
        }
    }

    /// Takes the next fragment; its tables are filled when it is no longer among the newest.
    pub(super) fn push(&mut self, fragment: FragmentRecord) {
        self.media_end = fragment.offset.saturating_add(fragment.len);
        self.fragments += 1;
        self.offsets.push(fragment.offset);
        self.newest.push(fragment);
        if self.newest.len() > NEWEST {
            let oldest = self.newest.remove(0);
            self.push_tables(&oldest);
        }
    }

    fn push_tables(&mut self, fragment: &FragmentRecord) {
        for (offset, run) in fragment.placed_runs() {
            if let Some(track) = self.tracks.iter_mut().find(|track| track.track.id == run.track) {
                track.tables.push(offset, run);
            }
        }
    }

    /// Drops the fragments at the end that `damaged` finds, and fills the tables with the others. Gives how many were dropped.
    pub(super) fn keep_undamaged(
        &mut self,
        mut damaged: impl FnMut(&FragmentRecord) -> Result<bool>,
    ) -> Result<u64> {
        let mut dropped = 0;
        while let Some(last) = self.newest.last() {
            if !damaged(last)? {
                break;
            }
            self.media_end = last.offset;
            self.fragments -= 1;
            self.offsets.pop();
            self.newest.pop();
            dropped += 1;
        }
        // A fragment that was found behind the journal's end has no time.
        let timed = |fragment: &FragmentRecord| Some(fragment.wall).filter(|wall| wall.0 > 0);
        self.last_came = self.newest.iter().rev().find_map(timed).or(self.last_came);
        for fragment in std::mem::take(&mut self.newest) {
            self.push_tables(&fragment);
        }
        Ok(dropped)
    }

    /// When its media came.
    pub(super) fn came(&self) -> Option<Came> {
        let last = self.last_came?;
        Some(Came {
            first: self.wall,
            last: last.max(self.wall),
        })
    }

    /// Moves every offset up, after room was inserted in front.
    pub(super) fn moved(mut self, by: u64) -> Self {
        self.room_end += by;
        self.media_end += by;
        for track in &mut self.tracks {
            track.tables.move_up(by);
        }
        self
    }

    /// Makes the earliest track begin at the movie's zero, and takes tracks without samples away.
    pub(super) fn into_tracks(mut self) -> Vec<TrackTables> {
        begin_at_zero(&mut self.tracks);
        self.tracks
    }
}

/// Makes the earliest track begin at the movie's zero, and takes tracks without samples away.
pub(crate) fn begin_at_zero(tracks: &mut Vec<TrackTables>) {
    tracks.retain(|track| !track.tables.is_empty());
    let delay = |track: &TrackTables| {
        let (from, _) = track.tables.span()?;
        from.saturating_sub(Ticks(track.start))
            .rescale(track.track.timescale.base(), TimeBase::NANOS)
    };
    let earliest = tracks.iter().filter_map(delay).min().unwrap_or_default();
    for track in tracks {
        let earlier = earliest.saturating_rescale(TimeBase::NANOS, track.track.timescale.base());
        track.start = track.start.saturating_add(earlier.0);
    }
}
