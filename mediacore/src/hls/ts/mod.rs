//! Segments of MPEG-TS (ISO/IEC 13818-1; RFC 8216, 3.2), made while they are sent.
//!
//! ```text
//! PAT PMT | video PES … | audio PES … | video PES … | empty packets up to counter 15, for each stream
//! ```
//! [`Mux`] is a plan that is made from sample sizes and times alone: which PES packet starts at which packet of the segment.
//! The length is exact before the first byte of media is read, and any range can be made without what is before it.

mod form;
mod id3;
mod pes;
mod plan;
mod producer;
mod psi;
mod setup;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::codec::Kind;
use crate::hls::crypt::SampleCipher;
use crate::hls::options::TsOptions;
use crate::hls::{Reason, Refusal, Segment, Title};
use crate::layout::{Make, Producer};

use form::Form;
use pes::{Pes, Shape};

/// Bytes of a transport packet.
const PACKET: usize = 188;

/// What each packet starts with.
const SYNC: u8 = 0x47;

/// PID of the first stream, which carries the clock.
const FIRST_PID: u16 = 0x100;

/// Packets before the first PES packet.
const HEAD_PACKETS: u32 = 2;

/// The plan of one segment: 56 bytes for each PES packet, one for a picture or for some ten frames of sound.
pub struct Mux {
    head: [u8; HEAD_PACKETS as usize * PACKET],
    lanes: Vec<Lane>,
    pes: Vec<Pes>,
    /// Where packets of streams are mixed; empty when each PES packet stands in one piece.
    runs: Vec<Run>,
    /// Packets in all.
    packets: u32,
    /// The segment's time as ID3.
    tag: Vec<u8>,
    cipher: Option<SampleCipher>,
}

/// One elementary stream.
#[derive(Debug)]
struct Lane {
    shape: Shape,
    parts: Vec<Part>,
}

/// Samples of one file.
#[derive(Debug)]
struct Part {
    title: Arc<Title>,
    /// Which of [`Title::tracks`].
    track: usize,
    samples: Range<u32>,
    form: Form,
}

/// Consecutive packets of one PES packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Run {
    /// The first one's number in the segment.
    packet: u32,
    /// Which PES packet.
    pes: u32,
    /// The first one's number in the PES packet.
    first: u32,
}

/// Where a picture that decoding can start at stands in a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFrame {
    /// When it is shown, on the clock of [`crate::hls::frames::CLOCK`], before the offset that MPEG-TS adds to all times.
    pub pts: i64,
    /// Its first byte in the segment.
    pub offset: u64,
    /// Bytes up to the packet after it.
    pub size: u64,
}

impl Mux {
    /// Plans a segment.
    ///
    /// Media is only read, waiting for the disk, where sizes can't be told without it: with `cipher` (SAMPLE-AES), and for
    /// H.264 and HEVC with NAL unit lengths of fewer than four bytes.
    ///
    /// # Errors
    /// `BadRequest` for codecs that MPEG-TS, or SAMPLE-AES in it, has no place for; `BadData` for a damaged file.
    pub fn new(
        segment: &Segment,
        options: &TsOptions,
        cipher: Option<SampleCipher>,
    ) -> Result<Arc<Self>, Refusal> {
        let lanes = lanes(segment, options)?;
        let mut entries = Vec::with_capacity(lanes.len());
        for stream in &segment.streams {
            entries.push(setup::entry(stream, options, cipher.is_some())?);
        }
        if options.id3 || options.announce_id3 {
            entries.push(psi::Entry::id3());
        }
        let head = psi::head(segment.number, &entries)?;
        let plan = plan::Plan::new(segment, &lanes, options, cipher.as_ref(), true)?;
        let tag = plan
            .tag_time
            .map_or_else(Vec::new, |time| tag(segment, options, time));
        Ok(Arc::new(Self {
            head,
            lanes,
            pes: plan.pes,
            runs: plan.runs,
            packets: plan.packets,
            tag,
            cipher,
        }))
    }

    /// The pictures that decoding can start at, in the order of decoding.
    pub fn key_frames(&self) -> impl Iterator<Item = KeyFrame> {
        let places = 0..self.places();
        let places = places
            .filter_map(|at| self.place(at))
            .filter(|place| place.first == 0);
        let keys = places.filter_map(|place| {
            let pes = self.pes.get(place.pes as usize).filter(|pes| pes.key)?;
            let shape = &self.lanes.get(usize::from(pes.stream))?.shape;
            Some(KeyFrame::new(pes, shape, place.packets.start))
        });
        keys.into_iter()
    }

    /// How many pieces [`Mux::place`] knows.
    fn places(&self) -> usize {
        if self.runs.is_empty() {
            self.pes.len()
        } else {
            self.runs.len()
        }
    }

    /// Piece `at`: consecutive packets of one PES packet.
    fn place(&self, at: usize) -> Option<Place> {
        Some(if self.runs.is_empty() {
            let end = self.pes.get(at + 1).map_or(self.packets, |next| next.packet);
            Place {
                pes: u32::try_from(at).ok()?,
                first: 0,
                packets: self.pes.get(at)?.packet..end,
            }
        } else {
            let run = self.runs.get(at)?;
            let end = self.runs.get(at + 1).map_or(self.packets, |next| next.packet);
            Place {
                pes: run.pes,
                first: run.first,
                packets: run.packet..end,
            }
        })
    }

    /// The piece that packet `number` is in; the packets before all are in none.
    fn piece_of(&self, number: u32) -> usize {
        let after = if self.runs.is_empty() {
            self.pes.partition_point(|pes| pes.packet <= number)
        } else {
            self.runs.partition_point(|run| run.packet <= number)
        };
        after.saturating_sub(1)
    }
}

/// The pictures of a segment that decoding can start at, without a plan: some ten nanoseconds for each of its samples.
///
/// `found` is appended to; SAMPLE-AES is left out, for I-frame playlists are made of clear segments only.
///
/// # Errors
/// As [`Mux::new`].
pub fn key_frames(segment: &Segment, options: &TsOptions, found: &mut Vec<KeyFrame>) -> Result<(), Refusal> {
    let lanes = lanes(segment, options)?;
    let plan = plan::Plan::new(segment, &lanes, options, None, false)?;
    found.extend(plan.keys);
    Ok(())
}

/// Consecutive packets of one PES packet, and where they stand.
struct Place {
    pes: u32,
    first: u32,
    packets: Range<u32>,
}

impl KeyFrame {
    fn new(pes: &Pes, shape: &Shape, packet: u32) -> Self {
        let bytes = |packets| u64::from(packets) * PACKET as u64;
        Self {
            pts: pes.pts,
            offset: bytes(packet),
            size: bytes(shape.packets(pes.body)),
        }
    }
}

impl Make for Mux {
    fn length(&self) -> u64 {
        u64::from(self.packets) * PACKET as u64
    }

    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer> {
        Box::new(producer::Producing::new(self, range))
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mux({} PES packets in {})", self.pes.len(), self.packets)
    }
}

fn lanes(segment: &Segment, options: &TsOptions) -> Result<Vec<Lane>, Refusal> {
    let mut lanes = Vec::with_capacity(segment.streams.len() + 1);
    for (pid, stream) in (FIRST_PID..).zip(&segment.streams) {
        let video = stream.kind() == Kind::Video;
        let shape = Shape {
            pid,
            id: if video { 0xE0 } else { 0xC0 },
            clock: pid == FIRST_PID,
            decoding_time: video,
            endless: video && !options.align_frames,
        };
        let parts = stream.parts.iter().map(|part| {
            Ok(Part {
                title: Arc::clone(&part.title),
                track: part.track,
                samples: part.samples.clone(),
                form: Form::new(part.track().ok_or_else(no_track)?)?,
            })
        });
        lanes.push(Lane {
            shape,
            parts: parts.collect::<Result<_, Refusal>>()?,
        });
    }
    if options.id3 {
        let pid = FIRST_PID + u16::try_from(lanes.len()).unwrap_or(0);
        let shape = Shape {
            pid,
            id: 0xBD,
            clock: false,
            decoding_time: false,
            endless: false,
        };
        let parts = Vec::new();
        lanes.push(Lane { shape, parts });
    }
    Ok(lanes)
}

fn no_track() -> Refusal {
    Refusal::new(
        Reason::Internal,
        "a segment names a track that its file does not have",
    )
}

/// The tag of a segment whose first frame is decoded at `time`.
fn tag(segment: &Segment, options: &TsOptions, time: i64) -> Vec<u8> {
    let millis = u64::try_from(time.max(0).saturating_add(45) / 90).unwrap_or(0);
    let time = segment.origin.saturating_add(millis);
    id3::tag(options.id3_data.as_deref(), time, segment.sequence_id.as_deref())
}
