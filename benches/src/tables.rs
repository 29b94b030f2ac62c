//! A `moov` of any length without its media.

use mediacore::codec::{Kind, Language, Rotation};
use mediacore::mp4::moov::{MovieTrack, SampleTables, TrackTables, complete, ftyp};
use mediacore::mp4::{Run, SampleRow};
use mediacore::time::Timescale;

/// The front of a progressive file, `ftyp`, `moov` and the header of an `mdat`, and how long the whole file would be.
pub struct Front {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes of the file with its media.
    pub file_size: u64,
    /// Samples of all tracks.
    pub samples: u64,
}

/// A recording of that many hours as ours are: two seconds a fragment, 30 pictures a second with B-frames, a key frame in two
/// seconds, AAC at 48 kHz, 4 Mbit/s.
pub fn recording(hours: u32) -> Front {
    let scale = |per_second| Timescale::new(per_second).expect("not zero");
    let mut video = tables(1, Kind::Video, scale(90_000), avc1());
    let mut audio = tables(2, Kind::Audio, scale(48_000), mp4a());
    let mut size = Sizes(7);
    let mut offset = 0_u64;
    let mut sound = 0_u64;
    for fragment in 0..u64::from(hours) * 1800 {
        let rows = (0..60_u32).map(|frame| SampleRow {
            size: if frame == 0 {
                90_000
            } else {
                size.next(4_000, 24_000)
            },
            duration: 3000,
            composition: [3000, 9000, 6000][frame as usize % 3],
            sync: frame == 0,
        });
        let run = Run {
            track: 1,
            dts: fragment * 180_000,
            rows: rows.collect(),
        };
        video.tables.push(offset, &run);
        offset += run.size();
        let until = (fragment + 1) * 96_000;
        let first = sound;
        let mut rows = Vec::new();
        while sound + 1024 <= until {
            sound += 1024;
            rows.push(SampleRow {
                size: size.next(300, 420),
                duration: 1024,
                composition: 0,
                sync: true,
            });
        }
        let run = Run {
            track: 2,
            dts: first,
            rows,
        };
        audio.tables.push(offset, &run);
        offset += run.size();
    }
    let samples = (video.tables.len() + audio.tables.len()) as u64;
    let tracks = [video, audio];
    let front = ftyp();
    let shift = (front.len() + complete(&tracks, 0, true).len() + 16) as u64;
    let mut bytes = front;
    bytes.extend(complete(&tracks, shift, true));
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend((offset + 16).to_be_bytes());
    Front {
        file_size: bytes.len() as u64 + offset,
        bytes,
        samples,
    }
}

fn tables(id: u32, kind: Kind, timescale: Timescale, entry: Vec<u8>) -> TrackTables {
    TrackTables {
        track: MovieTrack {
            id,
            kind,
            timescale,
            entry,
            display: if kind == Kind::Video { (1280, 720) } else { (0, 0) },
            language: Language::UNDETERMINED,
            rotation: Rotation::None,
        },
        start: 0,
        first: None,
        end: None,
        tables: SampleTables::default(),
    }
}

fn avc1() -> Vec<u8> {
    mediacore::mp4::sample_entry::write(&crate::synthetic::video_track())
}

fn mp4a() -> Vec<u8> {
    mediacore::mp4::sample_entry::write(&crate::synthetic::audio_track())
}

/// Sizes that look random and are the same each time (a linear congruential generator).
pub struct Sizes(pub u64);

impl Sizes {
    /// From `low` up to but without `high`.
    pub fn next(&mut self, low: u32, high: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = u32::try_from(self.0 >> 33).unwrap_or(0);
        low + random % (high - low).max(1)
    }
}
