//! Smooths audio times: packets of known length follow each other without a seam, as long as the source agrees.

use super::epoch::Ns;

/// A source may be off this much before anything is corrected, at least.
const DEAD_BAND: Ns = 2_500_000;

/// From here on the source is believed at once.
const RESYNC: Ns = 100_000_000;

/// Longer than this for [`PATIENCE`] packets in a row, and the source is believed too.
const PERSISTENT: Ns = 30_000_000;

/// Packets.
const PATIENCE: u32 = 8;

/// The largest correction of one packet is its length divided by this.
const GENTLE: i64 = 64;

/// The running sum of one audio track, in output ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    next: Option<i64>,
    off: u32,
}

/// Where the packet goes, and whether the running sum was given up for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Paced {
    pub(super) at: i64,
    pub(super) resync: bool,
}

impl Pace {
    /// Places a packet of `frame` ticks for which the source says `mapped`, where source ticks are `tick` long and there
    /// are `scale` output ticks in a second.
    pub(super) fn place(&mut self, mapped: i64, frame: i64, tick: Ns, scale: u32) -> Paced {
        let in_ticks = |time: Ns| {
            let ticks = i128::from(time) * i128::from(scale) / 1_000_000_000;
            i64::try_from(ticks).unwrap_or(i64::MAX)
        };
        let Some(next) = self.next else {
            return Paced {
                at: mapped,
                resync: false,
            };
        };
        let error = mapped.saturating_sub(next);
        let size = error.saturating_abs();
        let band = in_ticks(DEAD_BAND.max(tick.saturating_mul(2))).saturating_add(1);
        if size <= band {
            self.off = 0;
            return Paced {
                at: next,
                resync: false,
            };
        }
        self.off = if size > in_ticks(PERSISTENT) {
            self.off + 1
        } else {
            0
        };
        if size > in_ticks(RESYNC) || self.off >= PATIENCE {
            self.off = 0;
            return Paced {
                at: mapped,
                resync: true,
            };
        }
        if let Some(lost) = whole_packets(error, frame, band) {
            self.off = 0;
            return Paced {
                at: next.saturating_add(lost),
                resync: true,
            };
        }
        let most = (frame / GENTLE).max(1);
        let step = (size - band).clamp(0, most);
        Paced {
            at: next.saturating_add(step * error.signum()),
            resync: false,
        }
    }

    /// The packet was put at `at` and is `frame` ticks long.
    pub(super) fn placed(&mut self, at: i64, frame: i64) {
        self.next = Some(at.saturating_add(frame));
    }

    /// The next packet starts a new sum.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }
}

/// `error` as a number of lost packets, in ticks, when it is one.
fn whole_packets(error: i64, frame: i64, band: i64) -> Option<i64> {
    if frame <= band.saturating_mul(2) || error <= 0 {
        return None;
    }
    let lost = error.saturating_add(frame / 2) / frame * frame;
    (lost > 0 && (error - lost).abs() <= band).then_some(lost)
}
