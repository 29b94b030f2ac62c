//! From a source's packets to fragments: which tracks, where to begin, where a new part begins. No I/O.

use std::time::{Duration, Instant};

use crate::codec::{Kind, Track};
use crate::mp4::moov::MovieTrack;
use crate::mp4::sample_entry;
use crate::source::{Loss, Packet, TrackInfo};
use crate::time::{Ticks, Timescale};
use crate::timeline::{self, Cause, Placed, Timeline, Times};

use super::cutter::{Cut, Cutter, Limits, Placement};
use super::gate::{Gate, Held, KEY_FRAME_NOTICE};
use super::lane::{AudioPolicy, Lane, Prepared};

/// How packets are taken in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) audio: AudioPolicy,
    pub(crate) timeline: timeline::Policy,
    pub(crate) limits: Limits,
    /// How long tracks that were announced may keep the recording from beginning.
    pub(crate) start_wait: Duration,
    /// Samples from here on are not kept.
    pub(crate) duration: Option<Duration>,
    /// Sound from before the first picture is kept.
    pub(crate) early_audio: bool,
}

/// What comes out.
#[derive(Debug)]
pub(crate) enum Output {
    /// A part begins, with these tracks; the one before is complete.
    Part {
        /// The tracks with their movie zero, and what they are.
        tracks: Vec<PartTrack>,
        /// Where the part begins on the recording's timeline.
        at: Duration,
    },
    /// A track joins the part.
    Track(PartTrack),
    /// A fragment of the part.
    Fragment(Cut),
    /// Media is missing.
    Gap {
        /// Where on the recording's timeline.
        at: Duration,
        /// How much.
        length: Duration,
        /// Why.
        cause: String,
        /// The kind of track that misses it; `None` for all.
        kind: Option<Kind>,
    },
    /// Something that the operator should know.
    Notice(Notice),
}

/// A track of a part.
#[derive(Clone, Debug)]
pub(crate) struct PartTrack {
    pub(crate) movie: MovieTrack,
    /// Decoding time in the part's file that stands for the movie's zero.
    pub(crate) start: u64,
    pub(crate) track: Track,
}

/// Something that the operator should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// A track of the source is not recorded.
    TrackDropped {
        /// Codec as the source names it.
        codec: String,
        /// Why.
        reason: String,
    },
    /// A track is transcoded to AAC.
    TrackTranscoded {
        /// Codec as the source names it.
        codec: String,
    },
    /// An announced track has sent nothing; the recording began without it.
    TrackMissing {
        /// Codec as the source names it.
        codec: String,
    },
    /// Video comes, but nothing that decoding could start with.
    NoKeyFrame {
        /// For how long.
        waited: Duration,
    },
    /// The source's clock jumped; the recording's went on.
    ClockReset {
        /// Where on the recording's timeline.
        at: Duration,
        /// The last time of the old clock.
        from: Duration,
        /// The first time of the new clock.
        to: Duration,
    },
    /// Packets that can't be used, counted since the last such notice.
    PacketsDropped {
        /// Why.
        reason: String,
        /// How many.
        count: u64,
    },
}

/// After so many packets without a hole, a loss that the source told of is listed as it was told.
const LOSS_PACKETS: u32 = 300;
/// The largest unit that is taken from a live source, six times an average picture at 1 Gbit/s and 25 a second. A larger one would
/// be held several times on its way to the disk.
pub(crate) const MAX_UNIT_BYTES: usize = 32 << 20;
/// More audio tracks than any broadcast has.
const MAX_AUDIO: usize = 8;
/// Audio packets that may wait for the key frame with which their part begins.
const MAX_CHANGED: usize = 1024;

/// Takes packets in, gives fragments.
#[derive(Debug)]
pub(crate) struct Intake {
    options: Options,
    timeline: Timeline,
    lanes: Vec<Lane>,
    /// Output lane of each input track of this connection.
    inputs: Vec<Option<usize>>,
    /// How many of them may be replaced, since a discontinuity came after them.
    replaced: usize,
    /// Where packets wait until decoding can start.
    gate: Option<Gate>,
    /// Audio that changed and waits for the next key frame, with which a new part begins.
    changed: Vec<Held>,
    cutter: Cutter,
    part: Option<Part>,
    /// Where the next part begins on the recording's timeline: nothing is placed before it any more.
    origin: Duration,
    dropped: Dropped,
    /// What the source said is missing, where that is, and how many packets came since.
    loss: Option<(Loss, Duration, u32)>,
    placed: Vec<Placed>,
    events: Vec<timeline::Event>,
    full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where the part begins on the recording's timeline.
    origin: Duration,
    announced: usize,
    /// Once it has begun: the time in its file that stands for the movie's zero. Tracks that join later share it.
    zero: Option<Duration>,
}

#[derive(Debug, Default)]
struct Dropped {
    count: u64,
    reason: String,
    since: Option<Instant>,
}

impl Intake {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            timeline: Timeline::new(options.timeline.clone()),
            cutter: Cutter::new(options.limits),
            options,
            lanes: Vec::new(),
            inputs: Vec::new(),
            replaced: 0,
            gate: Some(Gate::default()),
            changed: Vec::new(),
            part: None,
            origin: Duration::ZERO,
            dropped: Dropped::default(),
            loss: None,
            placed: Vec::new(),
            events: Vec::new(),
            full: false,
        }
    }

    /// A connection begins; `cause` says why the one before ended.
    pub(crate) fn connect(&mut self, now: Instant, cause: Option<String>, out: &mut Vec<Output>) {
        self.timeline.begin_session(
            now,
            cause.map(Cause::Connection),
            &mut self.placed,
            &mut self.events,
        );
        self.inputs.clear();
        self.replaced = 0;
        self.gate = Some(Gate::default());
        self.changed.clear();
        self.settle(out);
    }

    /// The source says that its clock or its codecs may change here.
    pub(crate) fn discontinuity(&mut self, out: &mut Vec<Output>) {
        self.timeline.discontinuity(&mut self.placed, &mut self.events);
        self.replaced = self.inputs.len();
        self.settle(out);
    }

    /// The source itself says that media is missing here: listed with the hole that its timestamps show, or without one when they
    /// show none.
    pub(crate) fn lost(&mut self, loss: Loss, out: &mut Vec<Output>) {
        self.tell_loss(out);
        self.timeline.lost(loss.cause.clone());
        self.loss = Some((loss, self.timeline.frontier(), 0));
    }

    /// Lists a loss for which no hole was seen.
    fn tell_loss(&mut self, out: &mut Vec<Output>) {
        if let Some((Loss { length, cause }, at, _)) = self.loss.take() {
            out.push(Output::Gap {
                at,
                length: length.unwrap_or_default(),
                cause,
                kind: None,
            });
        }
    }

    /// How much is on the recording's timeline.
    pub(crate) fn position(&self) -> Duration {
        match self.options.duration {
            Some(limit) if self.full => limit,
            _ => self.timeline.frontier(),
        }
    }

    /// Whether everything that was asked for is there.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// What was repaired so far.
    pub(crate) fn counters(&self) -> timeline::Counters {
        self.timeline.counters()
    }

    /// The source's tracks; to be called whenever there are more.
    pub(crate) fn tracks(&mut self, tracks: &[TrackInfo], out: &mut Vec<Output>) {
        for info in tracks.iter().skip(self.inputs.len()) {
            let lane = self.lane_for(info, out);
            self.inputs.push(lane);
        }
    }

    fn lane_for(&mut self, info: &TrackInfo, out: &mut Vec<Output>) -> Option<usize> {
        let dropped = |reason: String| {
            Output::Notice(Notice::TrackDropped {
                codec: info.codec.clone(),
                reason,
            })
        };
        let Some(kind) = info.kind else {
            out.push(dropped("neither video nor audio".into()));
            return None;
        };
        // Tracks that come after a discontinuity take the places of those before it.
        let taken = |index: usize| {
            self.inputs
                .get(self.replaced..)
                .is_some_and(|now| now.contains(&Some(index)))
        };
        let same_kind = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.kind == kind);
        let (free, count) = (
            same_kind
                .clone()
                .find(|(index, _)| !taken(*index))
                .map(|(i, _)| i),
            same_kind.count(),
        );
        if free.is_none() && count >= (if kind == Kind::Video { 1 } else { MAX_AUDIO }) {
            out.push(dropped(format!("{count} {kind} track(s) are recorded already")));
            return None;
        }
        let made = match free {
            Some(index) => self.lanes[index]
                .connect(info, self.options.audio)
                .map(|()| index),
            None => Lane::new(info, self.options.audio).map(|lane| {
                self.lanes.push(lane);
                self.lanes.len() - 1
            }),
        };
        match made {
            Ok(index) => {
                let lane = &self.lanes[index];
                if lane.is_transcoded() && lane.part.is_none() {
                    out.push(Output::Notice(Notice::TrackTranscoded {
                        codec: info.codec.clone(),
                    }));
                }
                if let Some(id) = lane.timeline() {
                    let spec = lane.spec();
                    self.timeline
                        .update_track(id, spec, &mut self.placed, &mut self.events);
                    self.settle(out);
                }
                Some(index)
            }
            Err(error) => {
                out.push(dropped(error.report()));
                None
            }
        }
    }

    /// Takes one packet.
    pub(crate) fn push(&mut self, now: Instant, packet: Packet, out: &mut Vec<Output>) {
        let Some(index) = self.inputs.get(packet.track).copied().flatten() else {
            return;
        };
        let prepared = match self.lanes[index].prepare(packet) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.drop_packets(now, 1, error.report(), out);
                return;
            }
        };
        for sample in prepared {
            self.take(
                Held {
                    lane: index,
                    sample,
                    at: now,
                },
                out,
            );
        }
        self.settle(out);
        if let Some((_, _, packets)) = &mut self.loss {
            *packets += 1;
            if *packets > LOSS_PACKETS {
                self.tell_loss(out);
            }
        }
    }

    /// The end: everything that is held goes out.
    pub(crate) fn finish(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.gate.as_ref().is_some_and(Gate::may_begin) {
            self.open(out);
        }
        self.timeline.flush(&mut self.placed, &mut self.events);
        self.settle(out);
        self.tell_loss(out);
        for index in 0..self.lanes.len() {
            if let Some(transcode) = self.lanes[index].transcode() {
                let samples = transcode.finish();
                self.place_transcoded(index, samples, out);
            }
        }
        self.cut(out);
        self.tell_dropped(now, out);
    }

    fn take(&mut self, held: Held, out: &mut Vec<Output>) {
        if self.gate.is_some() {
            self.hold(held, out);
            return;
        }
        let video = self.lanes[held.lane].kind == Kind::Video;
        let rotates = !self.lanes[held.lane].fits_part();
        let has_video = self
            .lanes
            .iter()
            .any(|lane| lane.kind == Kind::Video && lane.part.is_some());
        if rotates && !video && has_video && self.changed.len() < MAX_CHANGED {
            self.changed.push(held);
            return;
        }
        if !rotates && self.changed.iter().any(|changed| changed.lane == held.lane) {
            // A damaged header looked like other sound for a moment; those packets can't be decoded.
            let before = self.changed.len();
            self.changed.retain(|changed| changed.lane != held.lane);
            let lost = before - self.changed.len();
            self.drop_packets(
                held.at,
                lost as u64,
                "sound with other parameters for a moment".to_owned(),
                out,
            );
        }
        if rotates || (!self.changed.is_empty() && video && held.sample.sync) {
            self.rotate(out);
            for held in std::mem::take(&mut self.changed) {
                self.join(held, out);
            }
        }
        self.join(held, out);
    }

    /// Holds a sample until the recording can begin, then begins.
    fn hold(&mut self, held: Held, out: &mut Vec<Output>) {
        let Some(gate) = &mut self.gate else { return };
        let now = held.at;
        if let Some(waited) = gate.hold(held, &self.lanes) {
            out.push(Output::Notice(Notice::NoKeyFrame { waited }));
        }
        if gate.is_ready(now, &self.lanes, &self.inputs, self.options.start_wait) {
            self.open(out);
        }
    }

    /// Begins, or goes on after a reconnect, with the held samples from the first key frame on.
    fn open(&mut self, out: &mut Vec<Output>) {
        let Some(gate) = self.gate.take() else { return };
        for input in self.inputs.iter().flatten() {
            let lane = &self.lanes[*input];
            if lane.track().is_none() {
                out.push(Output::Notice(Notice::TrackMissing {
                    codec: lane.codec().to_owned(),
                }));
            }
        }
        for held in gate.release(&self.lanes, self.options.early_audio) {
            self.take(held, out);
        }
        self.settle(out);
    }

    /// Puts a sample on the timeline.
    fn join(&mut self, held: Held, out: &mut Vec<Output>) {
        let lane = &mut self.lanes[held.lane];
        let place = lane.timeline();
        if lane.track().is_none() || (place.is_none() && lane.kind == Kind::Video && !held.sample.sync) {
            return;
        }
        let Some(track) = place.or_else(|| self.timeline.add_track(lane.spec())) else {
            return;
        };
        if place.is_none() {
            lane.set_timeline(track);
        }
        let Prepared {
            data,
            pts,
            dts,
            duration,
            sync,
            frame,
            ..
        } = held.sample;
        lane.wait(data);
        let times = Times {
            track,
            pts,
            dts,
            duration,
            sync,
            frame,
        };
        self.timeline
            .push(held.at, times, &mut self.placed, &mut self.events);
        self.settle(out);
    }

    /// Ends the part: everything that is on its way goes into it, what comes next begins another.
    fn rotate(&mut self, out: &mut Vec<Output>) {
        self.timeline.flush(&mut self.placed, &mut self.events);
        self.settle(out);
        self.cut(out);
        self.part = None;
        let ends = self.lanes.iter().filter_map(|lane| {
            let end = self.timeline.end(lane.timeline()?);
            Some(end.to_duration(lane.spec().timescale.base()))
        });
        self.origin = ends.min().unwrap_or_default();
        self.cutter = Cutter::new(self.options.limits);
        self.lanes.iter_mut().for_each(|lane| lane.part = None);
    }

    /// Takes what the timeline has placed.
    fn settle(&mut self, out: &mut Vec<Output>) {
        let mut placed = std::mem::take(&mut self.placed);
        for placed in placed.drain(..) {
            match placed {
                Placed::Sample(sample) => {
                    let index = self.lanes.iter().position(|lane| lane.owns(sample.track));
                    let Some(index) = index else { continue };
                    let Some(data) = self.lanes[index].take_waiting(sample.token) else {
                        continue;
                    };
                    self.place(index, sample, data, out);
                }
                Placed::Dropped { track, token, .. } => {
                    if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.owns(track)) {
                        lane.take_waiting(token);
                    }
                }
            }
        }
        self.placed = placed;
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.tell(event, out);
        }
        self.events = events;
    }

    fn place(&mut self, index: usize, sample: timeline::Sample, data: bytes::Bytes, out: &mut Vec<Output>) {
        let lane = &mut self.lanes[index];
        if let Some(transcode) = lane.transcode() {
            let samples = transcode.push(sample.pts, &data);
            self.place_transcoded(index, samples, out);
            return;
        }
        let placement = Spot {
            dts: sample.dts,
            pts: sample.pts,
            duration: sample.duration,
            sync: sample.sync,
        };
        self.write(index, placement, data, out);
    }

    fn place_transcoded(
        &mut self,
        index: usize,
        samples: Vec<super::transcode::Coded>,
        out: &mut Vec<Output>,
    ) {
        for coded in samples {
            let spot = Spot {
                dts: coded.at,
                pts: coded.at,
                duration: coded.duration,
                sync: true,
            };
            self.write(index, spot, coded.data, out);
        }
    }

    /// Puts a placed sample into the part's file.
    fn write(&mut self, index: usize, spot: Spot, data: bytes::Bytes, out: &mut Vec<Output>) {
        let lane = &mut self.lanes[index];
        let Some(track) = lane.track().cloned() else {
            return;
        };
        let timescale = track.timescale();
        if let Some(limit) = self.options.duration {
            let limit = Ticks::from_duration(limit, timescale.base());
            if spot.dts >= limit {
                self.full |= lane.kind == Kind::Video || !self.has_video();
                return;
            }
        }
        if self.part.is_none() {
            self.begin_part();
        }
        let lane = &mut self.lanes[index];
        let (Some(part), Some(track)) = (&self.part, lane.track()) else {
            return;
        };
        if lane.part.is_none() {
            let id = self.cutter.add_track(lane.kind, timescale);
            lane.part = Some((id, track.clone()));
        }
        let Some((id, _)) = &lane.part else { return };
        let id = *id;
        let origin = origin_ticks(part.origin, timescale);
        let dts = spot.dts.saturating_sub(origin);
        let placement = Placement {
            dts: u64::try_from(dts.0).unwrap_or(0),
            pts: spot.pts.saturating_sub(origin).0,
            duration: spot.duration,
            sync: spot.sync,
            data,
        };
        if let Some(cut) = self.cutter.push(id, placement) {
            self.send(cut, out);
        }
    }

    /// Begins a part where the one before ended, with the tracks that are known by now, video first.
    fn begin_part(&mut self) {
        self.part = Some(Part {
            origin: self.origin,
            announced: 0,
            zero: None,
        });
        for kind in [Kind::Video, Kind::Audio] {
            for lane in self
                .lanes
                .iter_mut()
                .filter(|lane| lane.kind == kind && lane.timeline().is_some())
            {
                if let Some(track) = lane.track().cloned() {
                    let id = self.cutter.add_track(kind, track.timescale());
                    lane.part = Some((id, track));
                }
            }
        }
    }

    fn has_video(&self) -> bool {
        self.lanes
            .iter()
            .any(|lane| lane.kind == Kind::Video && lane.part.is_some())
    }

    fn cut(&mut self, out: &mut Vec<Output>) {
        if let Some(cut) = self.cutter.flush() {
            self.send(cut, out);
        }
    }

    /// Sends a fragment, with the tracks that it needs announced before.
    fn send(&mut self, cut: Cut, out: &mut Vec<Output>) {
        let Some(part) = &mut self.part else { return };
        let mut tracks: Vec<_> = self.lanes.iter().filter(|lane| lane.part.is_some()).collect();
        tracks.sort_by_key(|lane| lane.part.as_ref().map(|(id, _)| *id));
        let begun = part.zero.is_some();
        let start = *part.zero.get_or_insert_with(|| movie_zero(&cut, &tracks));
        let fresh: Vec<_> = tracks
            .iter()
            .skip(part.announced)
            .filter_map(|lane| part_track(lane, start))
            .collect();
        part.announced = tracks.len();
        if begun {
            out.extend(fresh.into_iter().map(Output::Track));
        } else {
            out.push(Output::Part {
                tracks: fresh,
                at: part.origin,
            });
        }
        out.push(Output::Fragment(cut));
    }

    fn tell(&mut self, event: timeline::Event, out: &mut Vec<Output>) {
        out.push(match event {
            timeline::Event::Gap {
                at,
                length,
                cause,
                track,
            } => {
                let kind = track
                    .and_then(|track| self.lanes.iter().find(|lane| lane.owns(track)))
                    .map(|lane| lane.kind);
                let cause = match cause {
                    Cause::Source(cause) => {
                        self.loss = None;
                        cause
                    }
                    Cause::Connection(cause) => cause,
                    Cause::Silence => "the source sent nothing".to_owned(),
                    Cause::Missing => "the source's timestamps jump ahead".to_owned(),
                };
                Output::Gap {
                    at,
                    length,
                    cause,
                    kind,
                }
            }
            timeline::Event::ClockReset {
                at,
                from,
                to,
                time_base,
                ..
            } => Output::Notice(Notice::ClockReset {
                at,
                from: from.to_duration(time_base),
                to: to.to_duration(time_base),
            }),
            timeline::Event::Dropped { reason, count } => Output::Notice(Notice::PacketsDropped {
                reason: format!("{reason:?}").to_lowercase(),
                count,
            }),
        });
    }

    /// So many packets did not come through the network.
    pub(crate) fn missed(&mut self, now: Instant, packets: u64, out: &mut Vec<Output>) {
        self.drop_packets(now, packets, "lost on the network".to_owned(), out);
    }

    /// A packet had more than [`MAX_UNIT_BYTES`].
    pub(crate) fn too_large(&mut self, now: Instant, out: &mut Vec<Output>) {
        let reason = format!("larger than {} MiB", MAX_UNIT_BYTES >> 20);
        self.drop_packets(now, 1, reason, out);
    }

    /// Counts packets that can't be used, and tells of them from time to time.
    fn drop_packets(&mut self, now: Instant, count: u64, reason: String, out: &mut Vec<Output>) {
        let first = self.dropped.since.is_none();
        self.dropped.count += count;
        self.dropped.reason = reason;
        let since = *self.dropped.since.get_or_insert(now);
        if first || now.saturating_duration_since(since) >= KEY_FRAME_NOTICE {
            self.tell_dropped(now, out);
        }
    }

    fn tell_dropped(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.dropped.count > 0 {
            let reason = std::mem::take(&mut self.dropped.reason);
            out.push(Output::Notice(Notice::PacketsDropped {
                reason,
                count: self.dropped.count,
            }));
            self.dropped = Dropped {
                since: Some(now),
                ..Dropped::default()
            };
        }
    }
}

/// A place on the recording's timeline, in ticks of the track.
struct Spot {
    dts: Ticks,
    pts: Ticks,
    duration: Ticks,
    sync: bool,
}

fn origin_ticks(origin: Duration, timescale: Timescale) -> Ticks {
    Ticks::from_duration(origin, timescale.base())
}

/// The composition time of the earliest picture or sound of a part's first fragment.
fn movie_zero(cut: &Cut, lanes: &[&Lane]) -> Duration {
    let first = |run: &crate::mp4::Run| {
        let lane = lanes
            .iter()
            .find(|lane| lane.part.as_ref().is_some_and(|(id, _)| *id == run.track))?;
        let base = lane.track()?.timescale().base();
        let pts = run.rows.iter().scan(run.dts, |dts, row| {
            let at = i64::try_from(*dts)
                .unwrap_or(i64::MAX)
                .saturating_add(i64::from(row.composition));
            *dts = dts.saturating_add(u64::from(row.duration));
            Some(at)
        });
        pts.min().map(|ticks| Ticks(ticks).to_duration(base))
    };
    cut.runs.iter().filter_map(first).min().unwrap_or_default()
}

fn part_track(lane: &Lane, start: Duration) -> Option<PartTrack> {
    let (id, track) = lane.part.as_ref()?;
    let start = Ticks::from_duration(start, track.timescale().base());
    Some(PartTrack {
        movie: MovieTrack::new(*id, track, sample_entry::write(track)),
        start: u64::try_from(start.0).unwrap_or(0),
        track: track.clone(),
    })
}
