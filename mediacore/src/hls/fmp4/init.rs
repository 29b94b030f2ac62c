//! Initialisation segments.

use super::{DASH, Protection};
use crate::codec::Kind;
use crate::hls::frames::CLOCK;
use crate::hls::title::TitleTrack;
use crate::mp4::write::{boxed, full_boxed, put_u16, put_u32, put_u64};
use crate::time::Millis;

/// The initialisation segment of `tracks`, video first, of a title that is `duration` long. Track ids count from 1 in the
/// order of `tracks`; sample entries are those of the source, byte for byte, wrapped when they are protected.
pub fn init(
    tracks: &[&TitleTrack],
    duration: Millis,
    version: u32,
    protection: Option<&Protection>,
) -> Vec<u8> {
    let length = u64::try_from(duration.floor_ticks(CLOCK).0).unwrap_or(0);
    let mut out = Vec::with_capacity(1024);
    let (brand, brands): (_, &[_]) = match version {
        DASH.. => (b"iso5", &[b"iso5", b"dash", b"msix"]),
        _ => (b"isom", &[b"isom", b"avc1"]),
    };
    boxed(&mut out, b"ftyp", |out| {
        out.extend(brand);
        put_u32(out, 1);
        brands.iter().for_each(|brand| out.extend(*brand));
    });
    boxed(&mut out, b"moov", |out| {
        mvhd(out, length);
        boxed(out, b"mvex", |out| {
            for (id, _) in (1..).zip(tracks) {
                full_boxed(out, b"trex", 0, 0, |out| {
                    for value in [id, 1, 0, 0, 0] {
                        put_u32(out, value);
                    }
                });
            }
        });
        for (id, track) in (1..).zip(tracks) {
            trak(out, id, track, length, protection);
        }
    });
    out
}

/// A full box with creation and modification time, fields before the duration, and the duration, 32-bit where it fits.
fn timed(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    flags: u32,
    fields: &[u32],
    length: u64,
    rest: impl FnOnce(&mut Vec<u8>),
) {
    let short = u32::try_from(length);
    full_boxed(out, kind, u8::from(short.is_err()), flags, |out| {
        out.extend(std::iter::repeat_n(0, if short.is_err() { 16 } else { 8 }));
        fields.iter().for_each(|field| put_u32(out, *field));
        match short {
            Ok(short) => put_u32(out, short),
            Err(_) => put_u64(out, length),
        }
        rest(out);
    });
}

fn matrix(out: &mut Vec<u8>) {
    for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
        put_u32(out, value);
    }
}

fn mvhd(out: &mut Vec<u8>, length: u64) {
    timed(out, b"mvhd", 0, &[CLOCK.get()], length, |out| {
        put_u32(out, 0x1_0000); // rate
        put_u16(out, 0x100); // volume
        out.extend([0; 10]);
        matrix(out);
        out.extend([0; 24]);
        put_u32(out, u32::MAX); // next track
    });
}

fn trak(out: &mut Vec<u8>, id: u32, track: &TitleTrack, length: u64, protection: Option<&Protection>) {
    let video = track.kind() == Kind::Video;
    let (width, height) = track.size();
    boxed(out, b"trak", |out| {
        timed(out, b"tkhd", 3, &[id, 0], length, |out| {
            out.extend([0; 12]);
            put_u16(out, if video { 0 } else { 0x100 }); // volume
            put_u16(out, 0);
            matrix(out);
            put_u32(out, width << 16);
            put_u32(out, height << 16);
        });
        boxed(out, b"mdia", |out| {
            timed(out, b"mdhd", 0, &[CLOCK.get()], length, |out| put_u32(out, 0));
            full_boxed(out, b"hdlr", 0, 0, |out| {
                put_u32(out, 0);
                out.extend(if video { b"vide" } else { b"soun" });
                out.extend([0; 12]);
                out.extend(if video {
                    b"VideoHandler\0"
                } else {
                    b"SoundHandler\0"
                });
            });
            boxed(out, b"minf", |out| {
                match video {
                    true => full_boxed(out, b"vmhd", 0, 1, |out| out.extend([0; 8])),
                    false => full_boxed(out, b"smhd", 0, 0, |out| out.extend([0; 4])),
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
                        match protection {
                            Some(protection) => out.extend(protection.entry(track)),
                            None => out.extend(&track.entry),
                        }
                    });
                    full_boxed(out, b"stts", 0, 0, |out| put_u32(out, 0));
                    full_boxed(out, b"stsc", 0, 0, |out| put_u32(out, 0));
                    full_boxed(out, b"stsz", 0, 0, |out| out.extend([0; 8]));
                    full_boxed(out, b"stco", 0, 0, |out| put_u32(out, 0));
                });
            });
        });
    });
}
