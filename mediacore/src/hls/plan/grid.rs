//! [`Grid`]: where segments start and end nominally, and how many there are.

use crate::hls::options::{CountPolicy, Segmentation};
use crate::time::Millis;

/// Where segments are meant to be cut: first the bootstrap lengths, then equal ones without end.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    bootstrap: &'a [Millis],
    lead: Millis,
    step: u64,
    policy: CountPolicy,
}

impl<'a> Grid<'a> {
    /// The grid of `segmentation`. A length of zero counts as one millisecond.
    pub fn new(segmentation: &'a Segmentation) -> Self {
        Self {
            bootstrap: &segmentation.bootstrap,
            lead: sum(&segmentation.bootstrap),
            step: segmentation.duration.0.max(1),
            policy: segmentation.count,
        }
    }

    /// When segment `number` (from 0) starts.
    pub fn start(&self, number: u32) -> Millis {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        match self.bootstrap.get(..place) {
            Some(before) => sum(before),
            None => {
                let after = u64::from(number).saturating_sub(self.bootstrap.len() as u64);
                Millis(self.lead.0.saturating_add(after.saturating_mul(self.step)))
            }
        }
    }

    /// When segment `number` ends, which is when the next one starts.
    pub fn end(&self, number: u32) -> Millis {
        self.start(number.saturating_add(1))
    }

    /// How many segments `length` has; none when it is zero, pinned to the numbers that there are.
    pub fn count(&self, length: Millis) -> u32 {
        if length == Millis::ZERO {
            return 0;
        }
        let first = self.bootstrap.len() as u64;
        let rest = length.0.checked_sub(self.lead.0);
        let count = match (self.policy, rest) {
            (CountPolicy::LastShort, Some(rest)) if rest > 0 => {
                first.saturating_add(rest.div_ceil(self.step))
            }
            (CountPolicy::LastLong, Some(rest)) => first.saturating_add(rest / self.step),
            (CountPolicy::LastRounded, Some(rest)) => {
                first.saturating_add(rest.saturating_add(self.step / 2) / self.step)
            }
            _ => self.count_bootstrap(length),
        };
        u32::try_from(count.max(1)).unwrap_or(u32::MAX)
    }

    /// The longest that a segment is meant to be.
    pub fn longest(&self) -> Millis {
        let bootstrap = self.bootstrap.iter().copied().max().unwrap_or(Millis::ZERO);
        bootstrap.max(Millis(self.step))
    }

    /// How many segments there are when `length` ends within the bootstrap lengths.
    fn count_bootstrap(&self, length: Millis) -> u64 {
        let mut start = Millis::ZERO;
        let mut count = 0;
        for step in self.bootstrap {
            let from = match self.policy {
                CountPolicy::LastShort => start.saturating_add(Millis(1)),
                CountPolicy::LastLong => start.saturating_add(*step),
                CountPolicy::LastRounded => start.saturating_add(Millis(step.0 / 2)),
            };
            if count > 0 && length < from {
                break;
            }
            count += 1;
            start = start.saturating_add(*step);
        }
        count
    }
}

/// The sum of lengths, pinned to the end of the range.
pub(super) fn sum(lengths: &[Millis]) -> Millis {
    let lengths = lengths.iter().copied();
    lengths.fold(Millis::ZERO, Millis::saturating_add)
}
