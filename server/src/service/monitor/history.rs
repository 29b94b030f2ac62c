//! The last day, in memory.

use std::collections::VecDeque;
use std::time::Duration;

use super::sample::{Sample, rounded};
use crate::domain::time::Micros;

/// What the machine did over a short time, on average.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: Micros,
    pub(crate) cpu_percent: f64,
    pub(crate) memory_percent: f64,
    pub(crate) disk_percent: f64,
    pub(crate) disk_used: u64,
    pub(crate) network_in: u64,
    pub(crate) network_out: u64,
    pub(crate) process_memory: u64,
}

/// One resolution.
struct Ring {
    every: Duration,
    capacity: usize,
    points: VecDeque<Point>,
    /// What falls into the point that is being made.
    open: Vec<Point>,
}

/// Two resolutions.
pub(super) struct History {
    fine: Ring,
    coarse: Ring,
}

impl Default for History {
    fn default() -> Self {
        let ring = |every, capacity| Ring {
            every: Duration::from_secs(every),
            capacity,
            points: VecDeque::new(),
            open: Vec::new(),
        };
        Self {
            fine: ring(10, 360),
            coarse: ring(60, 1440),
        }
    }
}

fn mean(points: &[Point]) -> Option<Point> {
    let count = u64::try_from(points.len()).ok().filter(|count| *count > 0)?;
    let float = |of: fn(&Point) -> f64| rounded(points.iter().map(of).sum::<f64>() / count as f64);
    let whole = |of: fn(&Point) -> u64| {
        let sum: u128 = points.iter().map(|point| u128::from(of(point))).sum();
        u64::try_from(sum / u128::from(count)).unwrap_or(u64::MAX)
    };
    let first = points.first()?;
    Some(Point {
        at: first.at,
        cpu_percent: float(|point| point.cpu_percent),
        memory_percent: float(|point| point.memory_percent),
        disk_percent: float(|point| point.disk_percent),
        disk_used: points.last()?.disk_used,
        network_in: whole(|point| point.network_in),
        network_out: whole(|point| point.network_out),
        process_memory: whole(|point| point.process_memory),
    })
}

impl Ring {
    fn push(&mut self, point: Point) {
        // Points of a clock that was set back stand alone.
        let over = self
            .open
            .first()
            .is_some_and(|first| point.at < first.at || point.at.since(first.at) >= self.every);
        if over {
            self.points.extend(mean(&self.open));
            self.open.clear();
            while self.points.len() > self.capacity {
                self.points.pop_front();
            }
        }
        self.open.push(point);
    }

    /// With the point that is being made.
    fn all(&self) -> impl Iterator<Item = Point> + '_ {
        self.points.iter().cloned().chain(mean(&self.open))
    }
}

impl History {
    pub(super) fn push(&mut self, sample: &Sample) {
        let point = Point {
            at: sample.at,
            cpu_percent: sample.cpu_percent,
            memory_percent: sample.memory_percent,
            disk_percent: sample.disk_percent,
            disk_used: sample.disk_used,
            network_in: sample.network_in,
            network_out: sample.network_out,
            process_memory: sample.process_memory,
        };
        self.fine.push(point.clone());
        self.coarse.push(point);
    }

    pub(super) fn since(&self, from: Micros) -> Vec<Point> {
        let fine: Vec<Point> = self.fine.all().collect();
        let begin = fine.first().map_or(Micros(i64::MAX), |point| point.at);
        let coarse = self.coarse.all().filter(|point| point.at < begin);
        coarse
            .chain(fine.iter().cloned())
            .filter(|point| point.at >= from)
            .collect()
    }

    /// By a straight line through what the disk held, ten minutes at least.
    pub(super) fn hours_until_full(&self, free: u64) -> Option<f64> {
        let points: Vec<Point> = self.coarse.all().collect();
        let (first, last) = (points.first()?, points.last()?);
        if last.at.since(first.at) < Duration::from_secs(600) {
            return None;
        }
        let hours = |point: &Point| point.at.since(first.at).as_secs_f64() / 3600.0;
        let count = points.len() as f64;
        let mean_x = points.iter().map(hours).sum::<f64>() / count;
        let base = first.disk_used as f64;
        let mean_y = points
            .iter()
            .map(|point| point.disk_used as f64 - base)
            .sum::<f64>()
            / count;
        let (mut above, mut below) = (0.0, 0.0);
        for point in &points {
            let x = hours(point) - mean_x;
            above += x * (point.disk_used as f64 - base - mean_y);
            below += x * x;
        }
        let per_hour = above / below;
        // Slower than a megabyte an hour is noise.
        (per_hour.is_finite() && per_hour > 1_048_576.0).then(|| rounded(free as f64 / per_hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64, disk_used: u64) -> Sample {
        Sample {
            at: Micros(second * 1_000_000),
            cpu_percent: 50.0,
            disk_used,
            network_in: 1000,
            ..Sample::default()
        }
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let mut history = History::default();
        for second in (0..2 * 86_400).step_by(2) {
            history.push(&sample(second, 0));
        }
        let all = history.since(Micros(0));
        let (first, last) = (all.first().unwrap(), all.last().unwrap());
        assert!(last.at.since(first.at) >= Duration::from_secs(86_000));
        assert!((1700..1900).contains(&all.len()), "{}", all.len());
        assert!(all.is_sorted_by(|a, b| a.at < b.at));
        assert!(
            all.iter()
                .all(|point| point.cpu_percent == 50.0 && point.network_in == 1000)
        );
        let hour = history.since(Micros((2 * 86_400 - 3000) * 1_000_000));
        assert!((299..=301).contains(&hour.len()), "{}", hour.len());
    }

    #[test]
    fn the_disk_is_full_when_the_line_says_so() {
        let gib = 1_u64 << 30;
        let mut history = History::default();
        for minute in 0..120_u64 {
            history.push(&sample(i64::try_from(minute).unwrap() * 60, minute * gib / 60));
        }
        let hours = history.hours_until_full(10 * gib).unwrap();
        assert!((9.9..10.1).contains(&hours), "{hours}");
        let mut steady = History::default();
        for minute in 0..120 {
            steady.push(&sample(minute * 60, gib));
        }
        assert_eq!(steady.hours_until_full(gib), None);
        assert_eq!(History::default().hours_until_full(gib), None);
    }
}
