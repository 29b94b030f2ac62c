//! Media segments.

use std::ops::Range;
use std::sync::Arc;

use super::protect::{self, Subsamples};
use super::{DASH, Protection};
use crate::codec::Kind;
use crate::hls::frames::{CLOCK, Frame, Segment, Stream};
use crate::hls::refusal::Refusal;
use crate::layout::Layout;
use crate::mp4::write::{boxed, full_boxed, put_i32, put_u16, put_u32, put_u64};

/// How much later video may be than sound before a run of sound ends: a quarter of a second.
const LEAD: i64 = CLOCK.get() as i64 / 4;

/// Sample flags (ISO/IEC 14496-12, 8.8.3.1): depends on no other; and depends on others, is no sync sample.
const SYNC: u32 = 0x0200_0000;
const OTHER: u32 = 0x0101_0000;

/// The media segment: a `moof` for all streams, and the samples.
///
/// Several streams are mixed in runs; a single one has a `styp` and a `sidx` in front, as DASH wants it.
///
/// # Errors
/// `BadRequest` when the segment is longer than the boxes can tell.
pub fn segment(segment: &Segment, version: u32, protection: Option<&Protection>) -> Result<Layout, Refusal> {
    let runs = Runs::of(segment);
    let secret = match protection {
        None => None,
        Some(protection) => Some(Secret {
            maps: protect::subsamples(segment, &runs)?,
            protection: *protection,
        }),
    };
    match &segment.streams[..] {
        [only] => single(segment, only, &runs, version, secret.as_ref()),
        _ => mixed(segment, &runs, secret.as_ref()),
    }
}

/// How the samples are encrypted.
struct Secret {
    /// For each stream where its samples are, when not whole.
    maps: Vec<Option<Subsamples>>,
    protection: Protection,
}

impl Secret {
    /// Appends what a `traf` says of it.
    fn push_boxes(&self, out: &mut Vec<u8>, stream: usize, moof: usize) {
        if let Some(map) = self.maps.get(stream).and_then(Option::as_ref) {
            protect::push_boxes(out, map, moof);
        }
    }
}

/// The samples in the order in which they are sent.
pub(super) struct Runs {
    /// For each run its stream, and which of that stream's frames.
    pub(super) runs: Vec<(usize, Range<usize>)>,
    /// The frames of each stream, with the number of their part.
    pub(super) frames: Vec<Vec<(usize, Frame)>>,
}

impl Runs {
    fn of(segment: &Segment) -> Self {
        let collect = |stream: &Stream| {
            let mut frames: Vec<(usize, Frame)> = Vec::with_capacity(stream.len());
            frames.extend(stream.frames());
            // Where files follow each other, the last sample of one lasts until the first of the next, or until its clip ends.
            for place in 1..=frames.len() {
                let next = frames.get(place).copied();
                let Some((part, last)) = frames.get_mut(place - 1) else {
                    continue;
                };
                match next {
                    Some((after, _)) if after == *part => {}
                    Some((_, next)) => last.duration = next.dts.saturating_sub(last.dts).max(0),
                    None => {
                        let end = stream.parts.get(*part).and_then(|part| part.end);
                        let left = end.map(|end| end.saturating_sub(last.dts).max(0));
                        last.duration = last.duration.min(left.unwrap_or(i64::MAX));
                    }
                }
            }
            frames
        };
        let frames: Vec<Vec<(usize, Frame)>> = segment.streams.iter().map(collect).collect();
        let mut at = vec![0_usize; frames.len()];
        let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
        let mut current = frames.len().saturating_sub(1);
        loop {
            let next = |stream: usize| Some(frames.get(stream)?.get(*at.get(stream)?)?.1.dts);
            // Streams in front of the current one have to be later by the lead to be taken.
            let due = |stream: usize| {
                next(stream).map(|dts| {
                    if stream < current {
                        dts.saturating_add(LEAD)
                    } else {
                        dts
                    }
                })
            };
            let candidates =
                (0..frames.len()).filter_map(|stream| Some((due(stream)?, stream != current, stream)));
            let Some((_, _, chosen)) = candidates.min() else {
                break;
            };
            let Some(place) = at.get_mut(chosen) else { break };
            match runs.last_mut() {
                Some((stream, range)) if *stream == chosen => range.end += 1,
                _ => runs.push((chosen, *place..*place + 1)),
            }
            *place += 1;
            current = chosen;
        }
        Self { runs, frames }
    }

    fn frames(&self, run: &(usize, Range<usize>)) -> &[(usize, Frame)] {
        let frames = self
            .frames
            .get(run.0)
            .and_then(|frames| frames.get(run.1.clone()));
        frames.unwrap_or_default()
    }

    /// Bytes of all samples.
    fn bytes(&self) -> u64 {
        let sizes = self
            .frames
            .iter()
            .flatten()
            .map(|(_, frame)| u64::from(frame.size));
        sizes.fold(0, u64::saturating_add)
    }

    /// Appends the samples to a layout that has the boxes.
    fn push_media(&self, segment: &Segment, layout: &mut Layout) {
        for run in &self.runs {
            let Some(stream) = segment.streams.get(run.0) else {
                continue;
            };
            for (part, frame) in self.frames(run) {
                if let Some(part) = stream.parts.get(*part) {
                    let end = frame.offset.saturating_add(u64::from(frame.size));
                    layout.push_file(part.title.source(), frame.offset..end);
                }
            }
        }
    }
}

/// The composition offset of a frame, so that the presentation starts at 0.
fn composition(frame: &Frame, stream: &Stream) -> i32 {
    let offset = frame.delay.saturating_sub(stream.initial_delay);
    i32::try_from(offset).unwrap_or(i32::MAX)
}

/// The `tfdt` of a stream. Where a segment starts in the middle of a GOP, the first picture's own delay moves it, as it does
/// in the reference.
fn decode_time(stream: &Stream, first: Option<&(usize, Frame)>) -> u64 {
    let time = match first {
        Some((_, frame)) if stream.kind() == Kind::Video => {
            frame.dts.saturating_add(composition(frame, stream).into())
        }
        Some((_, frame)) => frame.dts,
        None => stream.start,
    };
    u64::try_from(time).unwrap_or(0)
}

fn put_duration(out: &mut Vec<u8>, frame: &Frame) {
    put_u32(out, u32::try_from(frame.duration.max(0)).unwrap_or(u32::MAX));
}

fn mixed(segment: &Segment, runs: &Runs, secret: Option<&Secret>) -> Result<Layout, Refusal> {
    let frames: usize = runs.frames.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(256 + frames * 16 + runs.runs.len() * 20);
    // Where each run's data offset stands, and how many bytes come before its data.
    let mut offsets: Vec<(usize, u64)> = Vec::with_capacity(runs.runs.len());
    let mut starts = Vec::with_capacity(runs.runs.len());
    let mut before = 0_u64;
    for run in &runs.runs {
        starts.push(before);
        let bytes = runs.frames(run).iter().map(|(_, frame)| u64::from(frame.size));
        before = bytes.fold(before, u64::saturating_add);
    }
    boxed(&mut out, b"moof", |out| {
        full_boxed(out, b"mfhd", 0, 0, |out| put_u32(out, segment.number));
        for (number, stream) in segment.streams.iter().enumerate() {
            traf(out, number, stream, runs, &starts, &mut offsets, secret);
        }
    });
    finish(segment, runs, out, 0, &offsets, secret)
}

fn traf(
    out: &mut Vec<u8>,
    number: usize,
    stream: &Stream,
    runs: &Runs,
    starts: &[u64],
    offsets: &mut Vec<(usize, u64)>,
    secret: Option<&Secret>,
) {
    let video = stream.kind() == Kind::Video;
    boxed(out, b"traf", |out| {
        tfhd(out, number);
        let start = decode_time(stream, runs.frames.get(number).and_then(|frames| frames.first()));
        full_boxed(out, b"tfdt", 1, 0, |out| put_u64(out, start));
        for (run, start) in runs.runs.iter().zip(starts).filter(|(run, _)| run.0 == number) {
            let frames = runs.frames(run);
            let (version, flags) = if video { (1, 0xF01) } else { (0, 0x301) };
            full_boxed(out, b"trun", version, flags, |out| {
                put_u32(out, u32::try_from(frames.len()).unwrap_or(u32::MAX));
                offsets.push((out.len(), *start));
                put_u32(out, 0);
                for (_, frame) in frames {
                    put_duration(out, frame);
                    put_u32(out, frame.size);
                    if video {
                        put_u32(out, if frame.key { SYNC } else { OTHER });
                        put_i32(out, composition(frame, stream));
                    }
                }
            });
        }
        if let Some(secret) = secret {
            // The moof is the first box.
            secret.push_boxes(out, number, 0);
        }
    });
}

fn tfhd(out: &mut Vec<u8>, number: usize) {
    // Offsets count from the start of the moof.
    full_boxed(out, b"tfhd", 0, 0x02_0000, |out| {
        put_u32(out, u32::try_from(number + 1).unwrap_or(u32::MAX));
    });
}

/// Fills in the data offsets, which count from byte `base` of `out`, and appends the `mdat` and the samples.
fn finish(
    segment: &Segment,
    runs: &Runs,
    mut out: Vec<u8>,
    base: usize,
    offsets: &[(usize, u64)],
    secret: Option<&Secret>,
) -> Result<Layout, Refusal> {
    let too_long = || Refusal::bad_request("the segment is too long for fragmented MP4");
    let media = runs.bytes();
    let header = out.len() - base + 8;
    for (at, before) in offsets {
        let offset = before.saturating_add(header as u64);
        let offset = i32::try_from(offset).map_err(|_| too_long())?;
        if let Some(place) = out.get_mut(*at..*at + 4) {
            place.copy_from_slice(&offset.to_be_bytes());
        }
    }
    let size = u32::try_from(media.saturating_add(8)).map_err(|_| too_long())?;
    put_u32(&mut out, size);
    out.extend(b"mdat");
    let mut layout = Layout::new();
    layout.push_bytes(out);
    match secret {
        None => runs.push_media(segment, &mut layout),
        Some(secret) => {
            let media = protect::Protected::new(segment, runs, &secret.maps, secret.protection)?;
            layout.push_made(Arc::new(media));
        }
    }
    Ok(layout)
}

fn single(
    segment: &Segment,
    stream: &Stream,
    runs: &Runs,
    version: u32,
    secret: Option<&Secret>,
) -> Result<Layout, Refusal> {
    let dash = version >= DASH;
    let frames = runs.frames.first().map_or(&[][..], Vec::as_slice);
    let video = stream.kind() == Kind::Video;
    let start = decode_time(stream, frames.first());
    let length = frames
        .iter()
        .fold(0_i64, |sum, (_, frame)| sum.saturating_add(frame.duration));

    let mut moof = Vec::with_capacity(128 + frames.len() * 16);
    let mut offsets = Vec::with_capacity(1);
    boxed(&mut moof, b"moof", |out| {
        full_boxed(out, b"mfhd", 0, 0, |out| put_u32(out, segment.number));
        boxed(out, b"traf", |out| {
            tfhd(out, 0);
            match u32::try_from(start) {
                Ok(start) => full_boxed(out, b"tfdt", 0, 0, |out| put_u32(out, start)),
                Err(_) => full_boxed(out, b"tfdt", 1, 0, |out| put_u64(out, start)),
            }
            let flags = if video { 0xF01 } else { 0x301 };
            let signed = video && frames.iter().any(|(_, frame)| composition(frame, stream) < 0);
            full_boxed(out, b"trun", u8::from(signed || video && dash), flags, |out| {
                put_u32(out, u32::try_from(frames.len()).unwrap_or(u32::MAX));
                offsets.push((out.len(), 0));
                put_u32(out, 0);
                for (_, frame) in frames {
                    put_duration(out, frame);
                    put_u32(out, frame.size);
                    if video {
                        put_u32(out, if frame.key { 0 } else { 0x0001_0000 });
                        put_i32(out, composition(frame, stream));
                    }
                }
            });
            if let Some(secret) = secret {
                secret.push_boxes(out, 0, 0);
            }
        });
    });

    let mut out = Vec::with_capacity(80 + moof.len() + 8);
    boxed(&mut out, b"styp", |out| match dash {
        true => out.extend(b"msdh\0\0\0\0msdhmsix"),
        false => out.extend(b"iso6\0\0\0\x01isomiso6dash"),
    });
    let whole = (moof.len() as u64).saturating_add(8).saturating_add(runs.bytes());
    let whole = u32::try_from(whole).ok().filter(|whole| whole >> 31 == 0);
    let whole = whole.ok_or_else(|| Refusal::bad_request("the segment is too long for fragmented MP4"))?;
    sidx(&mut out, start, whole, length);
    let base = out.len();
    let offsets: Vec<(usize, u64)> = offsets.iter().map(|(at, before)| (at + base, *before)).collect();
    out.append(&mut moof);
    finish(segment, runs, out, base, &offsets, secret)
}

/// One reference to all of the segment (8.16.3), which starts with a sync sample.
fn sidx(out: &mut Vec<u8>, start: u64, size: u32, length: i64) {
    let short = u32::try_from(start);
    full_boxed(out, b"sidx", u8::from(short.is_err()), 0, |out| {
        put_u32(out, 1);
        put_u32(out, CLOCK.get());
        match short {
            Ok(short) => {
                put_u32(out, short);
                put_u32(out, 0);
            }
            Err(_) => {
                put_u64(out, start);
                put_u64(out, 0);
            }
        }
        put_u16(out, 0);
        put_u16(out, 1);
        put_u32(out, size);
        put_u32(out, u32::try_from(length.max(0)).unwrap_or(u32::MAX));
        put_u32(out, 0x9000_0000);
    });
}
