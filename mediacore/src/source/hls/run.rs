//! [`Reader`]: the packets of one rendition, run after run, each run with a demuxer of its own.

use std::time::Duration;

use super::packed;
use super::rendition::{Format, Shared, WallMark};
use crate::codec::Kind;
use crate::error::Result;
use crate::source::libav::{self, PROBE_LENGTH};
use crate::source::{InputEvent, Interrupt, Packet, TrackInfo};
use crate::time::{Ticks, TimeBase};

/// How far a segment's tables are looked for. They should be its first packets (RFC 8216, 3.2); tracks of which they don't tell are still
/// found while the run is probed.
const TS_HEADER_BYTES: u64 = 512 << 10;

/// What comes next from a rendition.
pub(crate) enum Item {
    /// A packet, its track known to the caller's list.
    Packet(Packet),
    /// Anything else.
    Event(InputEvent),
    /// A run was opened or ended: ask again.
    Nothing,
    /// The playlist ended.
    End {
        /// With `EXT-X-ENDLIST`.
        complete: bool,
    },
}

/// See the module.
pub(crate) struct Reader {
    shared: Shared,
    interrupt: Interrupt,
    /// Which kind of stream is left out because another rendition has it.
    without: Option<Kind>,
    tells_wall: bool,
    run: Option<Run>,
    waiting: Option<Packet>,
    /// The newest DTS in 90 kHz ticks, for whoever interleaves.
    pub(crate) position: Option<Ticks>,
}

struct Run {
    input: av::Input,
    format: Format,
    /// Index in the caller's list for each stream; `None` for one that is left out.
    streams: Vec<Option<usize>>,
    /// A decoder configuration that differs from the track's first, due with the next packet of the stream.
    setup: Vec<Option<bytes::Bytes>>,
    /// Where the next packet of each stream begins if it does not say so.
    next: Vec<Option<Ticks>>,
    /// DTS and playlist time of the last wall mark.
    anchor: Option<(Ticks, Duration)>,
}

impl Reader {
    pub(crate) fn new(
        shared: Shared,
        without: Option<Kind>,
        tells_wall: bool,
        interrupt: &Interrupt,
    ) -> Self {
        Self {
            shared,
            interrupt: interrupt.clone(),
            without,
            tells_wall,
            run: None,
            waiting: None,
            position: None,
        }
    }

    /// How long its playlist's segments are at most.
    pub(crate) fn target(&self) -> Duration {
        self.shared.lock().target()
    }

    /// The next item; new tracks are added to `tracks`.
    pub(crate) fn next(&mut self, tracks: &mut Vec<TrackInfo>) -> Result<Item> {
        if let Some(packet) = self.waiting.take() {
            return Ok(Item::Packet(packet));
        }
        let Some(run) = &mut self.run else {
            return self.begin(tracks);
        };
        let read = run.input.read();
        run.learn_streams(self.without, tracks);
        match read {
            Ok(Some(unit)) => {
                let Some(packet) = run.packet(unit, &self.shared, tracks) else {
                    return Ok(Item::Nothing);
                };
                Ok(self.with_wall(packet, tracks))
            }
            Ok(None) => {
                self.run = None;
                Ok(Item::Nothing)
            }
            Err(cause) => {
                self.run = None;
                self.fail(cause)
            }
        }
    }

    fn begin(&mut self, tracks: &mut Vec<TrackInfo>) -> Result<Item> {
        let mut rendition = self.shared.lock();
        if let Some(event) = rendition.pop_event() {
            return Ok(Item::Event(event));
        }
        if let Some(complete) = rendition.ended() {
            return Ok(Item::End { complete });
        }
        if let Some(failure) = rendition.take_failure() {
            return Err(failure);
        }
        let Some(format) = rendition.begin_run()? else {
            return Ok(Item::Nothing);
        };
        drop(rendition);
        match open(format, &self.shared, &self.interrupt) {
            Ok(input) => {
                let mut run = Run {
                    input,
                    format,
                    streams: Vec::new(),
                    setup: Vec::new(),
                    next: Vec::new(),
                    anchor: None,
                };
                run.learn_streams(self.without, tracks);
                self.run = Some(run);
                Ok(Item::Nothing)
            }
            Err(cause) => self.fail(cause),
        }
    }

    /// A demuxer failed: because of our reader, because of a stop, or because of the bytes.
    fn fail(&mut self, cause: av::Error) -> Result<Item> {
        let mut rendition = self.shared.lock();
        if let Some(failure) = rendition.take_failure() {
            return Err(failure);
        }
        if matches!(
            cause.kind,
            av::ErrorKind::Cancelled | av::ErrorKind::TimedOut | av::ErrorKind::Internal
        ) {
            return Err(libav::error(cause));
        }
        rendition.reject_run(&cause.message)?;
        Ok(Item::Nothing)
    }

    /// Puts the wall-clock mark of a segment before its first packet: the first of a run, or the first key frame that
    /// is as far from the last mark as the playlist says.
    fn with_wall(&mut self, packet: Packet, tracks: &[TrackInfo]) -> Item {
        let Some(info) = tracks.get(packet.track) else {
            return Item::Packet(packet);
        };
        let Some(dts) = packet.dts.or(packet.pts) else {
            return Item::Packet(packet);
        };
        let dts = dts.saturating_rescale(info.time_base, TimeBase::MPEG);
        self.position = Some(dts);
        let Some(run) = self.run.as_mut().filter(|_| self.tells_wall) else {
            return Item::Packet(packet);
        };
        let mut rendition = self.shared.lock();
        let marks = rendition.walls();
        let Some(mark) = marks.front().copied() else {
            return Item::Packet(packet);
        };
        let is_place = match run.anchor {
            None => mark.offset.is_zero(),
            Some(anchor) => packet.sync && info.kind == main_kind(tracks) && reached(mark, anchor, dts),
        };
        if !is_place {
            if run.anchor.is_none() {
                run.anchor = Some((dts, Duration::ZERO));
            }
            return Item::Packet(packet);
        }
        marks.pop_front();
        run.anchor = Some((dts, mark.offset));
        self.waiting = Some(packet);
        Item::Event(InputEvent::Wall(mark.wall))
    }
}

impl Run {
    fn learn_streams(&mut self, without: Option<Kind>, tracks: &mut Vec<TrackInfo>) {
        for index in self.streams.len()..self.input.stream_count() {
            let Some(stream) = self.input.stream(index) else {
                return;
            };
            let mut info = libav::track(&stream);
            if matches!(self.format, Format::Adts | Format::Mp3 | Format::Ac3) {
                info.time_base = TimeBase::MPEG;
                info.wrap_bits = 33;
            }
            if info.kind.is_none() || info.kind == without {
                self.input.discard(index);
                self.streams.push(None);
                self.setup.push(None);
                continue;
            }
            let taken = |at: &usize| self.streams.contains(&Some(*at));
            let same = (0..tracks.len())
                .filter(|at| !taken(at))
                .find(|at| tracks.get(*at).is_some_and(|old| is_same(old, &info)));
            let changed = same
                .and_then(|at| tracks.get(at))
                .is_some_and(|old| old.extradata != info.extradata);
            self.setup.push(
                changed
                    .then(|| info.extradata.clone())
                    .filter(|setup| !setup.is_empty()),
            );
            self.streams.push(Some(same.unwrap_or_else(|| {
                tracks.push(info);
                tracks.len() - 1
            })));
        }
    }

    fn packet(&mut self, unit: av::Packet, shared: &Shared, tracks: &[TrackInfo]) -> Option<Packet> {
        let stream = unit.stream();
        let track = self.streams.get(stream).copied().flatten()?;
        let info = tracks.get(track)?;
        let mut packet = libav::packet(unit, track);
        if let Some(setup) = self.setup.get_mut(stream).and_then(Option::take) {
            packet.extradata.get_or_insert(setup);
        }
        if matches!(self.format, Format::Adts | Format::Mp3 | Format::Ac3) {
            let (num, den) = self.input.stream(stream)?.time_base;
            let from = TimeBase::new(num.into(), den.into())?;
            let start = shared.lock().packed_start();
            let place = |ticks: Ticks| {
                let ticks = ticks
                    .saturating_rescale(from, TimeBase::MPEG)
                    .saturating_add(start);
                Ticks(ticks.0.rem_euclid(1 << 33))
            };
            packet.pts = packet.pts.map(place);
            packet.dts = packet.dts.map(place);
            packet.duration = packet.duration.saturating_rescale(from, info.time_base);
        } else {
            self.complete_time(stream, info, &mut packet);
        }
        Some(packet)
    }
}

impl Run {
    /// A PES packet has one time for all of its ADTS frames, and libav leaves the others without one as long as it looks
    /// for the stream's parameters.
    fn complete_time(&mut self, stream: usize, info: &TrackInfo, packet: &mut Packet) {
        let Some((samples, rate)) = packed::adts_length(&packet.data) else {
            return;
        };
        if packet.duration == Ticks::ZERO
            && let Some(base) = TimeBase::new(1, rate.into())
        {
            packet.duration = Ticks(samples.into()).saturating_rescale(base, info.time_base);
        }
        if self.next.len() <= stream {
            self.next.resize(stream + 1, None);
        }
        let Some(next) = self.next.get_mut(stream) else {
            return;
        };
        if packet.pts.is_none() && packet.dts.is_none() {
            packet.pts = *next;
            packet.dts = *next;
        }
        *next = packet.pts.map(|pts| pts.saturating_add(packet.duration));
    }
}

fn open(format: Format, shared: &Shared, interrupt: &Interrupt) -> Result<av::Input, av::Error> {
    let name = match format {
        Format::Ts => "mpegts",
        Format::Mp4 => "mov",
        Format::Adts => "aac",
        Format::Mp3 => "mp3",
        Format::Ac3 => "eac3",
    };
    let mut options = av::OpenOptions {
        format: Some(name.to_owned()),
        ..av::OpenOptions::default()
    };
    if format == Format::Ts {
        options.probe.header = TS_HEADER_BYTES;
    }
    if format == Format::Mp4 {
        // Without it the demuxer keeps the index of every fragment since the run began.
        options
            .options
            .push(("discard_fragments".to_owned(), "1".to_owned()));
    }
    let mut input = av::Input::open_reader(Box::new(shared.clone()), &options, interrupt)?;
    input.find_stream_info(PROBE_LENGTH)?;
    Ok(input)
}

/// Whether a stream of a new run continues a track: everything but the decoder configuration is the same.
fn is_same(old: &TrackInfo, new: &TrackInfo) -> bool {
    old.kind == new.kind
        && old.codec == new.codec
        && old.time_base == new.time_base
        && old.wrap_bits == new.wrap_bits
        && (old.sample_rate, old.channels) == (new.sample_rate, new.channels)
}

fn main_kind(tracks: &[TrackInfo]) -> Option<Kind> {
    let video = tracks.iter().any(|track| track.kind == Some(Kind::Video));
    Some(if video { Kind::Video } else { Kind::Audio })
}

/// Whether a packet lies where the mark's segment begins, within a quarter of a segment and half a second.
fn reached(mark: WallMark, (dts, offset): (Ticks, Duration), now: Ticks) -> bool {
    let slack = (mark.length / 4).min(Duration::from_millis(500));
    let due = mark.offset.saturating_sub(offset).saturating_sub(slack);
    let passed = Ticks(now.saturating_sub(dts).0.rem_euclid(1 << 33));
    // More than half the range of 33 bits is a step back, not twelve hours.
    passed.0 < 1 << 32 && passed.to_duration(TimeBase::MPEG) >= due
}
