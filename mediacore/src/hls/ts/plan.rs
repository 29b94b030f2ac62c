//! In which order frames become PES packets, and how many packets each takes.

use super::form::Form;
use super::pes::{Pes, ROOM, Shape};
use super::window::Window;
use super::{HEAD_PACKETS, KeyFrame, Lane, Part, Run, no_track};
use crate::hls::crypt::SampleCipher;
use crate::hls::options::TsOptions;
use crate::hls::{Frame, Reason, Refusal, Segment, frames::FrameIter};
use crate::layout::Wait;

/// Bytes of audio, ADTS headers counted, that are collected for one PES packet.
const AUDIO_BYTES: u64 = 2_930;

/// How long audio is held back while frames of other streams come: 350 ms.
const AUDIO_HOLD: i64 = 31_500;

/// How much audio a PES packet takes where packets are mixed: 0.7 s.
const MIXED_AUDIO: i64 = 63_000;

/// By how much video is moved at most to start with the audio; more would be before the clock starts.
const MAX_ALIGN: i64 = 9_090;

/// How much is read at a time where sizes can't be told without reading.
const READ: u64 = 256 << 10;

/// The order of everything in one segment.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) pes: Vec<Pes>,
    pub(super) runs: Vec<Run>,
    pub(super) packets: u32,
    /// The pictures that decoding can start at; only where PES packets are not kept.
    pub(super) keys: Vec<KeyFrame>,
    /// The time that the ID3 tag tells.
    pub(super) tag_time: Option<i64>,
}

impl Plan {
    /// Plans `segment`; without `keep` it only notes key frames.
    pub(super) fn new(
        segment: &Segment,
        lanes: &[Lane],
        options: &TsOptions,
        cipher: Option<&SampleCipher>,
        keep: bool,
    ) -> Result<Self, Refusal> {
        let feeds = segment.streams.iter().zip(lanes).map(|(stream, lane)| {
            let video = lane.shape.decoding_time;
            Feed {
                lane,
                video,
                shift: if video && options.align_pts {
                    stream.initial_delay.clamp(0, MAX_ALIGN)
                } else {
                    0
                },
                rest: stream.parts.iter(),
                clip: None,
                frames: None,
                part: 0,
                sample: 0,
                next: None,
                packets: 0,
                carried: 0,
                held: Pes::default(),
                slot: 0,
                begun: 0,
                window: Window::default(),
            }
        });
        let mut feeds: Vec<Feed<'_>> = feeds.collect();
        next_clip(&mut feeds);
        let first = feeds.iter().find_map(Feed::time);
        let about = feeds.iter().zip(&segment.streams).map(|(feed, stream)| {
            // Sound makes fewer PES packets than frames.
            if feed.video {
                stream.len()
            } else {
                stream.len() / 4
            }
        });
        let about = about.sum::<usize>().min(1 << 16);
        let mut planner = Planner {
            plan: Self {
                packets: HEAD_PACKETS,
                ..Self::default()
            },
            tag: lanes.get(feeds.len()).and(first),
            number: segment.number,
            tag_bytes: first.map_or(0, |time| super::tag(segment, options, time).len()),
            lanes,
            feeds,
            mixed: options.interleave_frames,
            align: options.align_frames,
            cipher,
            keep,
        };
        planner.plan.tag_time = planner.tag;
        if keep {
            planner.plan.pes.reserve(about);
        }
        planner.run()?;
        planner.plan.pes.shrink_to_fit();
        Ok(planner.plan)
    }
}

/// The frames of one stream, and what is held back of them.
struct Feed<'a> {
    lane: &'a Lane,
    video: bool,
    /// Taken from all its times.
    shift: i64,
    rest: std::slice::Iter<'a, crate::hls::Frames>,
    /// The clip that frames are taken of.
    clip: Option<u32>,
    frames: Option<FrameIter<'a>>,
    /// The part that `next` is in.
    part: usize,
    /// The number of `next` in its track.
    sample: u32,
    next: Option<Frame>,
    /// Packets so far, which the counter follows.
    packets: u32,
    /// Bytes of the last PES packet that the next one starts with.
    carried: u8,
    /// Frames that wait for more of them; none when [`Pes::samples`] is zero.
    held: Pes,
    /// Where packets are mixed: the held PES packet's place in the plan, and how many of its packets have theirs.
    slot: u32,
    begun: u32,
    window: Window,
}

impl<'a> Feed<'a> {
    /// When the next frame is decoded.
    fn time(&self) -> Option<i64> {
        self.next.map(|frame| frame.dts.saturating_sub(self.shift))
    }

    /// Goes on to the next frame of the clip.
    #[inline]
    fn advance(&mut self) {
        self.sample = self.sample.wrapping_add(1);
        self.next = self.frames.as_mut().and_then(Iterator::next);
        while self.next.is_none() {
            let Some(frames) = self.rest.as_slice().first() else {
                return;
            };
            if self.clip != Some(frames.clip) {
                return;
            }
            self.rest.next();
            self.part = if self.frames.is_some() { self.part + 1 } else { 0 };
            self.sample = frames.samples.start;
            self.next = self.frames.insert(frames.iter()).next();
        }
    }

    fn part(&self) -> Result<&'a Part, Refusal> {
        self.lane.parts.get(self.part).ok_or_else(no_track)
    }
}

struct Planner<'a> {
    plan: Plan,
    feeds: Vec<Feed<'a>>,
    lanes: &'a [Lane],
    /// When the tag is due.
    tag: Option<i64>,
    number: u32,
    tag_bytes: usize,
    mixed: bool,
    align: bool,
    cipher: Option<&'a SampleCipher>,
    keep: bool,
}

impl Planner<'_> {
    /// Always the frame that is decoded first; of several the one of the first stream.
    fn run(&mut self) -> Result<(), Refusal> {
        loop {
            let mut best: Option<(i64, usize)> = None;
            for (number, feed) in self.feeds.iter().enumerate() {
                if let Some(time) = feed.time()
                    && best.is_none_or(|(least, _)| time < least)
                {
                    best = Some((time, number));
                }
            }
            match (self.tag, best) {
                (Some(at), _) if best.is_none_or(|(time, _)| at < time) => {
                    self.release(at, usize::MAX)?;
                    self.place_tag(at)?;
                }
                (_, Some((time, number))) => {
                    self.release(time, number)?;
                    self.take(number)?;
                }
                (_, None) if !next_clip(&mut self.feeds) => return Ok(()),
                (_, None) => {}
            }
        }
    }

    /// Sends what other streams hold back for too long when a frame at `time` comes.
    #[inline]
    fn release(&mut self, time: i64, except: usize) -> Result<(), Refusal> {
        if self.mixed {
            return Ok(());
        }
        for number in 0..self.feeds.len() {
            let Some(feed) = self.feeds.get(number) else { break };
            let held = feed.held;
            if number != except && held.samples > 0 && time > held.dts.saturating_add(AUDIO_HOLD) {
                self.send_held(number, false)?;
            }
        }
        Ok(())
    }

    /// Takes the next frame of a stream.
    #[inline]
    fn take(&mut self, number: usize) -> Result<(), Refusal> {
        let cipher = self.cipher;
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        let Some(frame) = feed.next else { return Ok(()) };
        let form = &feed.part()?.form;
        if !form.takes(frame.size) {
            let text = format!("an AAC frame of {} bytes is too long for ADTS", frame.size);
            return Err(Refusal::new(Reason::BadData, text));
        }
        let told = form.size(frame.size, frame.key);
        let bytes = match told.filter(|_| cipher.is_none() || !feed.video) {
            Some(bytes) => bytes,
            None => measure(feed, &frame, cipher)?,
        };
        let dts = frame.dts.saturating_sub(feed.shift);
        let pes = Pes {
            pts: dts.saturating_add(frame.delay),
            dts,
            offset: frame.offset,
            size: frame.size,
            sample: feed.sample,
            samples: 1,
            part: u16::try_from(feed.part).map_err(|_| too_large())?,
            stream: u8::try_from(number).map_err(|_| too_large())?,
            key: frame.key && feed.video,
            ..Pes::default()
        };
        feed.advance();
        let last = feed.next.is_none();
        if feed.video {
            return self.send(number, pes, bytes, last);
        }
        if self.mixed {
            return self.mix(number, pes, bytes, last);
        }
        if feed.held.samples > 0 && u64::from(feed.held.body) + bytes > AUDIO_BYTES {
            self.send_held(number, false)?;
        }
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        hold(&mut feed.held, pes, bytes)?;
        if last || bytes > AUDIO_BYTES {
            self.send_held(number, last)?;
        }
        Ok(())
    }

    fn send_held(&mut self, number: usize, last: bool) -> Result<(), Refusal> {
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        let held = std::mem::take(&mut feed.held);
        self.send(number, held, u64::from(held.body), last)
    }

    /// Gives a PES packet of `bytes` its place.
    #[inline]
    fn send(&mut self, number: usize, mut pes: Pes, bytes: u64, last: bool) -> Result<(), Refusal> {
        let align = self.align;
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        let shape = &feed.lane.shape;
        pes.counter = u8::try_from(feed.packets & 15).unwrap_or(0);
        pes.carried = feed.carried;
        pes.body = u32::try_from(bytes + u64::from(pes.carried)).map_err(|_| too_large())?;
        pes.left = if align || last { 0 } else { left(shape, pes.body) };
        pes.body -= u32::from(pes.left);
        feed.carried = pes.left;
        let packets = shape.packets(pes.body);
        feed.packets = feed.packets.wrapping_add(packets);
        pes.fill = fill(feed.packets, last);
        feed.packets = feed.packets.wrapping_add(u32::from(pes.fill));
        self.place(pes, packets)
    }

    /// Appends all packets of a PES packet.
    #[inline]
    fn place(&mut self, mut pes: Pes, packets: u32) -> Result<(), Refusal> {
        let packet = self.plan.packets;
        let end = packets
            .checked_add(u32::from(pes.fill))
            .and_then(|count| packet.checked_add(count));
        self.plan.packets = end.ok_or_else(too_large)?;
        pes.packet = packet;
        if self.keep {
            if self.mixed {
                let pes = u32::try_from(self.plan.pes.len()).map_err(|_| too_large())?;
                let first = 0;
                self.plan.runs.push(Run { packet, pes, first });
            }
            self.plan.pes.push(pes);
        } else if pes.key
            && let Some(lane) = self.lanes.get(usize::from(pes.stream))
        {
            self.plan.keys.push(KeyFrame::new(&pes, &lane.shape, packet));
        }
        Ok(())
    }

    /// Where packets are mixed: a frame's packets stand where the first byte of each comes up.
    fn mix(&mut self, number: usize, pes: Pes, bytes: u64, last: bool) -> Result<(), Refusal> {
        let align = self.align;
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        if feed.held.samples > 0 && pes.dts >= feed.held.dts.saturating_add(MIXED_AUDIO) {
            self.end_mixed(number, false)?;
        }
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        if feed.held.samples == 0 {
            feed.slot = u32::try_from(self.plan.pes.len()).map_err(|_| too_large())?;
            feed.begun = 0;
            feed.held.carried = feed.carried;
            feed.held.body = u32::from(feed.carried);
            if self.keep {
                self.plan.pes.push(pes);
            }
        }
        hold(&mut feed.held, pes, bytes)?;
        let shape = &feed.lane.shape;
        let body = feed.held.body;
        // The last packet may be left to the next PES packet.
        let begun = match left(shape, body) {
            1.. if !align => shape.packets(body) - 1,
            _ => shape.packets(body),
        };
        self.place_mixed(number, begun)?;
        if last {
            self.end_mixed(number, true)
        } else {
            Ok(())
        }
    }

    /// Places the packets of the held PES packet up to number `begun`.
    fn place_mixed(&mut self, number: usize, begun: u32) -> Result<(), Refusal> {
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        let (packet, first) = (self.plan.packets, feed.begun);
        let Some(count) = begun.checked_sub(first).filter(|count| *count > 0) else {
            return Ok(());
        };
        feed.begun = begun;
        self.plan.packets = packet.checked_add(count).ok_or_else(too_large)?;
        let pes = feed.slot;
        let goes_on = |run: &Run| run.pes == pes;
        if self.keep && !self.plan.runs.last().is_some_and(goes_on) {
            self.plan.runs.push(Run { packet, pes, first });
        }
        Ok(())
    }

    fn end_mixed(&mut self, number: usize, last: bool) -> Result<(), Refusal> {
        let align = self.align;
        let Some(feed) = self.feeds.get_mut(number) else {
            return Ok(());
        };
        let shape = &feed.lane.shape;
        let mut pes = std::mem::take(&mut feed.held);
        pes.counter = u8::try_from(feed.packets & 15).unwrap_or(0);
        pes.left = if align || last { 0 } else { left(shape, pes.body) };
        pes.body -= u32::from(pes.left);
        feed.carried = pes.left;
        let packets = shape.packets(pes.body);
        feed.packets = feed.packets.wrapping_add(packets);
        pes.fill = fill(feed.packets, last);
        feed.packets = feed.packets.wrapping_add(u32::from(pes.fill));
        let slot = feed.slot as usize;
        self.place_mixed(number, packets + u32::from(pes.fill))?;
        if let Some(place) = self.plan.pes.get_mut(slot) {
            *place = pes;
        }
        Ok(())
    }

    /// The counter of its PID goes on from segment to segment without packets that fill it up.
    fn place_tag(&mut self, at: i64) -> Result<(), Refusal> {
        self.tag = None;
        let stream = self.feeds.len();
        let shape = self.lanes.get(stream).map(|lane| lane.shape);
        let body = u32::try_from(self.tag_bytes).map_err(|_| too_large())?;
        let pes = Pes {
            pts: at,
            dts: at,
            body,
            samples: 1,
            stream: u8::try_from(stream).map_err(|_| too_large())?,
            counter: u8::try_from(self.number & 15).unwrap_or(0),
            ..Pes::default()
        };
        self.place(pes, shape.map_or(0, |shape| shape.packets(body)))
    }
}

/// Takes all streams to the next clip that has frames; false when there is none.
fn next_clip(feeds: &mut [Feed<'_>]) -> bool {
    loop {
        let clips = feeds.iter().filter_map(|feed| feed.rest.as_slice().first());
        let Some(clip) = clips.map(|frames| frames.clip).min() else {
            return false;
        };
        for feed in &mut *feeds {
            feed.clip = Some(clip);
            feed.advance();
        }
        if feeds.iter().any(|feed| feed.next.is_some()) {
            return true;
        }
    }
}

/// How many bytes of a body are left for the next PES packet where frames may share packets: those of its last packet when
/// it is not the first too, and when the next header leaves room behind them.
fn left(shape: &Shape, body: u32) -> u8 {
    let after = (body as usize).saturating_sub(shape.first());
    let tail = after % ROOM;
    if tail < shape.first() {
        u8::try_from(tail).unwrap_or(0)
    } else {
        0
    }
}

/// How many empty packets bring the counter to its last value after `packets`.
fn fill(packets: u32, last: bool) -> u8 {
    if last {
        u8::try_from(packets.wrapping_neg() & 15).unwrap_or(0)
    } else {
        0
    }
}

/// Adds a frame to those that are held.
fn hold(held: &mut Pes, frame: Pes, bytes: u64) -> Result<(), Refusal> {
    let body = u32::try_from(u64::from(held.body) + bytes).map_err(|_| too_large())?;
    if held.samples == 0 {
        let carried = held.carried;
        *held = Pes { carried, ..frame };
    } else {
        held.samples += 1;
    }
    held.body = body;
    Ok(())
}

/// The bytes of a picture's payload, which has to be read for that.
fn measure(feed: &mut Feed<'_>, frame: &Frame, cipher: Option<&SampleCipher>) -> Result<u64, Refusal> {
    let part = feed.part()?;
    let bytes = frame.offset..frame.offset.saturating_add(u64::from(frame.size));
    if !feed.window.holds(feed.part, &bytes) {
        let mut until = bytes.end;
        for next in feed.frames.iter().flat_map(Clone::clone) {
            let end = until.saturating_add(u64::from(next.size));
            if next.offset != until || end - bytes.start > READ {
                break;
            }
            until = end;
        }
        let source = part.title.source();
        feed.window
            .read(&**source, feed.part, bytes.clone(), until, Wait::Yes)?;
    }
    let (_, sample) = feed.window.take(&bytes);
    match &part.form {
        Form::Video(video) => Ok(video.measure(sample, frame.key, cipher)?),
        Form::Adts(_) | Form::Plain(_) => Ok(u64::from(frame.size)),
    }
}

fn too_large() -> Refusal {
    Refusal::bad_request("the segment is too large")
}
