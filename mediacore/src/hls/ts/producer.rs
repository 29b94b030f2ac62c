//! The packets of a plan, made as they are asked for.

use std::ops::Range;
use std::sync::Arc;

use super::form::{Body, Form};
use super::pes::{Pes, ROOM, counter};
use super::window::Window;
use super::{HEAD_PACKETS, Lane, Mux, PACKET, Part, SYNC, no_track};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{Filled, Producer, Wait};

/// How much of a file is read at a time: what is asked for, within these.
const READ: Range<u64> = 16 << 10..256 << 10;

/// The same for sound, of which little is needed between pictures.
const AUDIO_READ: u64 = 16 << 10;

static ZEROS: [u8; ROOM] = [0; ROOM];

/// Makes a range of a segment.
pub(super) struct Producing {
    mux: Arc<Mux>,
    /// The next byte.
    at: u64,
    end: u64,
    /// Which piece of the plan the next byte is in.
    piece: usize,
    streams: Vec<Reading>,
    /// The packet that is given in parts, and its number.
    packet: [u8; PACKET],
    packet_number: Option<u32>,
}

/// What is read and made of one stream.
#[derive(Debug, Default)]
struct Reading {
    window: Window,
    /// Which PES packet the body is of.
    open: Option<u32>,
    body: Body,
    cursor: Cursor,
    /// The packet that the cursor is at.
    number: u32,
    /// What the last PES packet left, and for which PES packet.
    tail: Vec<u8>,
    tail_for: Option<u32>,
}

/// A place in a body: which piece, and which of its bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    piece: usize,
    offset: usize,
}

impl Producing {
    pub(super) fn new(mux: Arc<Mux>, range: Range<u64>) -> Self {
        let first = u32::try_from(range.start / PACKET as u64).unwrap_or(u32::MAX);
        Self {
            at: range.start,
            end: range.end,
            piece: mux.piece_of(first),
            streams: mux.lanes.iter().map(|_| Reading::default()).collect(),
            packet: [0; PACKET],
            packet_number: None,
            mux,
        }
    }

    /// Appends something, at most `room` bytes; false when the media is not in memory.
    fn step(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<bool> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = room.min(left);
        let number = u32::try_from(self.at / PACKET as u64).unwrap_or(u32::MAX);
        let inside = usize::try_from(self.at % PACKET as u64).unwrap_or(0);
        if number < HEAD_PACKETS {
            let from = usize::try_from(self.at).unwrap_or(usize::MAX);
            let bytes = self.mux.head.get(from..).unwrap_or_default();
            let bytes = bytes.get(..room).unwrap_or(bytes);
            out.extend_from_slice(bytes);
            self.at += bytes.len() as u64;
            return Ok(true);
        }
        let whole = room / PACKET;
        if inside == 0 && whole > 0 {
            let from = out.len();
            let made = self.packets(out, number, whole, wait)?;
            self.at += (out.len() - from) as u64;
            return Ok(made);
        }
        if self.packet_number != Some(number) {
            let mut packet = Vec::with_capacity(PACKET);
            if !self.packets(&mut packet, number, 1, wait)? {
                return Ok(false);
            }
            self.packet = packet.try_into().map_err(|_| beyond())?;
            self.packet_number = Some(number);
        }
        let rest = self.packet.get(inside..).unwrap_or_default();
        let part = rest.get(..room).unwrap_or(rest);
        out.extend_from_slice(part);
        self.at += part.len() as u64;
        Ok(true)
    }

    /// Appends one to `room` packets from packet `number` on; false when the media is not in memory.
    fn packets(&mut self, out: &mut Vec<u8>, number: u32, room: usize, wait: Wait) -> Result<bool> {
        let mux = &*self.mux;
        let mut place = mux.place(self.piece).ok_or_else(beyond)?;
        while number >= place.packets.end {
            self.piece += 1;
            place = mux.place(self.piece).ok_or_else(beyond)?;
        }
        let pes = mux.pes.get(place.pes as usize).ok_or_else(beyond)?;
        let stream = usize::from(pes.stream);
        let lane = mux.lanes.get(stream).ok_or_else(beyond)?;
        let reading = self.streams.get_mut(stream).ok_or_else(beyond)?;

        let within = number
            .saturating_sub(place.packets.start)
            .saturating_add(place.first);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let count = (place.packets.end - number).min(room);
        let media = lane.shape.packets(pes.body).saturating_sub(within);
        if media == 0 {
            for fill in within..within + count {
                let mut packet = [0; PACKET];
                lane.shape.write_fill(&mut packet, pes, fill);
                out.extend_from_slice(&packet);
            }
            return Ok(true);
        }
        let ask = Ask {
            wait,
            until: u32::try_from(self.end.div_ceil(PACKET as u64)).unwrap_or(u32::MAX),
            bytes: (u64::from(room) * PACKET as u64).clamp(READ.start, READ.end),
        };
        if !reading.open(mux, place.pes, &ask)? {
            return Ok(false);
        }
        reading.seek(lane, within);
        reading.write(lane, pes, count.min(media), out);
        Ok(true)
    }
}

impl Producer for Producing {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> Result<Filled> {
        let from = out.len();
        let end = from.saturating_add(room);
        while self.at < self.end && out.len() < end {
            let room = end - out.len();
            if !self.step(out, room, wait)? {
                break;
            }
        }
        Ok(match (out.len() > from, self.at < self.end) {
            (true, _) => Filled::More,
            (false, true) if room > 0 => Filled::Cold,
            (false, true) => Filled::More,
            (false, false) => Filled::End,
        })
    }
}

/// How the media may be read.
struct Ask {
    wait: Wait,
    /// The packet behind the last one that is wanted.
    until: u32,
    /// How much is worth reading at a time.
    bytes: u64,
}

impl Reading {
    /// Makes the body of a PES packet; false when the media is not in memory.
    fn open(&mut self, mux: &Mux, number: u32, ask: &Ask) -> Result<bool> {
        if self.open == Some(number) {
            return Ok(true);
        }
        let pes = mux.pes.get(number as usize).ok_or_else(beyond)?;
        if pes.carried > 0 && self.tail_for != Some(number) {
            let mut before = mux.pes.iter().take(number as usize);
            let before = before.rposition(|before| before.stream == pes.stream);
            let before = u32::try_from(before.ok_or_else(beyond)?).map_err(|_| beyond())?;
            self.body.clear();
            if !self.load(mux, before, ask)? {
                return Ok(false);
            }
            self.cursor = Cursor::default();
            self.skip(self.body.len().saturating_sub(usize::from(pes.carried)));
            self.keep_tail(pes.carried, number);
        }
        self.body.clear();
        if pes.carried > 0 {
            self.body.own.extend_from_slice(&self.tail);
        }
        if !self.load(mux, number, ask)? {
            return Ok(false);
        }
        if self.body.len() != pes.body as usize + usize::from(pes.left) {
            let text = format!(
                "the sample at {} is not what it was when the segment was planned",
                pes.offset
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.open = Some(number);
        self.cursor = Cursor::default();
        self.number = 0;
        if pes.left > 0
            && let Some(next) = mux
                .pes
                .iter()
                .skip(number as usize + 1)
                .position(|next| next.stream == pes.stream)
        {
            self.skip(pes.body as usize);
            let next = u32::try_from(next).map_err(|_| beyond())?;
            self.keep_tail(pes.left, number.saturating_add(1).saturating_add(next));
            self.cursor = Cursor::default();
        }
        Ok(true)
    }

    /// Keeps the bytes at the cursor for PES packet `number`.
    fn keep_tail(&mut self, count: u8, number: u32) {
        let mut tail = std::mem::take(&mut self.tail);
        tail.resize(usize::from(count), 0);
        self.copy(&mut tail);
        self.tail = tail;
        self.tail_for = Some(number);
    }

    /// Appends the samples of a PES packet to the body; false when they are not in memory.
    fn load(&mut self, mux: &Mux, number: u32, ask: &Ask) -> Result<bool> {
        self.open = None;
        let pes = mux.pes.get(number as usize).ok_or_else(beyond)?;
        let lane = mux.lanes.get(usize::from(pes.stream)).ok_or_else(beyond)?;
        let Some(part) = lane.parts.get(usize::from(pes.part)) else {
            self.body.own.extend_from_slice(&mux.tag);
            return Ok(true);
        };
        let Form::Video(video) = &part.form else {
            return self.load_audio(mux, lane, pes, ask);
        };
        let at = usize::from(pes.part);
        let bytes = pes.offset..pes.offset.saturating_add(u64::from(pes.size));
        if !self.window.holds(at, &bytes) {
            let until = neighbours(mux, number, pes, ask);
            let source = part.title.source();
            if !self.window.read(&**source, at, bytes.clone(), until, ask.wait)? {
                return Ok(false);
            }
        }
        let (start, sample) = self.window.take(&bytes);
        video.write(sample, start, pes.key, mux.cipher.as_ref(), &mut self.body)?;
        Ok(true)
    }

    fn load_audio(&mut self, mux: &Mux, lane: &Lane, pes: &Pes, ask: &Ask) -> Result<bool> {
        let mut left = pes.samples;
        let mut sample = pes.sample;
        for (at, part) in lane.parts.iter().enumerate().skip(usize::from(pes.part)) {
            if left == 0 {
                break;
            }
            let end = part.samples.end.min(sample.saturating_add(left));
            left -= end.saturating_sub(sample);
            if !self.load_part(mux, (at, part), sample..end, ask)? {
                return Ok(false);
            }
            sample = lane.parts.get(at + 1).map_or(0, |next| next.samples.start);
        }
        Ok(true)
    }

    fn load_part(&mut self, mux: &Mux, part: (usize, &Part), samples: Range<u32>, ask: &Ask) -> Result<bool> {
        let (at, part) = part;
        let index = part.title.tracks().get(part.track);
        let index = index
            .and_then(|track| part.title.samples(track))
            .ok_or_else(no_index)?;
        for sample in index.samples(samples) {
            let bytes = sample.offset..sample.end();
            if !self.window.holds(at, &bytes) {
                let mut until = bytes.end;
                for next in index.samples(sample.number + 1..part.samples.end) {
                    if next.offset != until || next.end() - bytes.start > AUDIO_READ {
                        break;
                    }
                    until = next.end();
                }
                let source = part.title.source();
                if !self.window.read(&**source, at, bytes.clone(), until, ask.wait)? {
                    return Ok(false);
                }
            }
            let (_, frame) = self.window.take(&bytes);
            part.form
                .write_audio(frame, mux.cipher.as_ref(), &mut self.body.own);
        }
        Ok(true)
    }

    /// Goes to the start of packet `number`.
    fn seek(&mut self, lane: &Lane, number: u32) {
        if self.number != number {
            self.cursor = Cursor::default();
            self.skip(lane.shape.at(number));
            self.number = number;
        }
    }

    /// Appends the next `count` packets of the open PES packet, all of which have payload.
    fn write(&mut self, lane: &Lane, pes: &Pes, count: u32, out: &mut Vec<u8>) {
        let shape = &lane.shape;
        let [high, low] = shape.pid.to_be_bytes();
        out.reserve(count as usize * PACKET);
        let mut left = count as usize;
        while left > 0 {
            let body_left = (pes.body as usize).saturating_sub(shape.at(self.number));
            let rest = self.rest();
            let plain = if self.number == 0 {
                0
            } else {
                left.min(body_left / ROOM)
            };
            let (chunks, _) = rest.as_chunks::<ROOM>();
            let chunks = chunks.get(..plain).unwrap_or(chunks);
            if chunks.is_empty() {
                let mut packet = [0; PACKET];
                let at = shape.write(&mut packet, pes, self.number);
                self.copy(packet.get_mut(at..).unwrap_or_default());
                out.extend_from_slice(&packet);
                self.number += 1;
                left -= 1;
                continue;
            }
            let first = counter(pes, self.number);
            for (chunk, counter) in chunks.iter().zip((0..16).cycle().skip(usize::from(first))) {
                out.extend_from_slice(&[SYNC, high, low, 0x10 | counter]);
                out.extend_from_slice(chunk);
            }
            let written = chunks.len();
            self.cursor.offset += written * ROOM;
            self.number += u32::try_from(written).unwrap_or(0);
            left -= written;
        }
    }

    /// What can be had in one piece at the cursor; empty at the end of a piece.
    fn rest(&self) -> &[u8] {
        let Cursor { piece, offset } = self.cursor;
        let Some(piece) = piece.checked_sub(1) else {
            return self.body.own.get(offset..).unwrap_or_default();
        };
        match self.body.pieces.get(piece) {
            Some(range) => self
                .window
                .bytes()
                .get(range.start + offset..range.end)
                .unwrap_or_default(),
            None => ZEROS
                .get(..self.body.zeros.saturating_sub(offset))
                .unwrap_or(&ZEROS),
        }
    }

    /// Goes to the next piece when this one has ended; false at the end of all.
    fn next_piece(&mut self) -> bool {
        self.cursor.offset = 0;
        self.cursor.piece += 1;
        self.cursor.piece <= self.body.pieces.len() + 1
    }

    fn copy(&mut self, mut to: &mut [u8]) {
        while !to.is_empty() {
            let rest = self.rest();
            let count = rest.len().min(to.len());
            let (now, later) = to.split_at_mut(count);
            if let Some(rest) = rest.get(..count) {
                now.copy_from_slice(rest);
            }
            to = later;
            self.cursor.offset += count;
            if count == 0 && !self.next_piece() {
                return;
            }
        }
    }

    fn skip(&mut self, mut count: usize) {
        while count > 0 {
            let passed = self.rest().len().min(count);
            self.cursor.offset += passed;
            count -= passed;
            if passed == 0 && !self.next_piece() {
                return;
            }
        }
    }
}

/// Up to where the stream's next pictures follow `pes` in the file without a gap.
fn neighbours(mux: &Mux, number: u32, pes: &Pes, ask: &Ask) -> u64 {
    let mut until = pes.offset.saturating_add(u64::from(pes.size));
    for next in mux.pes.iter().skip(number as usize + 1) {
        if mux.runs.is_empty() && next.packet >= ask.until {
            break;
        }
        if next.stream != pes.stream {
            continue;
        }
        let end = until.saturating_add(u64::from(next.size));
        if next.part != pes.part || next.offset != until || end - pes.offset > ask.bytes {
            break;
        }
        until = end;
    }
    until
}

fn beyond() -> Error {
    Error::new(
        ErrorKind::Internal,
        "bytes beyond the end of a segment are asked for",
    )
}

fn no_index() -> Error {
    Error::new(ErrorKind::Internal, no_track().detail)
}
