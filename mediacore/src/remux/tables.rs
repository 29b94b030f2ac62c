//! From an index to the tables of a new file: which tracks, and which of their samples.

use std::ops::Range;

use crate::codec::{Kind, Media, Track};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::{MovieTrack, SampleTables, TrackTables};
use crate::mp4::{Run, SampleIndex, SampleRow, TrackIndex, sample_entry};

use super::{Dropped, unsupported};

/// A track of an index that can be kept as it is.
#[derive(Clone, Debug)]
pub(crate) struct Chosen<'a> {
    pub(crate) index: &'a TrackIndex,
    /// What its sample entry says, with the language and the rotation of the track.
    pub(crate) track: Track,
    /// Which of the track's sample entries.
    entry: usize,
}

/// The tracks of an index, sorted by what can be done with them.
#[derive(Debug, Default)]
pub(crate) struct Choice<'a> {
    pub(crate) chosen: Vec<Chosen<'a>>,
    pub(crate) dropped: Vec<Dropped>,
    /// Whether one of the dropped could be kept by transcoding it, or by splitting it up.
    pub(crate) needs_demuxing: bool,
}

/// Chooses the video and audio tracks.
///
/// # Errors
/// `Unsupported` when media is encrypted, `Malformed` when there is no sample at all.
pub(crate) fn choose(index: &SampleIndex) -> Result<Choice<'_>> {
    let mut choice = Choice::default();
    let mut lost_video = false;
    for track in index.tracks() {
        let name = track
            .entries()
            .first()
            .map_or(track.handler(), |entry| entry.kind);
        let drop = |reason: &str| Dropped {
            codec: name.to_string(),
            reason: reason.to_owned(),
        };
        let Some(kind) = track.kind() else {
            choice.dropped.push(drop("neither video nor audio"));
            continue;
        };
        if track.sample_count() == 0 {
            choice.dropped.push(drop("no samples"));
            continue;
        }
        if track
            .entries()
            .iter()
            .any(|entry| matches!(&entry.kind.0, b"encv" | b"enca"))
        {
            return Err(unsupported(format!("track {} is encrypted", track.id())));
        }
        match of(track) {
            Ok(chosen) => choice.chosen.push(chosen),
            Err(error) => {
                choice.dropped.push(drop(&error.report()));
                lost_video |= kind == Kind::Video;
                choice.needs_demuxing |= kind == Kind::Audio;
            }
        }
    }
    let has_video = choice
        .chosen
        .iter()
        .any(|chosen| chosen.track.kind() == Kind::Video);
    // A second picture track (thumbnails) is no loss; the only one is.
    choice.needs_demuxing |= lost_video && !has_video;
    if choice.chosen.is_empty() && !choice.needs_demuxing {
        let text = "there is no sample of a video or audio track in it";
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    Ok(choice)
}

fn of(track: &TrackIndex) -> Result<Chosen<'_>> {
    let mut used = track.sample(0).map_or(0, |sample| sample.entry);
    if track.entries().len() > 1 {
        let mut samples = track.samples(0..track.sample_count());
        used = samples.next().map_or(0, |sample| sample.entry);
        if samples.any(|sample| sample.entry != used) {
            return Err(unsupported("its samples have different descriptions"));
        }
    }
    let entry = usize::try_from(used).unwrap_or(usize::MAX);
    let described = track
        .entries()
        .get(entry)
        .ok_or_else(|| Error::new(ErrorKind::Malformed, "its samples have no description"))?;
    let mut found = sample_entry::parse(&described.data)?;
    if Some(found.kind()) != track.kind() {
        return Err(unsupported(format!(
            "a track of {} that is {}",
            track.handler(),
            found.codec
        )));
    }
    found.language = track.language();
    found.rotation = track.rotation();
    Ok(Chosen {
        index: track,
        track: found,
        entry,
    })
}

impl Chosen<'_> {
    /// The tables of the samples `range`, with the offsets that they have now, which go to `ranges`.
    ///
    /// The sample entry is kept byte for byte, the edit list as it works: what was trimmed stays trimmed.
    pub(crate) fn tables(&self, range: Range<u32>, ranges: &mut Vec<Range<u64>>) -> TrackTables {
        let index = self.index;
        let entry = index.entries().get(self.entry).map(|entry| entry.data.to_vec());
        let mut movie = MovieTrack::new(index.id(), &self.track, entry.unwrap_or_default());
        movie.timescale = index.timescale();
        if matches!(
            self.track.media,
            Media::Video {
                pixel_aspect: (1, 1),
                ..
            }
        ) {
            movie.display = index.size();
        }
        let mut tables = SampleTables::default();
        let mut run = Run {
            track: index.id(),
            dts: 0,
            rows: Vec::new(),
        };
        let (mut offset, mut next) = (0, None);
        // A fragment may start below zero only by a lie; the others move with it.
        for sample in index.samples(range) {
            if next != Some(sample.offset) || run.rows.len() >= MAX_CHUNK {
                end_run(&mut tables, &run, offset, ranges);
                run.rows.clear();
                run.dts = u64::try_from(sample.dts.0).unwrap_or(0);
                offset = sample.offset;
            }
            next = Some(sample.end());
            run.rows.push(SampleRow {
                size: sample.size,
                duration: u32::try_from(sample.duration.0).unwrap_or(0),
                composition: sample.composition,
                sync: sample.sync,
            });
        }
        end_run(&mut tables, &run, offset, ranges);
        let presentation = index.presentation().unwrap_or_default();
        TrackTables {
            track: movie,
            start: presentation.shift.0.saturating_neg(),
            first: presentation.start.map(|start| start.0),
            end: presentation.end.map(|end| end.0),
            tables,
        }
    }

    /// Whether the track has an edit list of a form that is not kept.
    pub(crate) fn loses_edits(&self) -> bool {
        self.index.presentation().is_none()
    }
}

/// Samples in one chunk, so that a file without gaps between samples still has chunks.
const MAX_CHUNK: usize = 1 << 12;

fn end_run(tables: &mut SampleTables, run: &Run, offset: u64, ranges: &mut Vec<Range<u64>>) {
    tables.push(offset, run);
    let range = offset..offset.saturating_add(run.size());
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Language, Rotation};
    use crate::mp4::moov::{complete, ftyp};
    use crate::mp4::write::mdat_header;
    use crate::time::{Ticks, Timescale};

    /// A file of 100 AAC packets of 10 bytes with an edit list.
    fn file(track: Track, start: i64, first: Option<i64>) -> Vec<u8> {
        let mut tables = SampleTables::default();
        let row = SampleRow {
            size: 10,
            duration: 1024,
            composition: 0,
            sync: true,
        };
        let rows = vec![row; 100];
        tables.push(
            0,
            &Run {
                track: 1,
                dts: 0,
                rows,
            },
        );
        let entry = sample_entry::write(&track);
        let tables = TrackTables {
            track: MovieTrack::new(1, &track, entry),
            start,
            first,
            end: None,
            tables,
        };
        let len = complete(std::slice::from_ref(&tables), 0, false).len() as u64;
        let mut out = ftyp();
        let media = out.len() as u64 + len + 16;
        out.extend(complete(&[tables], media, false));
        out.extend(mdat_header(1000));
        out.extend([0; 1000]);
        out
    }

    #[test]
    fn a_delay_and_a_trim_stay_what_they_are() {
        let track = Track {
            codec: crate::codec::Codec::Aac,
            setup: bytes::Bytes::from_static(&[0x11, 0x90]),
            media: Media::Audio {
                sample_rate: 48_000,
                channels: 2,
                packet: 1024,
            },
            language: Language::new("jpn"),
            rotation: Rotation::None,
        };
        // Half a second of silence, then the sound without its first 1024 samples.
        let bytes = file(track.clone(), 1024 - 24_000, Some(1024));
        let index = SampleIndex::open(&bytes, bytes.len() as u64).unwrap();
        let choice = choose(&index).unwrap();
        let mut ranges = Vec::new();
        let tables = choice.chosen[0].tables(0..100, &mut ranges);
        let again = file(track, tables.start, tables.first);
        let again = SampleIndex::open(&again, again.len() as u64).unwrap();
        let shown = again.tracks()[0].presentation().unwrap();
        assert_eq!(
            (shown.shift, shown.start),
            (Ticks(24_000 - 1024), Some(Ticks(1024)))
        );
        assert_eq!(again.tracks()[0].language(), Language::new("jpn"));
        assert_eq!(again.tracks()[0].timescale(), Timescale::new(48_000).unwrap());
        assert_eq!(ranges.len(), 1);
        assert_eq!(ranges[0].end - ranges[0].start, 1000);
    }
}
