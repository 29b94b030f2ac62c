//! The mapping from a source clock to the output timeline.

use std::time::Duration;

use crate::time::{Ticks, TimeBase};

/// A position or a length in nanoseconds: what tracks of different time bases are compared in.
pub(super) type Ns = i64;

/// Positions are pinned to this (73 years), so that sums and differences of a few of them do not overflow.
const LIMIT: Ns = 1 << 61;

/// One second.
pub(super) const SECOND: Ns = 1_000_000_000;

/// How many epochs are remembered.
const RECENT: usize = 4;

/// Ticks of `base` in nanoseconds, pinned to ±73 years.
pub(super) fn nanos(ticks: i64, base: TimeBase) -> Ns {
    Ticks(ticks.clamp(-super::unwrap::LIMIT, super::unwrap::LIMIT))
        .saturating_rescale(base, TimeBase::NANOS)
        .0
        .clamp(-LIMIT, LIMIT)
}

/// Nanoseconds in ticks of `base`.
pub(super) fn ticks(time: Ns, base: TimeBase) -> i64 {
    Ticks(time)
        .saturating_rescale(TimeBase::NANOS, base)
        .0
        .clamp(-super::unwrap::LIMIT, super::unwrap::LIMIT)
}

/// A std duration, pinned.
pub(super) fn from_duration(length: Duration) -> Ns {
    Ns::try_from(length.as_nanos()).unwrap_or(LIMIT).min(LIMIT)
}

/// A position or length for events; negative becomes zero.
pub(super) fn to_duration(time: Ns) -> Duration {
    Duration::from_nanos(u64::try_from(time).unwrap_or(0))
}

/// What is added to a source time, in nanoseconds, to get the output time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Offset(pub(super) Ns);

impl Offset {
    /// The offset that puts source time `from` at output time `to`.
    pub(super) fn between(from: Ns, to: Ns) -> Self {
        Self(to.saturating_sub(from))
    }

    /// The output time of a source time.
    pub(super) fn map(self, source: Ns) -> Ns {
        source.saturating_add(self.0).clamp(-LIMIT, LIMIT)
    }
}

/// The epochs of the last few clocks, newest last.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    list: Vec<Offset>,
}

impl Epochs {
    /// The clock of the current session.
    pub(super) fn newest(&self) -> Option<Offset> {
        self.list.last().copied()
    }

    /// Newest first.
    pub(super) fn recent(&self) -> impl Iterator<Item = Offset> + '_ {
        self.list.iter().rev().copied()
    }

    /// Makes `offset` the newest.
    pub(super) fn push(&mut self, offset: Offset) {
        self.list.retain(|known| *known != offset);
        if self.list.len() >= RECENT {
            self.list.remove(0);
        }
        self.list.push(offset);
    }
}

/// One track's part of an epoch. Source and output ticks are counted from a common point, so that spacing stays exact:
/// nothing is rounded twice and nothing drifts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// The epoch.
    pub(super) offset: Offset,
    source: i64,
    output: i64,
    from: TimeBase,
    to: TimeBase,
}

impl Anchor {
    /// Fixes the common point at `source`.
    pub(super) fn new(offset: Offset, source: i64, from: TimeBase, to: TimeBase) -> Self {
        Self {
            offset,
            source,
            output: ticks(offset.map(nanos(source, from)), to),
            from,
            to,
        }
    }

    /// Source ticks → output ticks.
    pub(super) fn map(&self, source: i64) -> i64 {
        let distance = source
            .saturating_sub(self.source)
            .clamp(-super::unwrap::LIMIT, super::unwrap::LIMIT);
        let moved = if self.from == self.to {
            distance
        } else {
            Ticks(distance).saturating_rescale(self.from, self.to).0
        };
        moved
            .saturating_add(self.output)
            .clamp(-super::unwrap::LIMIT, super::unwrap::LIMIT)
    }
}
