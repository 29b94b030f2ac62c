//! Decoding times for video that comes with composition times only.

use std::collections::VecDeque;

use super::lane::Incoming;

/// Frames that are looked at before the first is given on, when the depth is not known.
const LEARN: usize = 6;

/// H.264 and HEVC allow no deeper reordering than this.
const DEEPEST: usize = 16;

/// Turns composition times in decoding order into decoding times: with a depth of `d`, a frame's DTS is the smallest of
/// the `d + 1` largest PTS so far.
#[derive(Debug)]
pub(super) struct Reorder {
    depth: usize,
    learning: bool,
    held: VecDeque<Incoming>,
    ready: VecDeque<Incoming>,
    window: [i64; DEEPEST + 2],
    filled: usize,
    step: i64,
}

impl Reorder {
    /// With the depth that the codec's parameters tell, if they do.
    pub(super) fn new(known: Option<u32>) -> Self {
        let depth = known.map_or(0, |depth| usize::try_from(depth).unwrap_or(DEEPEST).min(DEEPEST));
        Self {
            depth,
            learning: known.is_none(),
            held: VecDeque::new(),
            ready: VecDeque::new(),
            window: [0; DEEPEST + 2],
            filled: 0,
            step: 0,
        }
    }

    /// A packet whose DTS is known; it goes on as it is.
    pub(super) fn pass(&mut self, packet: Incoming) {
        if !self.held.is_empty() {
            self.learnt();
        }
        self.ready.push_back(packet);
    }

    /// A packet without DTS. `step` is the length of a frame in source ticks, 0 when unknown; times more than `far` apart
    /// belong to different clocks.
    pub(super) fn derive(&mut self, packet: Incoming, step: i64, far: i64) {
        if step > 0 {
            self.step = step;
        }
        if !self.learning {
            let packet = self.dated(packet, far);
            self.ready.push_back(packet);
            return;
        }
        let later = self.held.iter().filter(|earlier| earlier.pts > packet.pts);
        self.depth = self.depth.max(later.count());
        self.held.push_back(packet);
        if self.held.len() >= LEARN {
            self.learnt();
        }
    }

    /// The next packet in decoding order; with `all` learning ends with what has been seen.
    pub(super) fn next(&mut self, all: bool) -> Option<Incoming> {
        if all && !self.held.is_empty() {
            self.learnt();
        }
        self.ready.pop_front()
    }

    /// Packets that wait.
    pub(super) fn held(&self) -> usize {
        self.held.len() + self.ready.len()
    }

    /// How much later than its DTS a frame is shown that is not reordered, in source ticks.
    pub(super) fn delay(&self) -> i64 {
        i64::try_from(self.depth).unwrap_or(0).saturating_mul(self.step)
    }

    fn learnt(&mut self) {
        self.learning = false;
        if self.step <= 0 {
            self.step = smallest_step(&self.held);
        }
        while let Some(packet) = self.held.pop_front() {
            let packet = self.dated(packet, i64::MAX);
            self.ready.push_back(packet);
        }
    }

    fn dated(&mut self, mut packet: Incoming, far: i64) -> Incoming {
        let pts = packet.pts;
        if self.filled > 0 && pts.abs_diff(self.window[self.filled - 1]) > far.unsigned_abs() {
            self.filled = 0;
        }
        if self.filled > self.depth && pts < self.window[0] && self.depth < DEEPEST {
            self.depth += 1;
        }
        let at = self.window[..self.filled].partition_point(|earlier| *earlier <= pts);
        self.window.copy_within(at..self.filled, at + 1);
        self.window[at] = pts;
        self.filled += 1;
        if self.filled > self.depth + 1 {
            self.window.copy_within(1..self.filled, 0);
            self.filled -= 1;
        }
        let missing = i64::try_from(self.depth + 1 - self.filled).unwrap_or(0);
        packet.dts = self.window[0].saturating_sub(missing.saturating_mul(self.step.max(1)));
        packet
    }
}

/// The smallest distance between two different times: one frame, when the rate is constant.
fn smallest_step(packets: &VecDeque<Incoming>) -> i64 {
    let mut step = 0;
    for (index, one) in packets.iter().enumerate() {
        for other in packets.iter().skip(index + 1) {
            let distance = one.pts.saturating_sub(other.pts).saturating_abs();
            if distance > 0 && (step == 0 || distance < step) {
                step = distance;
            }
        }
    }
    step
}
