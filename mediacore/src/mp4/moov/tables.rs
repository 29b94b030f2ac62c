//! The complete `moov`: sample tables gathered run by run, then written at once.

use crate::mp4::fragment::Run;
use crate::mp4::write::{boxed, full_boxed, put_i32, put_u32, put_u64};
use crate::time::{Ticks, Timescale};

use super::header::{Edit, MovieTrack, edts, mdia, mvhd, tkhd};

/// The sample tables of one track, in the compact forms that `stbl` has: runs of durations and compositions, a size per
/// sample, an offset per chunk. Costs four bytes per sample, eight per chunk, and little per change.
#[derive(Clone, Debug, Default)]
pub struct SampleTables {
    durations: Vec<(u32, u32)>,
    compositions: Vec<(u32, i32)>,
    sizes: Vec<u32>,
    sync: Vec<u32>,
    /// Chunks with equal sample counts: first chunk (from 1) and samples per chunk.
    chunks: Vec<(u32, u32)>,
    offsets: Vec<u64>,
    first_dts: Option<u64>,
    end_dts: u64,
    first_pts: i64,
    end_pts: i64,
    bytes: u64,
}

impl SampleTables {
    /// Appends a run that lies at `offset` of the file, as one chunk.
    ///
    /// A run that starts after the end of the last one makes the last sample longer, so that the declared duration is
    /// the samples'; one that starts before (which no timeline of ours gives) follows without a gap.
    pub fn push(&mut self, offset: u64, run: &Run) {
        if run.rows.is_empty() {
            return;
        }
        self.offsets.push(offset);
        let chunk = count(self.offsets.len());
        let samples = count(run.rows.len());
        if self.chunks.last().is_none_or(|(_, last)| *last != samples) {
            self.chunks.push((chunk, samples));
        }
        match self.first_dts {
            None => {
                self.first_dts = Some(run.dts);
                self.end_dts = run.dts;
                self.first_pts = i64::MAX;
                self.end_pts = i64::MIN;
            }
            Some(_) => self.stretch(run.dts),
        }
        for row in &run.rows {
            self.bytes += u64::from(row.size);
            self.sizes.push(row.size);
            repeat(&mut self.durations, row.duration);
            repeat(&mut self.compositions, row.composition);
            if row.sync {
                self.sync.push(count(self.sizes.len()));
            }
            let pts = i64::try_from(self.end_dts)
                .unwrap_or(i64::MAX)
                .saturating_add(i64::from(row.composition));
            self.first_pts = self.first_pts.min(pts);
            self.end_pts = self.end_pts.max(pts.saturating_add(i64::from(row.duration)));
            self.end_dts = self.end_dts.saturating_add(u64::from(row.duration));
        }
    }

    /// Makes the last sample end at `dts`.
    fn stretch(&mut self, dts: u64) {
        let missing = dts.saturating_sub(self.end_dts);
        if missing == 0 {
            return;
        }
        let last = self.durations.last().map_or(0, |(_, duration)| *duration);
        let longer = u32::try_from(u64::from(last) + missing).unwrap_or(u32::MAX);
        if let Some(run) = self.durations.last_mut() {
            run.0 -= 1;
        }
        self.durations.retain(|(count, _)| *count > 0);
        repeat(&mut self.durations, longer);
        self.end_dts += u64::from(longer - last);
        self.end_pts = self.end_pts.max(i64::try_from(self.end_dts).unwrap_or(i64::MAX));
    }

    /// Gives every chunk the offset that `place` gives for its old one.
    pub fn relocate(&mut self, mut place: impl FnMut(u64) -> u64) {
        for offset in &mut self.offsets {
            *offset = place(*offset);
        }
    }

    /// Raises every chunk offset.
    pub fn move_up(&mut self, by: u64) {
        for offset in &mut self.offsets {
            *offset = offset.saturating_add(by);
        }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Bytes of all samples.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The composition times of the first and of the end of the last picture or sound, in ticks of the track.
    pub fn span(&self) -> Option<(Ticks, Ticks)> {
        self.first_dts
            .map(|_| (Ticks(self.first_pts), Ticks(self.end_pts)))
    }

    /// Sum of all durations in ticks of the track.
    pub fn duration(&self) -> u64 {
        self.end_dts - self.first_dts.unwrap_or(self.end_dts)
    }

    fn write(&self, out: &mut Vec<u8>, video: bool, shift: u64, wide: bool) {
        write_runs(out, b"stts", 0, &self.durations, put_u32);
        if self.compositions.iter().any(|(_, offset)| *offset != 0) {
            let version = u8::from(self.compositions.iter().any(|(_, offset)| *offset < 0));
            write_runs(out, b"ctts", version, &self.compositions, put_i32);
        }
        if video && self.sync.len() != self.sizes.len() {
            full_boxed(out, b"stss", 0, 0, |out| {
                put_u32(out, count(self.sync.len()));
                self.sync.iter().for_each(|sample| put_u32(out, *sample));
            });
        }
        full_boxed(out, b"stsc", 0, 0, |out| {
            put_u32(out, count(self.chunks.len()));
            for (first, samples) in &self.chunks {
                put_u32(out, *first);
                put_u32(out, *samples);
                put_u32(out, 1);
            }
        });
        full_boxed(out, b"stsz", 0, 0, |out| {
            let first = self.sizes.first().copied().unwrap_or(0);
            let same = first != 0 && self.sizes.iter().all(|size| *size == first);
            put_u32(out, if same { first } else { 0 });
            put_u32(out, count(self.sizes.len()));
            if !same {
                self.sizes.iter().for_each(|size| put_u32(out, *size));
            }
        });
        full_boxed(out, if wide { b"co64" } else { b"stco" }, 0, 0, |out| {
            put_u32(out, count(self.offsets.len()));
            for offset in &self.offsets {
                let moved = offset.wrapping_add(shift);
                if wide {
                    put_u64(out, moved);
                } else {
                    put_u32(out, u32::try_from(moved).unwrap_or(u32::MAX));
                }
            }
        });
    }
}

/// A track and its tables.
#[derive(Clone, Debug)]
pub struct TrackTables {
    /// What the track is.
    pub track: MovieTrack,
    /// Composition time that the movie's zero has on this track: taken off by the edit list.
    pub start: i64,
    /// Composition time before which nothing is shown; `None` to show what there is.
    pub first: Option<i64>,
    /// Where to stop, in composition ticks of the track; `None` for the last sample's end.
    pub end: Option<i64>,
    /// Its samples.
    pub tables: SampleTables,
}

/// The complete `moov` of a progressive file, with every chunk offset moved by `shift` (two's complement).
///
/// Its length does not depend on `shift` as long as `wide` (64-bit chunk offsets) stays the same, so a caller may lay
/// it out with zero first. Tracks without samples are left out.
pub fn complete(tracks: &[TrackTables], shift: u64, wide: bool) -> Vec<u8> {
    let spans: Vec<_> = tracks
        .iter()
        .filter_map(|track| {
            track
                .tables
                .span()
                .map(|(from, to)| (track, Presentation::new(track, from, to)))
        })
        .collect();
    let movie = spans
        .iter()
        .map(|(_, span)| span.delay + span.length)
        .max()
        .unwrap_or(0);
    let next = tracks
        .iter()
        .map(|track| track.track.id)
        .max()
        .unwrap_or(0)
        .saturating_add(1);
    let size = spans
        .iter()
        .map(|(track, _)| track.tables.sizes.len() * 5 + track.tables.offsets.len() * 8)
        .sum::<usize>();
    let mut out = Vec::with_capacity(4096 + size);
    boxed(&mut out, b"moov", |out| {
        mvhd(out, movie, next);
        for (TrackTables { track, tables, .. }, span) in &spans {
            boxed(out, b"trak", |out| {
                tkhd(out, track, span.delay + span.length);
                let mut edits = Vec::new();
                if span.delay > 0 {
                    edits.push(Edit {
                        length: span.delay,
                        media_time: -1,
                    });
                }
                edits.push(Edit {
                    length: span.length,
                    media_time: span.media_time,
                });
                edts(out, &edits);
                mdia(out, track, tables.duration(), |out| {
                    tables.write(out, track.kind == crate::codec::Kind::Video, shift, wide);
                });
            });
        }
    });
    out
}

/// Where a track stands in the movie, in movie ticks; `media_time` in ticks of the track's own media timeline.
struct Presentation {
    delay: u64,
    length: u64,
    media_time: i64,
}

impl Presentation {
    fn new(
        TrackTables {
            track,
            start,
            first,
            end,
            tables,
        }: &TrackTables,
        from: Ticks,
        to: Ticks,
    ) -> Self {
        let movie = |ticks: i64| {
            let ticks =
                Ticks(ticks.max(0)).saturating_rescale(track.timescale.base(), Timescale::MILLIS.base());
            u64::try_from(ticks.0).unwrap_or(0)
        };
        let first_dts = i64::try_from(tables.first_dts.unwrap_or(0)).unwrap_or(i64::MAX);
        let shown_from = from.0.max(*start).max(first.unwrap_or(i64::MIN));
        let shown_to = end.map_or(to.0, |end| end.min(to.0));
        let delay = movie(shown_from.saturating_sub(*start));
        Self {
            delay,
            length: movie(shown_to.saturating_sub(*start))
                .saturating_sub(delay)
                .max(1),
            media_time: shown_from.saturating_sub(first_dts).max(0),
        }
    }
}

fn repeat<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((count, last)) if *last == value && *count < u32::MAX => *count += 1,
        _ => runs.push((1, value)),
    }
}

fn write_runs<T: Copy>(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    runs: &[(u32, T)],
    put: fn(&mut Vec<u8>, T),
) {
    full_boxed(out, kind, version, 0, |out| {
        put_u32(out, count(runs.len()));
        for (samples, value) in runs {
            put_u32(out, *samples);
            put(out, *value);
        }
    });
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
