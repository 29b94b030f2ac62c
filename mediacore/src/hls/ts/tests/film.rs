//! Small MP4 files in memory.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::fixtures::{Fixture, unhex};
use crate::hls::{Clock, Frames, Segment, Stream, Title};
use crate::layout::Source;
use crate::mp4::fragment::{Run, SampleRow};
use crate::mp4::moov::{MovieTrack, SampleTables, TrackTables, complete, ftyp};
use crate::mp4::sample_entry;

/// One sample: its bytes, its duration and composition in ticks, and whether decoding can start there.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) data: Vec<u8>,
    pub(super) duration: u32,
    pub(super) composition: i32,
    pub(super) sync: bool,
}

/// One track, in chunks of so many samples.
#[derive(Clone, Debug)]
pub(super) struct FilmTrack {
    pub(super) entry: Bytes,
    pub(super) samples: Vec<Sample>,
    pub(super) chunk: usize,
}

impl FilmTrack {
    pub(super) fn new(fixture: &Fixture, samples: Vec<Sample>, chunk: usize) -> Self {
        let entry = unhex(fixture.entry);
        Self {
            entry,
            samples,
            chunk,
        }
    }
}

/// The file: media first, chunks of the tracks in turns.
pub(super) fn film(tracks: &[FilmTrack]) -> Bytes {
    let mut out = ftyp();
    let media: usize = tracks
        .iter()
        .flat_map(|track| &track.samples)
        .map(|sample| sample.data.len())
        .sum();
    out.extend(u32::try_from(media + 8).unwrap().to_be_bytes());
    out.extend(b"mdat");
    let mut tables = vec![SampleTables::default(); tracks.len()];
    let mut chunks: Vec<_> = tracks
        .iter()
        .map(|track| track.samples.chunks(track.chunk))
        .collect();
    let mut times = vec![0; tracks.len()];
    loop {
        let mut some = false;
        for (number, chunks) in chunks.iter_mut().enumerate() {
            let Some(chunk) = chunks.next() else { continue };
            some = true;
            let row = |sample: &Sample| SampleRow {
                size: sample.data.len() as u32,
                duration: sample.duration,
                composition: sample.composition,
                sync: sample.sync,
            };
            let run = Run {
                track: number as u32 + 1,
                dts: times[number],
                rows: chunk.iter().map(row).collect(),
            };
            times[number] += run.duration();
            tables[number].push(out.len() as u64, &run);
            for sample in chunk {
                out.extend_from_slice(&sample.data);
            }
        }
        if !some {
            break;
        }
    }
    let tracks: Vec<_> = tracks
        .iter()
        .zip(tables)
        .zip(1..)
        .map(|((track, tables), id)| TrackTables {
            track: MovieTrack::new(
                id,
                &sample_entry::parse(&track.entry).unwrap(),
                track.entry.to_vec(),
            ),
            start: 0,
            first: None,
            end: None,
            tables,
        })
        .collect();
    out.extend(complete(&tracks, 0, false));
    out.into()
}

pub(super) fn open(source: impl Source + 'static) -> Arc<Title> {
    Arc::new(Title::open(Arc::new(source)).unwrap())
}

/// All samples of all tracks, in as many parts as there are titles, each a second after the one before.
pub(super) fn segment(titles: &[Arc<Title>], number: u32) -> Segment {
    let mut segment = Segment {
        number,
        ..Segment::default()
    };
    for track in 0..titles[0].tracks().len() {
        let parts: Vec<_> = (0..)
            .zip(titles)
            .map(|(at, title)| {
                let described = &title.tracks()[track];
                let clock = Clock {
                    scale: described.timescale,
                    offset: 0,
                    bias: i64::from(described.bias),
                    base: at * 90_000,
                    shift: 0,
                };
                Frames {
                    title: Arc::clone(title),
                    track,
                    samples: 0..title.samples(described).unwrap().sample_count(),
                    clock,
                    clip: 0,
                    end: None,
                }
            })
            .collect();
        let described = &titles[0].tracks()[track];
        let delay = parts[0]
            .clock
            .rescale(i64::from(described.first_composition + described.bias));
        segment.streams.push(Stream {
            title: Arc::clone(&titles[0]),
            track,
            initial_delay: delay,
            start: 0,
            parts,
        });
    }
    segment
}
