//! Drops are counted and told in summaries, so that a bad source can't fill a disk with events.

use std::time::{Duration, Instant};

use super::{Event, Reason};

/// At most one summary per reason in this time.
const EVERY: Duration = Duration::from_secs(10);

/// What has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Reports {
    pending: [u64; Reason::ALL.len()],
    told: [Option<Instant>; Reason::ALL.len()],
}

impl Reports {
    pub(super) fn drop(&mut self, reason: Reason) {
        for (known, count) in Reason::ALL.iter().zip(&mut self.pending) {
            if *known == reason {
                *count += 1;
            }
        }
    }

    /// Tells what is due at `now`.
    pub(super) fn tick(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.pending == [0; Reason::ALL.len()] {
            return;
        }
        for ((reason, count), told) in Reason::ALL.iter().zip(&mut self.pending).zip(&mut self.told) {
            let due = told.is_none_or(|then| now.saturating_duration_since(then) >= EVERY);
            if *count > 0 && due {
                events.push(Event::Dropped {
                    reason: *reason,
                    count: std::mem::take(count),
                });
                *told = Some(now);
            }
        }
    }

    /// Tells the rest.
    pub(super) fn flush(&mut self, events: &mut Vec<Event>) {
        for (reason, count) in Reason::ALL.iter().zip(&mut self.pending) {
            if *count > 0 {
                events.push(Event::Dropped {
                    reason: *reason,
                    count: std::mem::take(count),
                });
            }
        }
    }
}
