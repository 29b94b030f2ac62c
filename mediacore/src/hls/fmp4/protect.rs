//! Common encryption of samples, scheme `cbcs` (ISO/IEC 23001-7, 10.4): what initialisation segments say of it, and media that
//! is encrypted while it is read.
//!
//! One constant IV stands in `tenc`, and every stretch that is encrypted starts with it. Of video one block in ten of each
//! slice is encrypted, from its 33rd byte on, so that slice headers stay in the clear; slices of up to 48 bytes stay whole in
//! the clear, as Apple's sample encryption has it. Sound is encrypted whole, a last part of a block left as it is.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};

use super::segment::Runs;
use crate::codec::h264::{AvcConfig, nal_type};
use crate::codec::hevc::{self, HevcConfig};
use crate::codec::{Codec, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::hls::frames::Segment;
use crate::hls::refusal::{Reason, Refusal};
use crate::hls::title::{Title, TitleTrack};
use crate::layout::{Filled, Make, Producer, Wait};
use crate::mp4::write::{boxed, full_boxed, put_u16, put_u32};

/// Bytes of a slice that stay in the clear.
const CLEAR: usize = 32;

/// Slices of up to so many bytes stay in the clear whole.
const SMALL: usize = 48;

/// Bytes of a cipher block.
const BLOCK: usize = 16;

/// Blocks of which one is encrypted.
const PATTERN: usize = 10;

/// Key and IV of a location's media.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Protection {
    /// The content key.
    pub key: [u8; 16],
    /// The constant IV.
    pub iv: [u8; 16],
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protection(***)")
    }
}

impl Protection {
    /// The track's sample entry as an encrypted one.
    pub(super) fn entry(&self, track: &TitleTrack) -> Vec<u8> {
        let video = track.kind() == Kind::Video;
        let mut out = Vec::with_capacity(track.entry.len() + 100);
        boxed(&mut out, if video { b"encv" } else { b"enca" }, |out| {
            out.extend(track.entry.get(8..).unwrap_or_default());
            boxed(out, b"sinf", |out| {
                boxed(out, b"frma", |out| out.extend(track.entry_kind.0));
                full_boxed(out, b"schm", 0, 0, |out| {
                    out.extend(b"cbcs");
                    put_u32(out, 0x1_0000);
                });
                boxed(out, b"schi", |out| {
                    full_boxed(out, b"tenc", 1, 0, |out| {
                        // Reserved; one block encrypted, nine not; protected; no IV with each sample.
                        out.extend([0, if video { 0x19 } else { 0 }, 1, 0]);
                        out.extend([0; 16]);
                        out.push(16);
                        out.extend(self.iv);
                    });
                });
            });
        });
        out
    }
}

/// Which bytes of a video sample are encrypted: stretches in the clear and stretches that are not, by turns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Subsamples {
    /// For each sample of the track its entries, (clear, encrypted).
    pub(super) samples: Vec<Vec<(u16, u32)>>,
}

/// What reads the samples of one track.
enum Shape {
    Whole,
    Nal { codec: Codec, length: usize },
}

fn shape(track: &TitleTrack) -> Result<Shape, Refusal> {
    let setup = &track.track.setup;
    Ok(match track.codec() {
        codec @ Codec::H264 => Shape::Nal {
            codec,
            length: AvcConfig::parse(setup)?.length_size,
        },
        codec @ Codec::Hevc => Shape::Nal {
            codec,
            length: HevcConfig::parse(setup)?.length_size,
        },
        codec if codec.kind() == Kind::Audio => Shape::Whole,
        codec => {
            return Err(Refusal::bad_request(format!(
                "SAMPLE-AES of {codec} is not supported"
            )));
        }
    })
}

/// Appends `saiz`, `saio` and `senc` of a track (12.1.1, 8.7.8, 8.7.9); `moof` is where the `moof` starts in `out`.
pub(super) fn push_boxes(out: &mut Vec<u8>, subsamples: &Subsamples, moof: usize) {
    let size = |entries: &Vec<(u16, u32)>| u8::try_from(2 + entries.len() * 6).unwrap_or(u8::MAX);
    let count = u32::try_from(subsamples.samples.len()).unwrap_or(u32::MAX);
    full_boxed(out, b"saiz", 0, 0, |out| {
        out.push(0);
        put_u32(out, count);
        out.extend(subsamples.samples.iter().map(size));
    });
    // After this box and the head of the next one.
    let start = out.len() + 20 + 16 - moof;
    full_boxed(out, b"saio", 0, 0, |out| {
        put_u32(out, 1);
        put_u32(out, u32::try_from(start).unwrap_or(u32::MAX));
    });
    full_boxed(out, b"senc", 0, 2, |out| {
        put_u32(out, count);
        for entries in &subsamples.samples {
            put_u16(out, u16::try_from(entries.len()).unwrap_or(u16::MAX));
            for (clear, encrypted) in entries {
                put_u16(out, *clear);
                put_u32(out, *encrypted);
            }
        }
    });
}

/// Subsamples that one sample may have: what the sizes of `saiz` can tell.
const MAX_ENTRIES: usize = (u8::MAX as usize - 2) / 6;

/// Where the slices of one sample are encrypted.
fn map(sample: &[u8], codec: Codec, length: usize) -> Option<Vec<(u16, u32)>> {
    let mut entries: Vec<(u16, u32)> = Vec::new();
    let mut clear = 0_usize;
    let push = |entries: &mut Vec<(u16, u32)>, clear: &mut usize, encrypted: usize| {
        while *clear > usize::from(u16::MAX) {
            entries.push((u16::MAX, 0));
            *clear -= usize::from(u16::MAX);
        }
        if *clear > 0 || encrypted > 0 {
            let pair = u16::try_from(*clear).ok().zip(u32::try_from(encrypted).ok());
            entries.extend(pair);
        }
        *clear = 0;
    };
    // What the clear bytes alone may need is not given to slices: those that are too many stay in the clear.
    let mut budget = MAX_ENTRIES.saturating_sub(sample.len() / usize::from(u16::MAX) + 1);
    let mut rest = sample;
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(length)?;
        let size = head
            .iter()
            .fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        let (nal, next) = after.split_at_checked(size)?;
        rest = next;
        let slice = match codec {
            Codec::Hevc => hevc::nal_type(nal) < 32,
            _ => matches!(nal_type(nal), 1 | 5),
        };
        if slice && size > SMALL && budget > 0 {
            budget -= 1;
            clear += length + CLEAR;
            push(&mut entries, &mut clear, size - CLEAR);
        } else {
            clear += length + size;
        }
    }
    push(&mut entries, &mut clear, 0);
    (entries.len() <= MAX_ENTRIES).then_some(entries)
}

/// Reads the video samples of a segment for where their slices are; waits for the disk.
pub(super) fn subsamples(segment: &Segment, runs: &Runs) -> Result<Vec<Option<Subsamples>>, Refusal> {
    let mut found = Vec::with_capacity(segment.streams.len());
    let mut buffer = Vec::new();
    for (stream, frames) in segment.streams.iter().zip(&runs.frames) {
        let mut all: Option<Subsamples> = None;
        for (part, frame) in frames {
            let Some(part) = stream.parts.get(*part) else {
                continue;
            };
            let Some(track) = part.track() else { continue };
            let Shape::Nal { codec, length } = shape(track)? else {
                break;
            };
            read(&part.title, frame.offset, frame.size, &mut buffer, Wait::Yes)?;
            let entries = map(&buffer, codec, length).ok_or_else(|| {
                let text = format!(
                    "the NAL units of the sample at byte {} don't fit it",
                    frame.offset
                );
                Refusal::new(Reason::BadData, text)
            })?;
            all.get_or_insert_default().samples.push(entries);
        }
        found.push(all);
    }
    Ok(found)
}

/// Fills `buffer` with a sample; false when it would have to be waited for.
fn read(title: &Title, offset: u64, size: u32, buffer: &mut Vec<u8>, wait: Wait) -> Result<bool> {
    buffer.clear();
    buffer.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
    let done = title.source().read_full(buffer, offset, wait);
    let done = done.map_err(|error| {
        Error::new(ErrorKind::Storage, format!("can't read {size} bytes at {offset}")).with_source(error)
    })?;
    Ok(done.is_some())
}

/// The samples of a segment, encrypted while they are read.
#[derive(Debug)]
pub(super) struct Protected {
    protection: Protection,
    samples: Vec<Sample>,
    length: u64,
}

#[derive(Debug)]
struct Sample {
    title: Arc<Title>,
    offset: u64,
    size: u32,
    /// Where it starts in what is sent.
    at: u64,
    /// `None` for one that is encrypted whole.
    entries: Option<Vec<(u16, u32)>>,
}

impl Protected {
    pub(super) fn new(
        segment: &Segment,
        runs: &Runs,
        subsamples: &[Option<Subsamples>],
        protection: Protection,
    ) -> Result<Self, Refusal> {
        let mut samples = Vec::new();
        let mut at = 0_u64;
        for (stream_number, range) in &runs.runs {
            let Some(stream) = segment.streams.get(*stream_number) else {
                continue;
            };
            let frames = runs
                .frames
                .get(*stream_number)
                .and_then(|frames| frames.get(range.clone()));
            let maps = subsamples.get(*stream_number).and_then(Option::as_ref);
            for ((part, frame), number) in frames.unwrap_or_default().iter().zip(range.start..) {
                let Some(part) = stream.parts.get(*part) else {
                    continue;
                };
                if let Some(track) = part.track() {
                    shape(track)?;
                }
                samples.push(Sample {
                    title: Arc::clone(&part.title),
                    offset: frame.offset,
                    size: frame.size,
                    at,
                    entries: maps.and_then(|maps| maps.samples.get(number).cloned()),
                });
                at = at.saturating_add(u64::from(frame.size));
            }
        }
        Ok(Self {
            protection,
            samples,
            length: at,
        })
    }
}

impl Make for Protected {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer> {
        let next = self
            .samples
            .partition_point(|sample| sample.at <= range.start)
            .saturating_sub(1);
        Box::new(Protecting {
            cipher: Aes128::new(&self.protection.key.into()),
            next,
            range,
            sample: Vec::new(),
            left: 0..0,
            of: self,
        })
    }
}

struct Protecting {
    of: Arc<Protected>,
    cipher: Aes128,
    /// The next sample to be read.
    next: usize,
    /// What is still to be sent.
    range: Range<u64>,
    /// The current sample, encrypted, and what of it is still to be sent.
    sample: Vec<u8>,
    left: Range<usize>,
}

impl Producer for Protecting {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled> {
        let end = out.len().saturating_add(room);
        let before = out.len();
        while out.len() < end && self.range.start < self.range.end {
            if self.left.is_empty() {
                let Some(sample) = self.of.samples.get(self.next) else {
                    break;
                };
                if !read(&sample.title, sample.offset, sample.size, &mut self.sample, wait)? {
                    break;
                }
                encrypt(
                    &self.cipher,
                    self.of.protection.iv,
                    &mut self.sample,
                    sample.entries.as_deref(),
                );
                let skip = usize::try_from(self.range.start.saturating_sub(sample.at)).unwrap_or(usize::MAX);
                self.left = skip.min(self.sample.len())..self.sample.len();
                self.next += 1;
                continue;
            }
            let wanted = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
            let count = self.left.len().min(end - out.len()).min(wanted);
            let piece = self.left.start..self.left.start + count;
            out.extend_from_slice(self.sample.get(piece).unwrap_or_default());
            self.left.start += count;
            self.range.start += count as u64;
        }
        Ok(match (out.len() > before, self.range.is_empty()) {
            (true, _) => Filled::More,
            (false, true) => Filled::End,
            (false, false) if self.next >= self.of.samples.len() && self.left.is_empty() => Filled::End,
            (false, false) => Filled::Cold,
        })
    }
}

/// Encrypts a sample where its map says, or the whole of it.
fn encrypt(cipher: &Aes128, iv: [u8; 16], sample: &mut [u8], entries: Option<&[(u16, u32)]>) {
    let Some(entries) = entries else {
        encrypt_stretch(cipher, iv, sample, 1);
        return;
    };
    let mut rest = sample;
    for (clear, encrypted) in entries {
        let Some((_, after)) = rest.split_at_mut_checked(usize::from(*clear)) else {
            return;
        };
        let size = usize::try_from(*encrypted).unwrap_or(usize::MAX);
        let Some((stretch, after)) = after.split_at_mut_checked(size) else {
            return;
        };
        encrypt_stretch(cipher, iv, stretch, PATTERN);
        rest = after;
    }
}

/// CBC over one block in `step`.
fn encrypt_stretch(cipher: &Aes128, iv: [u8; 16], stretch: &mut [u8], step: usize) {
    let mut last = iv;
    let (blocks, _) = stretch.as_chunks_mut::<BLOCK>();
    for block in blocks.iter_mut().step_by(step) {
        for (byte, before) in block.iter_mut().zip(last) {
            *byte ^= before;
        }
        cipher.encrypt_block(block.into());
        last = *block;
    }
}
