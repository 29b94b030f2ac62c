//! Everything in a `moov` but the sample tables: `mvhd`, `tkhd`, `mdhd`, `hdlr`, media headers, and the init `moov`.

use crate::codec::{Kind, Language, Media, Rotation, Track};
use crate::mp4::write::{boxed, full_boxed, put_i32, put_i64, put_u16, put_u32, put_u64};
use crate::time::Timescale;

/// One track as the writer knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MovieTrack {
    /// `track_ID`, from 1, unique in the movie.
    pub id: u32,
    /// Video or audio.
    pub kind: Kind,
    /// Ticks per second of `mdhd`.
    pub timescale: Timescale,
    /// The sample entry box, whole.
    pub entry: Vec<u8>,
    /// Display size in pixels (after the pixel aspect ratio); zero for audio.
    pub display: (u32, u32),
    /// Spoken language.
    pub language: Language,
    /// How to turn the picture.
    pub rotation: Rotation,
}

impl MovieTrack {
    /// The writer's view of `track`; `entry` is its sample entry box.
    pub fn new(id: u32, track: &Track, entry: Vec<u8>) -> Self {
        let display = match track.media {
            Media::Video {
                width,
                height,
                pixel_aspect: (num, den),
            } => {
                let wide = u64::from(width) * u64::from(num.max(1)) / u64::from(den.max(1));
                (
                    u32::try_from(wide).unwrap_or(u32::MAX).min(0xffff),
                    height.min(0xffff),
                )
            }
            Media::Audio { .. } => (0, 0),
        };
        Self {
            id,
            kind: track.kind(),
            timescale: track.timescale(),
            entry,
            display,
            language: track.language,
            rotation: track.rotation,
        }
    }
}

/// The brands of every file that we write: fragments relative to their `moof` need `iso5` or later.
pub fn ftyp() -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"isom");
        put_u32(out, 0x200);
        for brand in [b"isom", b"iso2", b"iso6", b"mp41"] {
            out.extend_from_slice(brand);
        }
    });
    out
}

/// The `moov` in front of the fragments (ISO/IEC 14496-12, 8.8): no samples, `mvex`, and an edit list that takes `start`
/// (per track, in its ticks) off every composition time, so that decoding times may begin above zero.
pub fn init<'a>(tracks: impl Iterator<Item = (&'a MovieTrack, u64)> + Clone) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"moov", |out| {
        let next = tracks
            .clone()
            .map(|(track, _)| track.id)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        mvhd(out, 0, next);
        for (track, start) in tracks.clone() {
            boxed(out, b"trak", |out| {
                tkhd(out, track, 0);
                if start > 0 {
                    edts(
                        out,
                        &[Edit {
                            length: 0,
                            media_time: i64::try_from(start).unwrap_or(i64::MAX),
                        }],
                    );
                }
                mdia(out, track, 0, |out| {
                    full_boxed(out, b"stts", 0, 0, |out| put_u32(out, 0));
                    full_boxed(out, b"stsc", 0, 0, |out| put_u32(out, 0));
                    full_boxed(out, b"stsz", 0, 0, |out| put_u64(out, 0));
                    full_boxed(out, b"stco", 0, 0, |out| put_u32(out, 0));
                });
            });
        }
        boxed(out, b"mvex", |out| {
            for (track, _) in tracks {
                full_boxed(out, b"trex", 0, 0, |out| {
                    for value in [track.id, 1, 0, 0, 0] {
                        put_u32(out, value);
                    }
                });
            }
        });
    });
    out
}

/// One entry of an edit list (ISO/IEC 14496-12, 8.6.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edit {
    /// In ticks of the movie.
    pub(super) length: u64,
    /// In ticks of the track; −1 for an empty edit.
    pub(super) media_time: i64,
}

pub(super) fn edts(out: &mut Vec<u8>, edits: &[Edit]) {
    let large = edits
        .iter()
        .any(|edit| u32::try_from(edit.length).is_err() || i32::try_from(edit.media_time).is_err());
    boxed(out, b"edts", |out| {
        full_boxed(out, b"elst", u8::from(large), 0, |out| {
            put_u32(out, u32::try_from(edits.len()).unwrap_or(u32::MAX));
            for edit in edits {
                if large {
                    put_u64(out, edit.length);
                    put_i64(out, edit.media_time);
                } else {
                    put_u32(out, u32::try_from(edit.length).unwrap_or(u32::MAX));
                    put_i32(out, i32::try_from(edit.media_time).unwrap_or(i32::MAX));
                }
                put_u32(out, 0x0001_0000);
            }
        });
    });
}

/// `mvhd` with a length in movie ticks (milliseconds).
pub(super) fn mvhd(out: &mut Vec<u8>, duration: u64, next_track: u32) {
    let large = u32::try_from(duration).is_err();
    full_boxed(out, b"mvhd", u8::from(large), 0, |out| {
        times(out, large, |out| put_u32(out, Timescale::MILLIS.get()), duration);
        put_u32(out, 0x0001_0000);
        put_u16(out, 0x0100);
        out.extend_from_slice(&[0; 10]);
        matrix(out, Rotation::None, (0, 0));
        out.extend_from_slice(&[0; 24]);
        put_u32(out, next_track);
    });
}

/// `tkhd` with a length in movie ticks.
pub(super) fn tkhd(out: &mut Vec<u8>, track: &MovieTrack, duration: u64) {
    let large = u32::try_from(duration).is_err();
    full_boxed(out, b"tkhd", u8::from(large), 0x3, |out| {
        times(
            out,
            large,
            |out| put_u64(out, u64::from(track.id) << 32),
            duration,
        );
        out.extend_from_slice(&[0; 8]);
        put_u16(out, 0);
        put_u16(out, if track.kind == Kind::Video { 0 } else { 1 });
        put_u16(out, if track.kind == Kind::Video { 0 } else { 0x0100 });
        put_u16(out, 0);
        matrix(out, track.rotation, track.display);
        put_u32(out, track.display.0 << 16);
        put_u32(out, track.display.1 << 16);
    });
}

/// Creation and modification time (zero: they'd make equal recordings differ), what stands between, and the duration.
fn times(out: &mut Vec<u8>, large: bool, between: impl FnOnce(&mut Vec<u8>), duration: u64) {
    out.extend_from_slice(if large { &[0; 16] } else { &[0; 8] });
    between(out);
    if large {
        put_u64(out, duration);
    } else {
        put_u32(out, u32::try_from(duration).unwrap_or(u32::MAX));
    }
}

fn matrix(out: &mut Vec<u8>, rotation: Rotation, (width, height): (u32, u32)) {
    const ONE: u32 = 0x0001_0000;
    const MINUS: u32 = 0xffff_0000;
    let (width, height) = (width << 16, height << 16);
    let [a, b, c, d, x, y] = match rotation {
        Rotation::None => [ONE, 0, 0, ONE, 0, 0],
        Rotation::Clockwise90 => [0, ONE, MINUS, 0, height, 0],
        Rotation::Half => [MINUS, 0, 0, MINUS, width, height],
        Rotation::Clockwise270 => [0, MINUS, ONE, 0, 0, width],
    };
    for value in [a, b, 0, c, d, 0, x, y, 0x4000_0000] {
        put_u32(out, value);
    }
}

/// `mdia` with a length in ticks of the track, and `tables` inside `stbl` after `stsd`.
pub(super) fn mdia(out: &mut Vec<u8>, track: &MovieTrack, duration: u64, tables: impl FnOnce(&mut Vec<u8>)) {
    let large = u32::try_from(duration).is_err();
    boxed(out, b"mdia", |out| {
        full_boxed(out, b"mdhd", u8::from(large), 0, |out| {
            times(out, large, |out| put_u32(out, track.timescale.get()), duration);
            put_u16(out, track.language.to_packed());
            put_u16(out, 0);
        });
        let (handler, name): (&[u8; 4], &[u8]) = match track.kind {
            Kind::Video => (b"vide", b"VideoHandler\0"),
            Kind::Audio => (b"soun", b"SoundHandler\0"),
        };
        full_boxed(out, b"hdlr", 0, 0, |out| {
            put_u32(out, 0);
            out.extend_from_slice(handler);
            out.extend_from_slice(&[0; 12]);
            out.extend_from_slice(name);
        });
        boxed(out, b"minf", |out| {
            match track.kind {
                Kind::Video => full_boxed(out, b"vmhd", 0, 1, |out| put_u64(out, 0)),
                Kind::Audio => full_boxed(out, b"smhd", 0, 0, |out| put_u32(out, 0)),
            }
            boxed(out, b"dinf", |out| {
                full_boxed(out, b"dref", 0, 0, |out| {
                    put_u32(out, 1);
                    full_boxed(out, b"url ", 0, 1, |_| {});
                });
            });
            boxed(out, b"stbl", |out| {
                full_boxed(out, b"stsd", 0, 0, |out| {
                    put_u32(out, 1);
                    out.extend_from_slice(&track.entry);
                });
                tables(out);
            });
        });
    });
}
