//! Writes what the intake gives: one file per part, its tables in memory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::codec::Track;
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::{SampleTables, TrackTables};
use crate::record::cutter::Cut;
use crate::record::finish::{Finished, Preference, Unfinished, block_size, can_insert};
use crate::record::gather::begin_at_zero;
use crate::record::intake::PartTrack;
use crate::record::manifest::{Manifest, part_path};
use crate::record::place::Room;
use crate::record::report::duration_of;
use crate::record::{PartReport, TrackReport};

use super::aligned::Aligned;
use super::target::{Target, check};

/// The files that are being written.
pub(super) struct Parts<'a> {
    output: &'a Path,
    overwrite: bool,
    /// Bytes of `moov` to make room for.
    pub(super) room: u64,
    current: Option<Part>,
    complete: Vec<(Target, PartReport)>,
}

struct Part {
    target: Target,
    at: Duration,
    room: Room,
    end: u64,
    tracks: Vec<Track>,
    tables: Vec<TrackTables>,
    writer: Aligned,
}

impl<'a> Parts<'a> {
    pub(super) fn new(output: &'a Path, overwrite: bool) -> Self {
        Self {
            output,
            overwrite,
            room: 0,
            current: None,
            complete: Vec::new(),
        }
    }

    /// Begins a part; the one before is complete.
    pub(super) fn begin(&mut self, tracks: Vec<PartTrack>, at: Duration) -> Result<()> {
        self.end_current()?;
        let number = u32::try_from(self.complete.len() + 1).unwrap_or(u32::MAX);
        let path = part_path(self.output, number);
        check(&path, self.overwrite, None)?;
        let target = Target::create(&path, self.overwrite)?;
        let wanted = if can_insert(target.file()) {
            self.room
        } else {
            self.room.saturating_mul(2)
        };
        let room = Room::new(wanted, block_size(target.file()));
        let header = room.header();
        std::os::unix::fs::FileExt::write_all_at(target.file(), &header, 0).map_err(|e| target.failed(e))?;
        let mut part = Part {
            target,
            at,
            room,
            end: room.end,
            tracks: Vec::new(),
            tables: Vec::new(),
            writer: Aligned::new(room.end),
        };
        tracks.into_iter().for_each(|track| part.add(track));
        self.current = Some(part);
        Ok(())
    }

    /// A track joins the part.
    pub(super) fn add_track(&mut self, track: PartTrack) {
        if let Some(part) = &mut self.current {
            part.add(track);
        }
    }

    pub(super) fn write(&mut self, cut: Cut) -> Result<()> {
        match &mut self.current {
            Some(part) => part.write(cut),
            None => Ok(()),
        }
    }

    /// Finishes everything and gives it its final names. The files of parts that have theirs are removed when a later one
    /// fails. `Malformed` when all are shorter than `least`.
    pub(super) fn finish(mut self, least: Duration) -> Result<(Vec<PartReport>, Option<PathBuf>)> {
        self.end_current()?;
        if self.complete.iter().all(|(_, report)| report.duration < least) {
            return Err(Error::new(
                ErrorKind::Malformed,
                "there is no media in it that has a length",
            ));
        }
        let mut reports: Vec<PartReport> = Vec::new();
        let mut published = Ok(());
        for (target, report) in self.complete.drain(..) {
            published = target.publish();
            if published.is_err() {
                break;
            }
            reports.push(report);
        }
        let manifest = published.and_then(|()| match reports.len() {
            0 | 1 => Ok(None),
            _ => {
                let mut manifest = Manifest::default();
                for part in &reports {
                    manifest.push(&part.path, part.at, Some(part.duration));
                }
                let path = Manifest::path_for(self.output);
                manifest.write(&path).map(|()| Some(path))
            }
        });
        match manifest {
            Ok(manifest) => Ok((reports, manifest)),
            Err(error) => {
                for part in &reports {
                    let _ = std::fs::remove_file(&part.path);
                }
                Err(error)
            }
        }
    }

    fn end_current(&mut self) -> Result<()> {
        if let Some(part) = self.current.take() {
            self.complete.push(part.finish()?);
        }
        Ok(())
    }
}

impl Part {
    fn add(&mut self, track: PartTrack) {
        self.tracks.push(track.track);
        self.tables.push(TrackTables {
            track: track.movie,
            start: i64::try_from(track.start).unwrap_or(i64::MAX),
            first: None,
            end: None,
            tables: SampleTables::default(),
        });
    }

    fn write(&mut self, cut: Cut) -> Result<()> {
        for run in &cut.runs {
            if let Some(table) = self.tables.iter_mut().find(|table| table.track.id == run.track) {
                table.tables.push(self.end, run);
            }
            self.end = self.end.saturating_add(run.size());
        }
        for piece in cut.payload {
            self.writer
                .push(self.target.file(), &piece)
                .map_err(|e| self.target.failed(e))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Target, PartReport)> {
        self.writer
            .flush(self.target.file())
            .map_err(|e| self.target.failed(e))?;
        let with_tracks: Vec<_> = self
            .tables
            .iter()
            .map(|table| table.track.id)
            .zip(self.tracks)
            .collect();
        begin_at_zero(&mut self.tables);
        // Players show the first track of a list first: the picture.
        self.tables.sort_by_key(|table| table.track.kind);
        let path = self.target.path().to_path_buf();
        let unfinished = Unfinished {
            path: self.target.temporary(),
            file: self.target.file(),
            room: self.room,
            media_end: self.end,
            tracks: &self.tables,
        };
        let Finished { method, size } = unfinished
            .finish(Preference::Auto, &mut |_| Ok(()), &|_, _| ())
            .map_err(|error: Error| error.context(format!("finish {}", path.display())))?;
        let report = |table: &TrackTables| {
            let (_, track) = with_tracks.iter().find(|(id, _)| *id == table.track.id)?;
            Some(TrackReport::new(track, table))
        };
        let report = PartReport {
            path,
            at: self.at,
            duration: duration_of(&self.tables),
            size,
            tracks: self.tables.iter().filter_map(report).collect(),
            came: None,
            method: Some(method),
        };
        Ok((self.target, report))
    }
}
