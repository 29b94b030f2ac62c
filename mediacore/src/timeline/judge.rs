//! Decides for each packet of a running clock: it fits, it is dropped, or the clock was reset.

use super::epoch::{Anchor, Ns, Offset, SECOND, from_duration};
use super::lane::Incoming;
use super::seam::{Kind as SeamKind, Replay};
use super::{Kind, Outage, Placed, Reason, Sink, Timeline};

/// Where a packet belongs by its track's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fit {
    Here,
    Drop(Reason),
    Doubt,
}

/// A replay must gain 1.5 s on the live end in this time.
const REPLAY_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

impl Timeline {
    /// The furthest end over all tracks; none before the first packet is placed.
    pub(super) fn front(&self) -> Option<Ns> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.end().map(|end| lane.output(end)))
            .max()
    }

    /// Judges one packet, outside of a session's opening.
    pub(super) fn judge(&mut self, index: usize, packet: Incoming, sink: &mut Sink<'_>) {
        if self.lanes[index].anchor.is_none() {
            self.join(index, &packet);
        }
        if !self.lanes[index].wait.is_empty() {
            return self.second(index, packet, sink);
        }
        match self.fit(index, &packet) {
            Fit::Here => self.accept(index, &packet, None, sink),
            Fit::Drop(reason) => self.reject(index, &packet, reason, sink),
            Fit::Doubt => self.suspect(index, packet, sink),
        }
    }

    /// Drops a packet.
    pub(super) fn reject(&mut self, index: usize, packet: &Incoming, reason: Reason, sink: &mut Sink<'_>) {
        let lane = &mut self.lanes[index];
        lane.repeating = reason == Reason::Duplicate;
        let mapped = lane.output(lane.map(packet.dts));
        sink.out.push(Placed::Dropped {
            track: lane.id,
            token: packet.token,
            reason,
        });
        self.counters.dropped += 1;
        self.reports.drop(reason);
        self.doubt_replay(packet, mapped, sink);
    }

    /// The first packet of a track after a seam that is closed.
    fn join(&mut self, index: usize, packet: &Incoming) {
        let front = self.front().unwrap_or(0);
        let replaying = self.replay.is_some();
        let lane = &self.lanes[index];
        let source = lane.source(packet.dts);
        let last = lane.last().map(|last| lane.output(last));
        let reach = if replaying {
            self.limits.replay.saturating_add(SECOND)
        } else {
            self.limits.back.saturating_mul(2)
        };
        let earliest = match last {
            Some(last) => last.saturating_sub(reach),
            None => front
                .saturating_sub(self.limits.replay)
                .max(self.limits.back.saturating_mul(-2)),
        };
        let latest = front.saturating_add(self.limits.hole);
        let shared = self.epochs.newest().filter(|offset| {
            let mapped = offset.map(source);
            mapped >= earliest && mapped <= latest
        });
        let offset = shared.unwrap_or_else(|| Offset::between(source, self.target(index, front)));
        self.anchor(index, offset, packet.dts);
        self.lanes[index].joining = true;
        self.lanes[index].replaying = replaying && shared.is_some();
    }

    /// Puts a track on an epoch from source time `dts` on.
    pub(super) fn anchor(&mut self, index: usize, offset: Offset, dts: i64) {
        let lane = &mut self.lanes[index];
        let anchor = Anchor::new(offset, dts, lane.base(), lane.spec.timescale.base());
        lane.anchor = Some(anchor);
    }

    fn fit(&self, index: usize, packet: &Incoming) -> Fit {
        let lane = &self.lanes[index];
        let mapped = lane.map(packet.dts);
        let natural = lane.natural(packet.length);
        let front = self.front().unwrap_or(0);
        if lane.output(mapped) > front.saturating_add(self.limits.hole) {
            return Fit::Doubt;
        }
        let audio = lane.spec.kind == Kind::Audio;
        let Some(last) = lane.last() else {
            return if audio && mapped.saturating_add(natural / 2) < 0 {
                Fit::Drop(Reason::BeforeStart)
            } else {
                Fit::Here
            };
        };
        let reach = self.limits.replay.saturating_add(SECOND);
        if lane.replaying && mapped < last.saturating_add(natural / 2) {
            return if mapped >= last.saturating_sub(lane.ticks(reach)) {
                Fit::Drop(Reason::Duplicate)
            } else {
                Fit::Doubt
            };
        }
        if mapped >= last.saturating_sub(lane.tolerance(self.limits.back)) {
            return if lane.repeating && mapped <= last && lane.repeats(packet.dts) {
                Fit::Drop(Reason::Duplicate)
            } else {
                Fit::Here
            };
        }
        if self.undoable(index, mapped) {
            return Fit::Here;
        }
        if lane.joining && mapped >= last.saturating_sub(lane.ticks(self.limits.back.saturating_mul(2))) {
            return if audio {
                Fit::Drop(Reason::Overlap)
            } else {
                Fit::Here
            };
        }
        Fit::Doubt
    }

    /// The packet that waits for its duration lies far ahead and the new one, at `mapped`, before it.
    pub(super) fn undoable(&self, index: usize, mapped: i64) -> bool {
        let lane = &self.lanes[index];
        match (&lane.pending, &lane.earlier) {
            (Some(pending), Some(earlier)) => {
                pending.jumped
                    && mapped > earlier.dts.saturating_add(1)
                    && mapped <= pending.dts.saturating_sub((pending.natural / 2).max(1))
            }
            _ => false,
        }
    }

    /// A packet that does not fit: another known clock, a true silence, or a suspect.
    fn suspect(&mut self, index: usize, mut packet: Incoming, sink: &mut Sink<'_>) {
        if self.follow(index, &packet) {
            return self.accept(index, &packet, None, sink);
        }
        let lane = &self.lanes[index];
        let front = self.front().unwrap_or(0);
        let jump = lane.output(lane.map(packet.dts)).saturating_sub(front);
        let silence = from_duration(self.silence);
        let silent = jump > self.limits.hole
            && (self.told.is_some()
                || (self.policy.live && self.arrivals == packet.arrival && alike(jump, silence)));
        if silent && self.policy.outage == Outage::Keep {
            return self.accept(index, &packet, None, sink);
        }
        packet.front = Some(front);
        let lane = &mut self.lanes[index];
        lane.wait.push_back(packet);
        lane.confirmed = silent;
        if silent {
            self.seam.kind = SeamKind::Silence(jump);
            self.seam.since = Some(packet.now);
            self.splice_when_ready(index, packet.now, sink);
        }
    }

    /// A packet after a suspect of the same track. What is decided about the suspect can end a replay, and then a new clock begins, at
    /// which the packet waits with the others.
    fn second(&mut self, index: usize, packet: Incoming, sink: &mut Sink<'_>) {
        let lane = &self.lanes[index];
        let (Some(first), Some(last)) = (lane.wait.front().copied(), lane.wait.back().copied()) else {
            return;
        };
        let agrees = self.agrees(index, last.dts, packet.dts);
        if lane.confirmed {
            if agrees {
                self.lanes[index].wait.push_back(packet);
                self.splice_when_ready(index, packet.now, sink);
            } else {
                self.splice(index, sink);
                self.feed(index, packet, sink);
            }
            return;
        }
        let fit = self.fit(index, &packet);
        let lane = &mut self.lanes[index];
        let mapped = lane.map(packet.dts);
        let repeat = lane.repeats(first.dts)
            && lane
                .last()
                .is_some_and(|last| last.saturating_sub(lane.map(first.dts)) <= lane.ticks(self.limits.back));
        match fit {
            Fit::Here => {
                lane.wait.clear();
                let natural = lane.natural(first.length);
                let slot = mapped.saturating_sub(lane.end().unwrap_or(mapped));
                if repeat && slot < natural.saturating_mul(3) / 5 {
                    self.reject(index, &first, Reason::Duplicate, sink);
                } else {
                    self.retime(index, &first, Some(mapped), sink);
                }
                self.feed(index, packet, sink);
            }
            Fit::Drop(reason) => self.reject(index, &packet, reason, sink),
            Fit::Doubt if agrees && repeat && lane.repeats(packet.dts) => {
                lane.wait.clear();
                lane.wait.push_back(packet);
                self.reject(index, &first, Reason::Duplicate, sink);
            }
            Fit::Doubt if agrees => {
                lane.wait.push_back(packet);
                lane.confirmed = true;
                if self.seam.since.is_none() {
                    self.seam.since = Some(packet.now);
                    self.seam.kind = SeamKind::Reset;
                }
                self.splice_when_ready(index, packet.now, sink);
            }
            Fit::Doubt => {
                lane.wait.clear();
                self.retime(index, &first, None, sink);
                self.suspect(index, packet, sink);
            }
        }
    }

    /// Whether `later` follows `earlier` on one clock of this track.
    pub(super) fn agrees(&self, index: usize, earlier: i64, later: i64) -> bool {
        let lane = &self.lanes[index];
        let step = lane.source(later.saturating_sub(earlier));
        let jitter = lane.output(lane.tolerance(self.limits.back));
        step >= -jitter && step <= self.limits.hole
    }

    /// Moves a track to a remembered epoch in which the packet is near the track's end or near the frontier.
    fn follow(&mut self, index: usize, packet: &Incoming) -> bool {
        let lane = &self.lanes[index];
        let (Some(anchor), Some(last), Some(end)) = (lane.anchor, lane.last(), lane.end()) else {
            return false;
        };
        let front = self.front().unwrap_or(0);
        let source = lane.source(packet.dts);
        let earliest = lane.output(last.saturating_sub(lane.tolerance(self.limits.back)));
        let (end, back) = (lane.output(end), self.limits.back);
        let near = |mapped: Ns| {
            mapped >= earliest
                && (mapped.saturating_sub(end) <= back
                    || mapped.saturating_sub(front).saturating_abs() <= back)
        };
        let found = self
            .epochs
            .recent()
            .find(|offset| *offset != anchor.offset && near(offset.map(source)));
        if let Some(offset) = found {
            self.anchor(index, offset, packet.dts);
        }
        found.is_some()
    }

    /// A replay that does not catch up is no replay.
    fn doubt_replay(&mut self, packet: &Incoming, mapped: Ns, sink: &mut Sink<'_>) {
        let Some(replay) = &self.replay else {
            return;
        };
        let passed = packet.now.saturating_duration_since(replay.since);
        if passed < REPLAY_PATIENCE {
            return;
        }
        let live = replay.live.saturating_add(from_duration(passed));
        let lag = live.saturating_sub(mapped);
        if lag > replay.lag.saturating_sub(3 * SECOND / 2) {
            self.settle(sink);
            self.begin_seam(SeamKind::NewClock);
        } else {
            self.replay = Some(Replay {
                since: packet.now,
                live,
                lag,
            });
        }
    }
}

/// Two lengths that differ by at most a fifth.
pub(super) fn alike(one: Ns, other: Ns) -> bool {
    one.saturating_sub(other).saturating_abs() <= other / 5
}
