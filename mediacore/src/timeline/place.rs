//! Puts a judged packet on the output: smoothed, increasing, its predecessor's duration settled.

use super::epoch::{Ns, SECOND, from_duration, to_duration};
use super::judge::alike;
use super::lane::{Incoming, Lane, Pending};
use super::{Cause, Event, Placed, Sample, Sink, Ticks, Timeline};

impl Timeline {
    /// Gives a lone suspect the place where a packet was expected, before output tick `until` if that is known.
    pub(super) fn retime(
        &mut self,
        index: usize,
        packet: &Incoming,
        until: Option<i64>,
        sink: &mut Sink<'_>,
    ) {
        let lane = &self.lanes[index];
        let natural = lane.natural(packet.length);
        let at = match lane.last() {
            Some(last) => {
                let own = lane.end().unwrap_or(last).saturating_sub(last);
                let room = until.map_or(own, |until| until.saturating_sub(last) / 2);
                // With room for both, it goes where its predecessor ends.
                let fits = until.is_none_or(|until| until.saturating_sub(last) > own);
                last.saturating_add(if fits { own } else { room.min(own) }.max(1))
            }
            None => until.map_or(0, |until| until.saturating_sub(natural)).max(0),
        };
        self.counters.outliers += 1;
        self.accept(index, packet, Some(at), sink);
    }

    /// Places a packet by its clock, or at `forced`; gives back its predecessor.
    pub(super) fn accept(
        &mut self,
        index: usize,
        packet: &Incoming,
        forced: Option<i64>,
        sink: &mut Sink<'_>,
    ) {
        if forced.is_none() {
            self.undo(index, packet);
        }
        let front = self.front();
        let lane = &mut self.lanes[index];
        let mapped = lane.map(packet.dts);
        let pace_before = lane.pace;
        let seen_before = lane.seen;
        let natural = lane.natural(packet.length);
        let mut dts = forced.unwrap_or(mapped);
        if let (None, Some(frame)) = (forced, packet.frame) {
            let scale = lane.spec.timescale.get();
            let paced = lane.pace.place(mapped, frame, lane.tick(), scale);
            dts = paced.at;
            self.counters.resyncs += u64::from(paced.resync);
        }
        let floor = lane
            .last()
            .map_or(lane.floor, |last| lane.floor.max(last.saturating_add(1)));
        if dts < floor {
            dts = floor;
            self.counters.nudged += 1;
        }
        match packet.frame {
            Some(frame) => lane.pace.placed(dts, frame),
            None => lane.pace.restart(),
        }
        let (pts, raised) = composition(lane, packet, mapped, dts, forced.is_some());
        self.counters.raised += u64::from(raised);
        let end = lane.end();
        let hole = end.map_or(0, |end| dts.saturating_sub(end));
        let jumped = hole > natural / 2;
        let (at, length) = (lane.output(end.unwrap_or(0)), lane.output(hole.max(0)));
        let pending = Pending {
            token: packet.token,
            dts,
            pts,
            natural,
            frame: packet.frame,
            sync: packet.sync,
            hole: None,
            jumped,
            seen_before,
            pace_before,
        };
        if let Some(last) = lane.last() {
            lane.spacing = dts.saturating_sub(last);
        }
        lane.start.get_or_insert(dts);
        if forced.is_none() {
            lane.remember(packet.dts);
            self.clock = Some(lane.source(packet.dts));
            lane.replaying = false;
            lane.joining = false;
        }
        lane.repeating = false;
        self.succeed(index, pending, sink);
        if length >= self.limits.list {
            let hole = self.hole(at, length, front, packet);
            if let Some(pending) = &mut self.lanes[index].pending {
                pending.hole = hole;
            }
        }
    }

    /// Gives back everything that waits for its duration.
    pub(super) fn finish(&mut self, index: usize, sink: &mut Sink<'_>) {
        let lane = &mut self.lanes[index];
        let next = lane.pending.as_ref().map(|pending| pending.dts);
        let both = [(lane.earlier.take(), next), (lane.pending.take(), None)];
        for (pending, next) in both {
            if let Some(pending) = pending {
                self.release(index, pending, next, sink);
            }
        }
    }

    /// Makes `pending` the track's last packet and gives back those whose duration is settled by it.
    fn succeed(&mut self, index: usize, pending: Pending, sink: &mut Sink<'_>) {
        let lane = &mut self.lanes[index];
        let dts = pending.dts;
        let jumped = pending.jumped;
        let Some(last) = lane.pending.replace(pending) else {
            return;
        };
        if let Some(earlier) = lane.earlier.take() {
            self.release(index, earlier, Some(last.dts), sink);
        }
        if jumped {
            self.lanes[index].earlier = Some(last);
        } else {
            self.release(index, last, Some(dts), sink);
        }
    }

    /// Gives back a packet whose duration is settled by the `next` one's DTS, or by its own length.
    fn release(&mut self, index: usize, pending: Pending, next: Option<i64>, sink: &mut Sink<'_>) {
        let lane = &mut self.lanes[index];
        let end = next.unwrap_or_else(|| pending.dts.saturating_add(pending.natural));
        lane.previous = Some(pending.dts);
        lane.floor = end;
        let track = lane.id;
        sink.out.push(Placed::Sample(Sample {
            track,
            token: pending.token,
            dts: Ticks(pending.dts),
            pts: Ticks(pending.pts),
            duration: Ticks(end.saturating_sub(pending.dts).max(1)),
            sync: pending.sync,
        }));
        if let Some((at, length, cause, all)) = pending.hole {
            self.counters.gaps += 1;
            sink.events.push(Event::Gap {
                at: to_duration(at),
                length: to_duration(length),
                cause,
                track: (!all).then_some(track),
            });
        }
    }

    /// Moves an outlier that was believed back between its neighbours.
    fn undo(&mut self, index: usize, packet: &Incoming) {
        let mapped = self.lanes[index].map(packet.dts);
        if !self.undoable(index, mapped) {
            return;
        }
        let lane = &mut self.lanes[index];
        let (Some(pending), Some(earlier)) = (&mut lane.pending, &lane.earlier) else {
            return;
        };
        let room = mapped.saturating_sub(earlier.dts);
        let fits = room > earlier.natural;
        let own = if fits { earlier.natural } else { room / 2 };
        let at = earlier.dts.saturating_add(own.max(1));
        let shown = pending.pts.saturating_sub(pending.dts);
        pending.dts = at;
        pending.pts = at.saturating_add(shown);
        pending.jumped = false;
        pending.hole = None;
        lane.seen = pending.seen_before;
        lane.pace = pending.pace_before;
        if let Some(frame) = pending.frame {
            lane.pace.placed(at, frame);
        }
        self.counters.outliers += 1;
    }

    /// The listed hole in front of a packet, unless it is a part of one that is already listed.
    fn hole(
        &mut self,
        at: Ns,
        length: Ns,
        front: Option<Ns>,
        packet: &Incoming,
    ) -> Option<(Ns, Ns, Cause, bool)> {
        let end = at.saturating_add(length);
        let covered = end
            .min(self.last_gap.1)
            .saturating_sub(at.max(self.last_gap.0))
            .max(0);
        if length.saturating_sub(covered) < self.limits.list {
            return None;
        }
        let front = front.unwrap_or(at);
        let all = end.saturating_sub(front) >= self.limits.list;
        let (at, length) = if all {
            self.last_gap = (front, end);
            (front, end.saturating_sub(front))
        } else {
            (at, length)
        };
        let silent = self.policy.live
            && all
            && self.arrivals == packet.arrival
            && alike(length, from_duration(self.silence));
        let cause = match self.told.take() {
            Some(words) => Cause::Source(words),
            None if silent => Cause::Silence,
            None => Cause::Missing,
        };
        Some((at, length, cause, all))
    }
}

/// A packet's composition time, and whether it had to be raised.
fn composition(lane: &Lane, packet: &Incoming, mapped: i64, dts: i64, forced: bool) -> (i64, bool) {
    if packet.pts == packet.dts {
        return (dts, false);
    }
    let shown = lane.map(packet.pts);
    let delay = shown.saturating_sub(mapped);
    if delay < 0 || lane.output(delay) > 10 * SECOND {
        return (dts, true);
    }
    let pts = if forced { dts.saturating_add(delay) } else { shown };
    (pts.max(dts), pts < dts)
}
