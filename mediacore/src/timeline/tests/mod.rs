//! Streams as hostile as the field has them, against the times that their content truly has.

mod clocks;
mod laws;
mod reconnects;
mod tracks;

use std::time::{Duration, Instant};

use super::*;

pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const VIDEO: usize = 0;
pub(super) const AUDIO: usize = 1;

/// One packet, with what the source says and what is true.
#[derive(Clone, Debug)]
pub(super) struct Pkt {
    pub(super) track: usize,
    /// Arrival, nanoseconds after the start of the test.
    pub(super) at: i64,
    pub(super) dts: Option<i64>,
    pub(super) pts: Option<i64>,
    pub(super) duration: i64,
    pub(super) frame: Option<i64>,
    /// When its content is to be shown, on a clock that never jumps.
    pub(super) truth: i64,
    /// It may be dropped.
    pub(super) spare: bool,
    /// Connection; A/V is only compared within one.
    pub(super) session: usize,
}

/// How the simulated source is made.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) seconds: f64,
    pub(super) start: f64,
    /// Source time of content time zero, in seconds.
    pub(super) clock: f64,
    pub(super) base: TimeBase,
    pub(super) wrap: u32,
    pub(super) fps: f64,
    pub(super) rate: u32,
    pub(super) video: bool,
    pub(super) audio: bool,
    /// Presentation order of a mini GOP, in decoding order; empty without B-frames.
    pub(super) gop: &'static [i64],
    pub(super) audio_start: f64,
    pub(super) audio_ppm: f64,
    pub(super) session: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            seconds: 20.0,
            start: 0.0,
            clock: 100.0,
            base: TimeBase::MPEG,
            wrap: 33,
            fps: 25.0,
            rate: 48_000,
            video: true,
            audio: true,
            gop: &[],
            audio_start: 0.0,
            audio_ppm: 0.0,
            session: 0,
        }
    }
}

impl Form {
    pub(super) fn flv() -> Self {
        Self {
            base: TimeBase::MILLIS,
            wrap: 32,
            ..Self::default()
        }
    }

    pub(super) fn ticks(&self, seconds: f64) -> i64 {
        (seconds * f64::from(self.base.den()) / f64::from(self.base.num())).round() as i64
    }

    /// The packets in the order of their arrival.
    pub(super) fn packets(&self) -> Vec<Pkt> {
        let mut list = Vec::new();
        let end = self.start + self.seconds;
        if self.video {
            let depth = depth(self.gop);
            for n in 0.. {
                let decode = self.start + f64::from(n) / self.fps;
                if decode >= end - 1e-9 {
                    break;
                }
                let shown = self.start + (shown(self.gop, i64::from(n)) + depth) as f64 / self.fps;
                list.push(Pkt {
                    track: VIDEO,
                    at: (decode * 1e9) as i64,
                    dts: Some(self.ticks(self.clock + decode)),
                    pts: Some(self.ticks(self.clock + shown)),
                    duration: 0,
                    frame: None,
                    truth: (shown * 1e9) as i64,
                    spare: false,
                    session: self.session,
                });
            }
        }
        if self.audio {
            for n in 0.. {
                let time = self.start + self.audio_start + f64::from(n) * 1024.0 / f64::from(self.rate);
                if time >= end - 1e-9 {
                    break;
                }
                let said = time + (time - self.start) * self.audio_ppm * 1e-6;
                list.push(Pkt {
                    track: AUDIO,
                    at: (time * 1e9) as i64,
                    dts: Some(self.ticks(self.clock + said)),
                    pts: Some(self.ticks(self.clock + said)),
                    duration: 0,
                    frame: Some(1024),
                    truth: (said * 1e9) as i64,
                    spare: false,
                    session: self.session,
                });
            }
        }
        list.sort_by_key(|packet| packet.at);
        list
    }

    pub(super) fn specs(&self) -> Vec<TrackSpec> {
        let video = TrackSpec {
            kind: Kind::Video,
            time_base: self.base,
            wrap_bits: self.wrap,
            timescale: Timescale::MPEG,
            frame: None,
            reorder: None,
        };
        let audio = TrackSpec {
            kind: Kind::Audio,
            timescale: Timescale::new(self.rate).expect("not zero"),
            ..video
        };
        vec![video, audio]
    }
}

fn depth(gop: &[i64]) -> i64 {
    (0..gop.len()).map(|n| n as i64 - gop[n]).max().unwrap_or(0)
}

fn shown(gop: &[i64], n: i64) -> i64 {
    if gop.is_empty() {
        return n;
    }
    let len = gop.len() as i64;
    n / len * len + gop[(n % len) as usize]
}

/// A source from the first packet to the last.
pub(super) struct Stream {
    pub(super) policy: Policy,
    pub(super) form: Form,
    pub(super) packets: Vec<Pkt>,
}

/// What came out.
pub(super) struct Run {
    pub(super) samples: Vec<(Pkt, Sample)>,
    pub(super) dropped: Vec<(Pkt, Reason)>,
    pub(super) events: Vec<Event>,
    pub(super) counters: Counters,
    pub(super) timeline: Timeline,
    scales: Vec<Timescale>,
}

impl Stream {
    pub(super) fn new(form: Form) -> Self {
        Self {
            policy: Policy::default(),
            packets: form.packets(),
            form,
        }
    }

    /// Changes the source times of the packets from content time `from` (seconds) on, per track.
    pub(super) fn shift(mut self, track: usize, from: f64, by: f64) -> Self {
        let by = self.form.ticks(by);
        for packet in &mut self.packets {
            if packet.track == track && packet.truth as f64 >= from * 1e9 - 1.0 {
                packet.dts = packet.dts.map(|dts| dts + by);
                packet.pts = packet.pts.map(|pts| pts + by);
            }
        }
        self
    }

    /// Changes the `n`-th packet of a track.
    pub(super) fn one(mut self, track: usize, n: usize, change: impl FnOnce(&mut Pkt)) -> Self {
        let packet = self
            .packets
            .iter_mut()
            .filter(|packet| packet.track == track)
            .nth(n);
        change(packet.expect("long enough"));
        self
    }

    /// Removes the packets of a track between two content times (seconds).
    pub(super) fn lose(mut self, track: usize, from: f64, to: f64) -> Self {
        self.packets.retain(|packet| {
            let time = packet.truth as f64 / 1e9;
            packet.track != track || time < from || time >= to
        });
        self
    }

    pub(super) fn each(mut self, change: impl FnMut(&mut Pkt)) -> Self {
        self.packets.iter_mut().for_each(change);
        self
    }

    pub(super) fn then(mut self, form: Form) -> Self {
        self.packets.extend(form.packets());
        self
    }

    pub(super) fn run(self) -> Run {
        let specs = self.form.specs();
        let mut timeline = Timeline::new(self.policy.clone());
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let used = |track: usize| self.packets.iter().any(|packet| packet.track == track);
        let ids: Vec<TrackId> = specs
            .iter()
            .enumerate()
            .filter(|(track, _)| used(*track))
            .filter_map(|(_, spec)| timeline.add_track(*spec))
            .collect();
        let first = if used(VIDEO) { VIDEO } else { AUDIO };
        let origin = Instant::now();
        let mut session = None;
        let mut sent: Vec<Vec<Pkt>> = vec![Vec::new(); 2];
        let period = (1_i64 << self.form.wrap.clamp(1, 62)) - 1;
        let mask = if self.form.wrap == 0 { -1 } else { period };
        for packet in &self.packets {
            let now = origin + Duration::from_nanos(packet.at.max(0) as u64);
            if session != Some(packet.session) {
                let cause = session.map(|_| Cause::Connection("reset by peer".into()));
                timeline.begin_session(now, cause, &mut out, &mut events);
                session = Some(packet.session);
            }
            let times = Times {
                track: ids[packet.track - first],
                pts: packet.pts.map(|pts| Ticks(pts & mask)),
                dts: packet.dts.map(|dts| Ticks(dts & mask)),
                duration: Ticks(packet.duration),
                sync: true,
                frame: packet.frame.map(Ticks),
            };
            sent[packet.track - first].push(packet.clone());
            timeline.push(now, times, &mut out, &mut events);
            assert!(timeline.held() <= 2 * 160, "held {}", timeline.held());
        }
        timeline.flush(&mut out, &mut events);
        assert_eq!(timeline.held(), 0);
        let mut run = Run {
            samples: Vec::new(),
            dropped: Vec::new(),
            events,
            counters: timeline.counters(),
            timeline,
            scales: specs.iter().map(|spec| spec.timescale).collect(),
        };
        for placed in out {
            match placed {
                Placed::Sample(sample) => {
                    let packet = &sent[sample.track.index()][sample.token as usize];
                    run.samples.push((packet.clone(), sample));
                }
                Placed::Dropped { track, token, reason } => {
                    let packet = &sent[track.index()][token as usize];
                    run.dropped.push((packet.clone(), reason));
                }
            }
        }
        assert_eq!(
            run.samples.len() + run.dropped.len(),
            self.packets.len(),
            "each comes out once"
        );
        run
    }
}

impl Run {
    fn nanos(&self, track: usize, ticks: Ticks) -> i64 {
        ticks
            .saturating_rescale(self.scales[track].base(), TimeBase::NANOS)
            .0
    }

    /// Everything that holds for every stream: order, no loss, durations, A/V.
    pub(super) fn sound(&self) -> &Self {
        let mut last = [None::<Sample>; 2];
        for (packet, sample) in &self.samples {
            assert!(sample.dts.0 >= 0, "{packet:?} {sample:?}");
            assert!(sample.pts >= sample.dts, "{packet:?} {sample:?}");
            assert!(sample.duration.0 >= 1);
            if let Some(before) = last[packet.track].replace(*sample) {
                assert!(sample.dts > before.dts, "{before:?} {sample:?}");
                assert!(sample.token > before.token);
                assert_eq!(before.dts.0 + before.duration.0, sample.dts.0, "{before:?}");
            }
        }
        for (packet, reason) in &self.dropped {
            assert!(packet.spare, "{packet:?} dropped: {reason:?}");
        }
        self.in_sync(40)
    }

    /// Sound and picture of the same moment are shown at most this many milliseconds apart.
    pub(super) fn in_sync(&self, most: i64) -> &Self {
        let mut list: Vec<_> = self.samples.iter().collect();
        list.sort_by_key(|(packet, _)| (packet.session, packet.truth));
        let mut error = [None::<(usize, i64, i64)>; 2];
        for (packet, sample) in list {
            let off = self.nanos(packet.track, sample.pts) - packet.truth;
            error[packet.track] = Some((packet.session, packet.truth, off));
            if let [Some(video), Some(audio)] = error
                && video.0 == audio.0
                && (video.1 - audio.1).abs() < SECOND / 2
            {
                let apart = (video.2 - audio.2).abs() / 1_000_000;
                assert!(apart <= most, "{apart} ms apart at {packet:?} {sample:?}");
            }
        }
        self
    }

    /// The end of the longest track, in seconds of the output, is `seconds` within one frame.
    pub(super) fn lasts(&self, seconds: f64) -> &Self {
        let end = self.timeline.frontier().as_secs_f64();
        assert!(
            (end - seconds).abs() <= 0.0401,
            "ends at {end}, expected {seconds}"
        );
        self
    }

    pub(super) fn gaps(&self) -> Vec<(f64, f64, Option<usize>)> {
        let gap = |event: &Event| match event {
            Event::Gap {
                at, length, track, ..
            } => Some((at.as_secs_f64(), length.as_secs_f64(), track.map(TrackId::index))),
            _ => None,
        };
        self.events.iter().filter_map(gap).collect()
    }

    pub(super) fn has(&self, gaps: usize, resets: u64, dropped: usize) -> &Self {
        assert_eq!(self.gaps().len(), gaps, "{:?}", self.events);
        assert_eq!(self.counters.resets, resets, "{:?}", self.events);
        assert_eq!(self.dropped.len(), dropped, "{:?}", self.dropped.first());
        self
    }

    /// The largest hole between two samples of a track, in seconds.
    pub(super) fn hole(&self, track: usize) -> f64 {
        let longest = self.samples.iter().filter(|(packet, _)| packet.track == track);
        longest
            .map(|(_, sample)| self.nanos(track, sample.duration))
            .max()
            .unwrap_or(0) as f64
            / 1e9
    }
}
