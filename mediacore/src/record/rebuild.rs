//! A fragmented file whose journal is lost: finished from its own `moof` boxes.

use std::fs::OpenOptions;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::{MovieTrack, SampleTables, TrackTables};
use crate::mp4::{Run, SampleIndex, SampleRow, TrackIndex};

use super::finish::{Finished, Observer, Preference, Unfinished};
use super::place::Room;
use super::recover::{Outcome, Recovered};
use super::report::duration_of;
use super::scan::box_type_at;

/// Finishes the fragmented MP4 at `path` without a journal: one of ours, or one of another recorder.
///
/// A progressive file is left as it is ([`Outcome::AlreadyFinished`]). A crash in the middle leaves the fragmented file or
/// the finished one. `Malformed` when there is no whole fragment.
pub fn rebuild(path: &Path, prefer: Preference, observer: Observer<'_>) -> Result<Recovered> {
    let failed = |e| Error::storage(format!("open {}", path.display()), e);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let index = SampleIndex::open(&file, len).map_err(|e| e.context(format!("read {}", path.display())))?;
    let tables: Vec<_> = index.tracks().iter().filter_map(track_tables).collect();
    if tables.iter().all(|table| table.tables.is_empty()) {
        return Err(Error::new(
            ErrorKind::Malformed,
            format!("{}: no whole fragment found", path.display()),
        ));
    }
    let media_end = index
        .tracks()
        .iter()
        .map(|track| track.media_range().end)
        .max()
        .unwrap_or(len);
    let (outcome, size) = if index.is_fragmented() {
        let room = room_of(&file).map_err(failed)?;
        // Room that can't be filled is still the place from which a copy or an insertion begins.
        let prefer = if room.is_ours { prefer } else { only_copy(prefer) };
        let unfinished = Unfinished {
            path,
            file: &file,
            room: room.room,
            media_end,
            tracks: &tables,
        };
        let Finished { method, size } = unfinished.finish(prefer, &mut |_| Ok(()), observer)?;
        (Outcome::Finished(method), size)
    } else {
        (Outcome::AlreadyFinished, len)
    };
    Ok(Recovered {
        path: path.to_path_buf(),
        outcome,
        duration: duration_of(&tables),
        size,
        gaps: Vec::new(),
        came: None,
        fragments_found: 0,
        fragments_damaged: 0,
    })
}

/// A journal-less insertion could not be told from a damaged file after a crash, so without one the media is copied.
fn only_copy(prefer: Preference) -> Preference {
    match prefer {
        Preference::Auto => Preference::Only(super::finish::Method::Copy),
        only => only,
    }
}

struct Found {
    room: Room,
    is_ours: bool,
}

/// The `free` box behind `ftyp`, when this is a file of ours; otherwise no room, with the media behind `ftyp`.
fn room_of(file: &std::fs::File) -> std::io::Result<Found> {
    let Some((ftyp, _)) = box_type_at(file, 0)? else {
        return Ok(Found {
            room: Room { start: 0, end: 0 },
            is_ours: false,
        });
    };
    let start = u64::from(ftyp);
    Ok(match box_type_at(file, start)? {
        Some((size, kind)) if kind == *b"free" && size >= 64 => Found {
            room: Room {
                start,
                end: start + u64::from(size),
            },
            is_ours: true,
        },
        _ => Found {
            room: Room { start, end: start },
            is_ours: false,
        },
    })
}

/// The tables of an indexed track; `None` for a track that is neither video nor audio or has no sample entry.
pub(crate) fn track_tables(track: &TrackIndex) -> Option<TrackTables> {
    let kind = track.kind()?;
    let entry = track.entries().first()?.data.to_vec();
    let movie = MovieTrack {
        id: track.id(),
        kind,
        timescale: track.timescale(),
        entry,
        display: track.size(),
        language: track.language(),
        rotation: track.rotation(),
    };
    let mut tables = SampleTables::default();
    let mut run = Run {
        track: track.id(),
        dts: 0,
        rows: Vec::new(),
    };
    let (mut offset, mut next) = (0, 0);
    for sample in track.samples(0..track.sample_count()) {
        let dts = u64::try_from(sample.dts.0).unwrap_or(0);
        if sample.offset != next || run.rows.len() >= MAX_CHUNK {
            tables.push(offset, &run);
            run.rows.clear();
            (run.dts, offset) = (dts, sample.offset);
        }
        next = sample.end();
        run.rows.push(SampleRow {
            size: sample.size,
            duration: u32::try_from(sample.duration.0).unwrap_or(0),
            composition: sample.composition,
            sync: sample.sync,
        });
    }
    tables.push(offset, &run);
    let presentation = track.presentation().unwrap_or_default();
    let end = presentation.end.map(|end| end.0);
    Some(TrackTables {
        track: movie,
        start: presentation.shift.0.saturating_neg(),
        first: presentation.start.map(|start| start.0),
        end,
        tables,
    })
}

/// Samples in one chunk, so that a file without gaps between samples still has chunks.
const MAX_CHUNK: usize = 1 << 16;
