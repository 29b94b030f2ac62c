//! Packetised elementary streams: their place in a segment and their headers (ISO/IEC 13818-1, 2.4.3).

use super::{PACKET, SYNC};

/// Bytes of a packet behind its header.
pub(super) const ROOM: usize = PACKET - 4;

/// What the clock reference needs of the first packet's room.
const PCR: usize = 8;

/// Added to every time, so that the clock can start before the first frame: 101 ms.
const OFFSET: i64 = 9_090;

/// By how much the clock leads the decoding time: 50 ms.
const LEAD: i64 = 4_500;

/// Times have 33 bits.
const TIME: u64 = (1 << 33) - 1;

/// One PES packet: where it stands in the segment, and from which samples it is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pes {
    /// When it is shown, before [`OFFSET`].
    pub(super) pts: i64,
    /// When it is decoded, before [`OFFSET`].
    pub(super) dts: i64,
    /// Where its first sample starts in the file.
    pub(super) offset: u64,
    /// Bytes of its first sample.
    pub(super) size: u32,
    /// Its first transport packet's number in the segment; meaningless when packets of streams are mixed.
    pub(super) packet: u32,
    /// Bytes after the PES header: what [`Pes::carried`] and [`Pes::left`] leave.
    pub(super) body: u32,
    /// Its first sample's number in the track.
    pub(super) sample: u32,
    /// How many samples it is made of.
    pub(super) samples: u32,
    /// Which of the stream's parts the first sample is in.
    pub(super) part: u16,
    /// Which stream.
    pub(super) stream: u8,
    /// Counter of its first packet.
    pub(super) counter: u8,
    /// Bytes of the stream's previous PES packet that stand at its front.
    pub(super) carried: u8,
    /// Bytes of its own that are left for the next one.
    pub(super) left: u8,
    /// Packets without payload after it, which bring the counter to its last value.
    pub(super) fill: u8,
    /// Whether decoding can start here.
    pub(super) key: bool,
}

/// What all PES packets of one stream have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) pid: u16,
    /// `stream_id` (table 2-22).
    pub(super) id: u8,
    /// Whether the first packet of each carries the clock.
    pub(super) clock: bool,
    /// Whether headers tell the DTS too.
    pub(super) decoding_time: bool,
    /// Whether the length is never told, as only video may.
    pub(super) endless: bool,
}

impl Shape {
    /// Bytes of a PES header.
    pub(super) const fn header(&self) -> usize {
        if self.decoding_time { 19 } else { 14 }
    }

    /// How many bytes of a body the first packet takes.
    pub(super) const fn first(&self) -> usize {
        ROOM - self.header() - if self.clock { PCR } else { 0 }
    }

    /// Packets for a body of so many bytes.
    pub(super) const fn packets(&self, body: u32) -> u32 {
        let first = self.first() as u32;
        1 + body.saturating_sub(first).div_ceil(ROOM as u32)
    }

    /// Where in the body packet `number` of a PES starts.
    pub(super) const fn at(&self, number: u32) -> usize {
        match number.checked_sub(1) {
            None => 0,
            Some(after) => self.first() + after as usize * ROOM,
        }
    }

    /// Writes everything of packet `number` that stands before the body's bytes and gives where they begin.
    pub(super) fn write(&self, out: &mut [u8; PACKET], pes: &Pes, number: u32) -> usize {
        let [high, low] = self.pid.to_be_bytes();
        let counter = counter(pes, number);
        *out = [0xFF; PACKET];
        let left = (pes.body as usize).saturating_sub(self.at(number));
        let (start, space) = if number == 0 {
            (0x40, self.first())
        } else {
            (0, ROOM)
        };
        let stuffing = space.saturating_sub(left);
        let clock = self.clock && number == 0;
        let adaptation = stuffing + if clock { PCR } else { 0 };
        let control = if adaptation > 0 { 0x30 } else { 0x10 };
        let mut head = Head { out, at: 0 };
        head.put(&[SYNC, start | high, low, control | counter]);
        if let Some(length) = adaptation.checked_sub(1) {
            head.put(&[u8::try_from(length).unwrap_or(0)]);
            if length > 0 {
                head.put(&[if clock { 0x10 } else { 0 }]);
            }
            if clock {
                // Only times that are moved to the start of the audio come before zero.
                let base = pes.dts.saturating_add(OFFSET - LEAD).max(0).cast_unsigned() & TIME;
                let [_, _, reference @ ..] = (base << 15 | 0x3F << 9).to_be_bytes();
                head.put(&reference);
            }
            head.at = 4 + adaptation;
        }
        if number == 0 {
            self.write_header(&mut head, pes);
        }
        head.at
    }

    fn write_header(&self, head: &mut Head<'_>, pes: &Pes) {
        let times = self.header() - 9;
        let length = u16::try_from(3 + times + pes.body as usize).ok();
        let [high, low] = length.filter(|_| !self.endless).unwrap_or(0).to_be_bytes();
        let aligned = if pes.carried == 0 { 0x84 } else { 0x80 };
        let flags = if self.decoding_time { 0xC0 } else { 0x80 };
        let size = u8::try_from(times).unwrap_or(0);
        head.put(&[0, 0, 1, self.id, high, low, aligned, flags, size]);
        head.put(&time(flags >> 2, pes.pts));
        if self.decoding_time {
            head.put(&time(0x10, pes.dts));
        }
    }

    /// A packet without payload: only the counter goes on.
    pub(super) fn write_fill(&self, out: &mut [u8; PACKET], pes: &Pes, number: u32) {
        let [high, low] = self.pid.to_be_bytes();
        *out = [0xFF; PACKET];
        let head = [SYNC, high, low, 0x30 | counter(pes, number), 183, 0];
        for (to, from) in out.iter_mut().zip(head) {
            *to = from;
        }
    }
}

/// The counter of packet `number` of `pes`.
pub(super) fn counter(pes: &Pes, number: u32) -> u8 {
    u8::try_from(u32::from(pes.counter).wrapping_add(number) & 15).unwrap_or(0)
}

/// A time of a PES header: 33 bits with marks between them, after `prefix` (2.4.3.7).
fn time(prefix: u8, time: i64) -> [u8; 5] {
    let time = time.saturating_add(OFFSET).cast_unsigned() & TIME;
    let bits = |shift: u32, mask: u64| u8::try_from(time >> shift & mask).unwrap_or(0);
    [
        prefix | bits(30, 7) << 1 | 1,
        bits(22, 255),
        bits(15, 127) << 1 | 1,
        bits(7, 255),
        bits(0, 127) << 1 | 1,
    ]
}

/// Writes into a packet from the front.
struct Head<'a> {
    out: &'a mut [u8; PACKET],
    at: usize,
}

impl Head<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.out.get_mut(self.at..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.at += bytes.len();
    }
}
