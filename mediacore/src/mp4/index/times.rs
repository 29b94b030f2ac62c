//! Decoding times: sample → DTS and back.

use super::wide;

/// Samples per mark of the dense form.
const BLOCK: usize = 64;

/// The decoding times of one track, in its ticks.
///
/// Runs of equal duration where there are few of them (16 bytes a run), else one duration for each sample and one mark
/// for 64 of them (4⅛ bytes a sample). Both are looked up by binary search.
#[derive(Debug)]
pub(super) struct Times {
    count: u32,
    end: i64,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Runs(Vec<Run>),
    Dense { deltas: Vec<u32>, marks: Vec<i64> },
}

#[derive(Clone, Copy, Debug)]
struct Run {
    dts: i64,
    first: u32,
    delta: u32,
}

impl Times {
    /// From `runs` of (samples, duration of each), the first sample at `start`. Takes `count` samples of them; when there
    /// are fewer, the last duration goes on. The second value is how many samples the runs had.
    pub(super) fn build(
        start: i64,
        count: u32,
        runs: impl ExactSizeIterator<Item = (u32, u32)>,
    ) -> (Self, u64) {
        let dense = runs.len() > wide(count) / 4;
        let mut covered = 0_u64;
        let mut first = 0_u32;
        let mut dts = start;
        let mut last = 0;
        let mut list: Vec<Run> = Vec::new();
        let mut deltas: Vec<u32> = Vec::new();
        if dense {
            // No more than four times the entries that are there.
            deltas.reserve_exact(wide(count).min(runs.len().saturating_mul(4)));
        }
        let mut add = |samples: u32, delta: u32| {
            let samples = samples.min(count - first);
            if samples == 0 {
                return;
            }
            if dense {
                deltas.extend(std::iter::repeat_n(delta, wide(samples)));
            } else if list.last().is_none_or(|run| run.delta != delta) {
                list.push(Run { dts, first, delta });
            }
            first += samples;
            dts = dts.saturating_add(span(samples, delta));
        };
        for (samples, delta) in runs {
            covered += u64::from(samples);
            if samples > 0 {
                last = delta;
                add(samples, delta);
            }
        }
        add(u32::MAX, last);
        let form = if dense {
            let mut at = start;
            let marks = deltas.chunks(BLOCK).map(|block| {
                let mark = at;
                let sum: i64 = block.iter().map(|delta| i64::from(*delta)).sum();
                at = at.saturating_add(sum);
                mark
            });
            let marks = marks.collect();
            Form::Dense { deltas, marks }
        } else {
            list.shrink_to_fit();
            Form::Runs(list)
        };
        let times = Self {
            count,
            end: dts,
            form,
        };
        (times, covered)
    }

    /// The end of the last sample.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The start of the first sample.
    pub(super) fn start(&self) -> i64 {
        match &self.form {
            Form::Runs(runs) => runs.first().map_or(self.end, |run| run.dts),
            Form::Dense { marks, .. } => marks.first().copied().unwrap_or(self.end),
        }
    }

    /// The duration of each run of samples, in order; in the dense form that of each sample.
    pub(super) fn durations(&self) -> impl Iterator<Item = i64> {
        let (runs, deltas) = match &self.form {
            Form::Runs(runs) => (runs.as_slice(), [].as_slice()),
            Form::Dense { deltas, .. } => ([].as_slice(), deltas.as_slice()),
        };
        let runs = runs.iter().map(|run| i64::from(run.delta));
        runs.chain(deltas.iter().map(|delta| i64::from(*delta)))
    }

    /// The last sample that starts at or before `time`.
    pub(super) fn last_at(&self, time: i64) -> Option<u32> {
        match &self.form {
            Form::Runs(runs) => {
                let at = runs.partition_point(|run| run.dts <= time).checked_sub(1)?;
                let run = runs.get(at)?;
                let next = runs.get(at + 1).map_or(self.count, |run| run.first);
                let last = next.saturating_sub(1);
                let steps = i128::from(time) - i128::from(run.dts);
                let steps = match run.delta {
                    0 => return Some(last),
                    delta => u32::try_from(steps / i128::from(delta)).unwrap_or(u32::MAX),
                };
                Some(run.first.saturating_add(steps).min(last))
            }
            Form::Dense { deltas, marks } => {
                let block = marks.partition_point(|mark| *mark <= time).checked_sub(1)?;
                let first = block * BLOCK;
                let mut at = *marks.get(block)?;
                let mut sample = first;
                for (i, delta) in deltas.get(first..)?.iter().take(BLOCK).enumerate() {
                    if at > time {
                        break;
                    }
                    sample = first + i;
                    at = at.saturating_add(i64::from(*delta));
                }
                u32::try_from(sample).ok()
            }
        }
    }

    /// A walk that starts at `sample`.
    pub(super) fn walk(&self, sample: u32) -> Walk<'_> {
        match &self.form {
            Form::Runs(runs) => {
                let at = runs.partition_point(|run| run.first <= sample);
                let run = at.checked_sub(1).and_then(|at| runs.get(at)).copied();
                let run = run.unwrap_or(Run {
                    dts: self.end,
                    first: sample,
                    delta: 0,
                });
                let next = runs.get(at).map_or(self.count, |run| run.first);
                Walk {
                    dts: run.dts.saturating_add(span(sample - run.first, run.delta)),
                    delta: run.delta,
                    left: next.saturating_sub(sample),
                    runs: runs.get(at..).unwrap_or_default(),
                    deltas: &[],
                    count: self.count,
                }
            }
            Form::Dense { deltas, marks } => {
                let block = wide(sample) / BLOCK;
                let before = deltas.get(block * BLOCK..wide(sample)).unwrap_or_default();
                let sum: i64 = before.iter().map(|delta| i64::from(*delta)).sum();
                let mark = marks.get(block).copied().unwrap_or(self.end);
                Walk {
                    dts: mark.saturating_add(sum),
                    delta: 0,
                    left: 0,
                    runs: &[],
                    deltas: deltas.get(wide(sample)..).unwrap_or_default(),
                    count: self.count,
                }
            }
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        match &self.form {
            Form::Runs(runs) => runs.capacity() * size_of::<Run>(),
            Form::Dense { deltas, marks } => deltas.capacity() * 4 + marks.capacity() * 8,
        }
    }
}

/// DTS and duration of one sample after the other.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    dts: i64,
    delta: u32,
    left: u32,
    runs: &'a [Run],
    deltas: &'a [u32],
    count: u32,
}

impl Walk<'_> {
    /// DTS and duration of the next sample; the caller knows that there is one.
    pub(super) fn step(&mut self) -> (i64, u32) {
        if let [delta, rest @ ..] = self.deltas {
            self.deltas = rest;
            self.delta = *delta;
        } else {
            if self.left == 0
                && let [run, rest @ ..] = self.runs
            {
                self.delta = run.delta;
                self.runs = rest;
                self.left = rest.first().map_or(self.count, |next| next.first) - run.first;
            }
            self.left = self.left.saturating_sub(1);
        }
        let dts = self.dts;
        self.dts = dts.saturating_add(i64::from(self.delta));
        (dts, self.delta)
    }
}

fn span(samples: u32, delta: u32) -> i64 {
    i64::try_from(u64::from(samples) * u64::from(delta)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Both forms agree with the plain sum, and the search is the inverse of the walk.
        #[test]
        fn a_walk_is_the_prefix_sum(
            runs in prop::collection::vec((0_u32..90, 0_u32..4), 0..60),
            extra in 0_u32..40,
            start in -500_i64..500,
        ) {
            let total: u32 = runs.iter().map(|run| run.0).sum();
            let count = total + extra;
            let (times, covered) = Times::build(start, count, runs.iter().copied());
            prop_assert_eq!(covered, u64::from(total));
            let mut plain: Vec<u32> = runs.iter().flat_map(|run| vec![run.1; wide(run.0)]).collect();
            let last = plain.last().copied().unwrap_or(0);
            plain.resize(wide(count), last);
            let mut walk = times.walk(0);
            let mut dts = start;
            let mut all = Vec::new();
            for (n, delta) in plain.iter().enumerate() {
                prop_assert_eq!(walk.step(), (dts, *delta));
                let n = u32::try_from(n).unwrap();
                prop_assert_eq!(times.walk(n).step(), (dts, *delta));
                all.push(dts);
                dts += i64::from(*delta);
            }
            prop_assert_eq!(times.end(), dts);
            for time in start - 2..dts + 2 {
                let want = all.iter().rposition(|dts| *dts <= time).map(|n| u32::try_from(n).unwrap());
                prop_assert_eq!(times.last_at(time), want);
            }
        }
    }

    #[test]
    fn the_longest_track_that_tables_can_claim_does_not_overflow() {
        let runs = [(u32::MAX, u32::MAX), (u32::MAX, 1)];
        let (times, _) = Times::build(i64::MAX - 10, u32::MAX, runs.into_iter());
        assert_eq!(times.end(), i64::MAX);
        assert_eq!(times.walk(u32::MAX - 1).step(), (i64::MAX, u32::MAX));
        assert_eq!(times.heap_size(), size_of::<Run>());
    }
}
