//! Where one source clock ends and the next begins: the start of a session, a reset.

use std::time::{Duration, Instant};

use super::epoch::{Ns, Offset, SECOND, from_duration, to_duration};
use super::lane::Incoming;
use super::{Cause, Event, Outage, Sink, Timeline};

/// Packets that one track holds at a seam at most.
const MOST_HELD: usize = 128;

/// A hole at a reconnect that is too short to be called one.
const SEAMLESS: Ns = SECOND / 10;

/// What makes the seam.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A connection begins.
    Session(Option<Cause>),
    /// The source announced it.
    Discontinuity,
    /// A replay turned out to be none.
    NewClock,
    /// The timestamps jumped.
    Reset,
    /// The timestamps jumped by the length of a silence.
    Silence(Ns),
}

/// The seam in progress.
#[derive(Debug)]
pub(super) struct Seam {
    pub(super) kind: Kind,
    /// Packets are held for the opening of a session; false while a clock runs.
    pub(super) opening: bool,
    /// When the first packet of the new clock came.
    pub(super) since: Option<Instant>,
    /// How long nothing had come before it.
    silence: Duration,
    /// First source time of the session before.
    first: Option<Ns>,
}

impl Seam {
    /// Before the first session.
    pub(super) fn start() -> Self {
        Self {
            kind: Kind::Session(None),
            opening: true,
            since: None,
            silence: Duration::ZERO,
            first: None,
        }
    }
}

/// A connection that repeats what the file has.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) since: Instant,
    /// Where the live end was on the output timeline when the replay began.
    pub(super) live: Ns,
    /// How far behind it the replay began.
    pub(super) lag: Ns,
}

impl Timeline {
    /// A packet with its DTS known enters: held at an opening, else judged.
    pub(super) fn feed(&mut self, index: usize, packet: Incoming, sink: &mut Sink<'_>) {
        if !self.seam.opening {
            return self.judge(index, packet, sink);
        }
        if self.seam.since.is_none() {
            self.seam.since = Some(packet.now);
            self.seam.silence = self.silence;
        }
        self.lanes[index].wait.push_back(packet);
        let all = self.lanes.iter().all(|lane| !lane.wait.is_empty());
        if all || self.full(index, packet.now) {
            self.open(sink);
        }
    }

    /// What follows is a new clock, or has to prove that it is the old one. Nothing waits.
    pub(super) fn begin_seam(&mut self, kind: Kind) {
        for lane in &mut self.lanes {
            lane.anchor = None;
            lane.restart();
        }
        self.replay = None;
        self.seam.kind = kind;
        self.seam.opening = true;
        self.seam.since = None;
    }

    /// Decides everything that waits: learning, an opening, suspects.
    pub(super) fn settle(&mut self, sink: &mut Sink<'_>) {
        for index in 0..self.lanes.len() {
            while let Some(packet) = self.lanes[index].reorder.next(true) {
                self.feed(index, packet, sink);
            }
        }
        if self.seam.opening {
            if self.lanes.iter().any(|lane| !lane.wait.is_empty()) {
                self.open(sink);
            } else {
                return;
            }
        }
        if let Some(index) = self.lanes.iter().position(|lane| lane.confirmed) {
            self.splice(index, sink);
        }
        for index in 0..self.lanes.len() {
            self.place_waiting(index, sink);
        }
        self.seam.since = None;
    }

    /// Places what waits on a track in its order, whatever its times say.
    fn place_waiting(&mut self, index: usize, sink: &mut Sink<'_>) {
        self.lanes[index].confirmed = false;
        while let Some(packet) = self.lanes[index].wait.pop_front() {
            self.retime(index, &packet, None, sink);
        }
    }

    /// Where a track should go on: at its own end, or at the frontier when it is far behind.
    pub(super) fn target(&self, index: usize, front: Ns) -> Ns {
        let lane = &self.lanes[index];
        match lane.end().map(|end| lane.output(end)) {
            Some(end) if front.saturating_sub(end) <= self.limits.back.saturating_mul(2) => end,
            _ => lane.wait.front().and_then(|packet| packet.front).unwrap_or(front),
        }
    }

    /// Splices when all living tracks have shown the new clock, or when enough is held.
    pub(super) fn splice_when_ready(&mut self, index: usize, now: Instant, sink: &mut Sink<'_>) {
        if self.drained {
            return;
        }
        let front = self.front().unwrap_or(0);
        let alive = self.limits.back.saturating_mul(2);
        let waits_for = |other: usize| {
            let lane = &self.lanes[other];
            let living = lane.anchor.is_some()
                && lane
                    .end()
                    .is_some_and(|end| front.saturating_sub(lane.output(end)) <= alive);
            living && lane.wait.is_empty()
        };
        let blocked = (0..self.lanes.len()).any(waits_for);
        if !blocked || self.full(index, now) {
            self.splice(index, sink);
        }
    }

    /// Begins a new epoch for the track that confirmed it and for those that agree with it.
    pub(super) fn splice(&mut self, index: usize, sink: &mut Sink<'_>) {
        let Some(first) = self.lanes[index].wait.front().copied() else {
            return;
        };
        let front = self.front().unwrap_or(0);
        let from = self.lanes[index].seen;
        let members = self.members(index);
        let base = self.continuing(&members, front);
        let kind = std::mem::replace(&mut self.seam.kind, Kind::Reset);
        let lane = &self.lanes[index];
        let at = base.map(lane.source(first.dts));
        match kind {
            Kind::Silence(length) => {
                let cause = self.told.take().map_or(Cause::Silence, Cause::Source);
                self.tell_gap(at, length, cause, sink);
            }
            _ => {
                self.counters.resets += 1;
                sink.events.push(Event::ClockReset {
                    track: lane.id,
                    at: to_duration(at),
                    from: super::Ticks(from.unwrap_or(first.dts)),
                    to: super::Ticks(first.dts),
                    time_base: lane.base(),
                });
            }
        }
        self.epochs.push(base);
        self.seam.since = None;
        self.drain(&members, base, sink);
        // Times so large that they are pinned stay in doubt on every clock: another one would not help.
        if self.lanes[index].confirmed {
            self.place_waiting(index, sink);
        }
    }

    /// The first packets of a session are there: chooses its epoch.
    fn open(&mut self, sink: &mut Sink<'_>) {
        let Some(leader) = self.leader() else {
            return;
        };
        let members = self.members(leader);
        let first = self.first(leader);
        let kind = std::mem::replace(&mut self.seam.kind, Kind::Reset);
        let before = self.seam.first.replace(first);
        self.seam.opening = false;
        let since = self.seam.since.take();
        let front = self.front();
        let base = match front {
            None => {
                let firsts = members.iter().map(|index| self.first(*index));
                Offset::between(firsts.min().unwrap_or(first), 0)
            }
            Some(front) => self.reopen(kind, &members, leader, front, before, since, sink),
        };
        self.epochs.push(base);
        let others: Vec<usize> = (0..self.lanes.len())
            .filter(|index| !members.contains(index) && !self.lanes[*index].wait.is_empty())
            .collect();
        self.drain(&members, base, sink);
        // A track with a clock of its own starts where the others start.
        for index in others {
            let own = Offset::between(self.first(index), self.target(index, front.unwrap_or(0)));
            self.drain(&[index], own, sink);
        }
    }

    /// The epoch of a session that is not the first.
    #[expect(clippy::too_many_arguments, reason = "all that is known at this one moment")]
    fn reopen(
        &mut self,
        kind: Kind,
        members: &[usize],
        leader: usize,
        front: Ns,
        before: Option<Ns>,
        since: Option<Instant>,
        sink: &mut Sink<'_>,
    ) -> Offset {
        let outage = from_duration(self.seam.silence);
        let joined = self.continuing(members, front);
        let old = self.epochs.newest();
        // How far the old clock would leave the nearest track from its own end.
        let hole = old.map_or(0, |old| joined.0.saturating_sub(old.0).saturating_neg());
        match kind {
            Kind::Session(cause) => {
                let same = self.policy.live
                    && old.is_some_and(|old| self.continues(old, leader, front, outage, before));
                let cause = cause.unwrap_or_else(|| Cause::Connection(String::new()));
                match old.filter(|_| same) {
                    Some(old) if hole <= SEAMLESS => {
                        self.begin_replay(old, leader, front, outage, since);
                        old
                    }
                    Some(old) => {
                        self.tell_gap(front, hole, cause, sink);
                        match self.policy.outage {
                            Outage::Keep => {
                                self.last_gap = (front, front.saturating_add(hole));
                                old
                            }
                            Outage::Close => joined,
                        }
                    }
                    None => {
                        let listed = if self.policy.live { outage } else { 0 };
                        if listed > 0 {
                            self.tell_gap(front, listed, cause, sink);
                        }
                        if self.policy.outage == Outage::Close {
                            return joined;
                        }
                        self.last_gap = (front, front.saturating_add(listed));
                        Offset(joined.0.saturating_add(listed))
                    }
                }
            }
            Kind::Discontinuity if hole.saturating_abs() <= SEAMLESS => old.unwrap_or(joined),
            _ => joined,
        }
    }

    /// Whether the session's first packets go on with the clock of the session before; the module's text has the rule.
    fn continues(&self, old: Offset, leader: usize, front: Ns, outage: Ns, before: Option<Ns>) -> bool {
        let first = self.first(leader);
        let lead = old.map(first).saturating_sub(front);
        let window = self.limits.replay;
        let restarted = |first: Ns| {
            first.saturating_abs() < 2 * SECOND
                || before.is_some_and(|before| first.saturating_sub(before).saturating_abs() < 2 * SECOND)
        };
        lead >= window.saturating_neg()
            && lead <= outage.saturating_add(self.limits.hole)
            && lead >= outage.saturating_sub(window)
            && lead <= outage.saturating_add(outage / 5).saturating_add(2 * SECOND)
            && (lead >= 0 || !restarted(first))
    }

    fn begin_replay(&mut self, old: Offset, leader: usize, front: Ns, outage: Ns, since: Option<Instant>) {
        let live = front.saturating_add(outage);
        let mapped = old.map(self.first(leader));
        self.replay = since.map(|since| Replay {
            since,
            live,
            lag: live.saturating_sub(mapped),
        });
        for lane in &mut self.lanes {
            lane.replaying = true;
        }
    }

    /// The earliest epoch in which no member overlaps its past.
    fn continuing(&self, members: &[usize], front: Ns) -> Offset {
        let offsets = members
            .iter()
            .map(|index| Offset::between(self.first(*index), self.target(*index, front)).0);
        Offset(offsets.max().unwrap_or(0))
    }

    /// The track that stands for a session's clock: the first video of those that wait, else the first.
    fn leader(&self) -> Option<usize> {
        let waiting = |index: &usize| !self.lanes[*index].wait.is_empty();
        let video = |index: &usize| self.lanes[*index].spec.kind == super::Kind::Video;
        (0..self.lanes.len())
            .filter(waiting)
            .find(video)
            .or_else(|| (0..self.lanes.len()).find(waiting))
    }

    /// The waiting tracks whose clock agrees with the leader's.
    fn members(&self, leader: usize) -> Vec<usize> {
        let first = self.first(leader);
        (0..self.lanes.len())
            .filter(|index| {
                let distance = self.first(*index).saturating_sub(first).saturating_abs();
                !self.lanes[*index].wait.is_empty() && distance <= self.limits.hole
            })
            .collect()
    }

    /// The first source time that waits on a track.
    fn first(&self, index: usize) -> Ns {
        let lane = &self.lanes[index];
        lane.wait.front().map_or(0, |packet| lane.source(packet.dts))
    }

    /// Enough is held.
    fn full(&self, index: usize, now: Instant) -> bool {
        let lane = &self.lanes[index];
        let (Some(first), Some(last)) = (lane.wait.front(), lane.wait.back()) else {
            return false;
        };
        let span = lane.source(last.dts.saturating_sub(first.dts)).saturating_abs();
        let waited = self
            .seam
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        lane.wait.len() >= MOST_HELD
            || span >= self.limits.hold
            || (self.policy.live && waited >= self.policy.seam_hold.saturating_mul(2))
    }

    /// Judges everything that waits on `members`, in order of arrival, by the epoch `base`.
    fn drain(&mut self, members: &[usize], base: Offset, sink: &mut Sink<'_>) {
        let mut packets = Vec::new();
        for index in members {
            let Some(first) = self.lanes[*index].wait.front().map(|packet| packet.dts) else {
                continue;
            };
            self.anchor(*index, base, first);
            let lane = &mut self.lanes[*index];
            lane.confirmed = false;
            packets.extend(lane.wait.drain(..).map(|packet| (*index, packet)));
        }
        packets.sort_by_key(|(_, packet)| packet.arrival);
        let outer = std::mem::replace(&mut self.drained, true);
        for (index, packet) in packets {
            self.feed(index, packet, sink);
        }
        self.drained = outer;
    }

    fn tell_gap(&mut self, at: Ns, length: Ns, cause: Cause, sink: &mut Sink<'_>) {
        self.counters.gaps += 1;
        sink.events.push(Event::Gap {
            at: to_duration(at),
            length: to_duration(length),
            cause,
            track: None,
        });
    }
}
