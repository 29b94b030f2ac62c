//! [`Histogram`]: how long something takes, in buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Page;

/// The upper borders of the buckets: as text, and in nanoseconds. What takes longer than the last is in a bucket of its own.
const BORDERS: [(&str, u64); 14] = [
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("1", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("5", 5_000_000_000),
    ("10", 10_000_000_000),
];

/// Times that were observed.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BORDERS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    pub(super) const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BORDERS.len() + 1],
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Something took so long.
    pub(crate) fn observe(&self, length: Duration) {
        let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BORDERS
            .iter()
            .position(|(_, border)| length <= *border)
            .unwrap_or(BORDERS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(length, Ordering::Relaxed);
    }

    /// Its samples, without the head of the family.
    pub(super) fn render(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let bucket = format!("{name}_bucket");
        let mut with = labels.to_vec();
        with.push(("le", ""));
        let last = with.len() - 1;
        let mut sum = 0;
        let borders = BORDERS.iter().map(|(text, _)| *text).chain(["+Inf"]);
        for (count, border) in self.buckets.iter().zip(borders) {
            sum += count.load(Ordering::Relaxed);
            with[last].1 = border;
            page.sample(&bucket, &with, sum as f64);
        }
        let seconds = self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        page.sample(&format!("{name}_sum"), labels, seconds);
        page.sample(&format!("{name}_count"), labels, sum as f64);
    }
}

/// Observes the time until it is dropped.
#[derive(Debug)]
pub(crate) struct Timed {
    into: &'static Histogram,
    since: Instant,
}

impl Timed {
    /// From now on.
    pub(crate) fn start(into: &'static Histogram) -> Self {
        Self {
            into,
            since: Instant::now(),
        }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.into.observe(self.since.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_not_longer_and_all_before() {
        let histogram = Histogram::new();
        for micros in [500, 501, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut page = Page::default();
        histogram.render(&mut page, "x_seconds", &[("a", "b")]);
        let text = page.finish();
        for line in [
            "x_seconds_bucket{a=\"b\",le=\"0.0005\"} 1\n",
            "x_seconds_bucket{a=\"b\",le=\"0.001\"} 2\n",
            "x_seconds_bucket{a=\"b\",le=\"10\"} 3\n",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\n",
            "x_seconds_sum{a=\"b\"} 20.001002\n",
            "x_seconds_count{a=\"b\"} 4\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
