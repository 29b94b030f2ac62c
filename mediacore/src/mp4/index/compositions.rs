//! Composition offsets: how much later than its DTS a sample is shown.

use super::wide;

/// The composition offsets of one track: one number, runs of 8 bytes, or 2 or 4 bytes for each sample, whichever is
/// smallest.
#[derive(Debug)]
pub(super) struct Compositions {
    form: Form,
    min: i32,
    max: i32,
}

#[derive(Debug)]
enum Form {
    Constant,
    Runs(Vec<(u32, i32)>),
    Narrow(Vec<i16>),
    Wide(Vec<i32>),
}

impl Compositions {
    /// From `runs` of (samples, offset of each), of which `count` samples are taken; samples without a run have 0. The
    /// second value is how many samples the runs had.
    pub(super) fn build(count: u32, runs: impl ExactSizeIterator<Item = (u32, i32)> + Clone) -> (Self, u64) {
        let mut covered = 0_u64;
        let (mut min, mut max) = (i32::MAX, i32::MIN);
        for (samples, offset) in runs.clone() {
            if samples > 0 && covered < u64::from(count) {
                min = min.min(offset);
                max = max.max(offset);
            }
            covered += u64::from(samples);
        }
        if covered < u64::from(count) || count == 0 {
            min = min.min(0);
            max = max.max(0);
        }
        let entries = runs.len();
        let narrow = i16::try_from(min).is_ok() && i16::try_from(max).is_ok();
        let form = if min == max {
            Form::Constant
        } else if entries.saturating_mul(if narrow { 4 } else { 2 }) <= wide(count) {
            Form::Runs(firsts(count, runs))
        } else if narrow {
            // Checked above: every offset of the first `count` samples fits.
            Form::Narrow(plain(count, runs, |offset| i16::try_from(offset).unwrap_or(0)))
        } else {
            Form::Wide(plain(count, runs, |offset| offset))
        };
        (Self { form, min, max }, covered)
    }

    /// The smallest and the largest offset.
    pub(super) fn range(&self) -> (i32, i32) {
        (self.min, self.max)
    }

    /// A walk that starts at `sample`.
    pub(super) fn walk(&self, sample: u32) -> Walk<'_> {
        let n = wide(sample);
        match &self.form {
            Form::Constant => Walk::Constant(self.min),
            Form::Runs(runs) => {
                let at = runs.partition_point(|run| run.0 <= sample);
                Walk::Runs {
                    sample,
                    offset: at
                        .checked_sub(1)
                        .and_then(|at| runs.get(at))
                        .map_or(0, |run| run.1),
                    next: runs.get(at..).unwrap_or_default(),
                }
            }
            Form::Narrow(offsets) => Walk::Narrow(offsets.get(n..).unwrap_or_default()),
            Form::Wide(offsets) => Walk::Wide(offsets.get(n..).unwrap_or_default()),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_size(&self) -> usize {
        match &self.form {
            Form::Constant => 0,
            Form::Runs(runs) => runs.capacity() * 8,
            Form::Narrow(offsets) => offsets.capacity() * 2,
            Form::Wide(offsets) => offsets.capacity() * 4,
        }
    }
}

/// One offset after the other.
#[derive(Clone, Debug)]
pub(super) enum Walk<'a> {
    Constant(i32),
    Runs {
        sample: u32,
        offset: i32,
        next: &'a [(u32, i32)],
    },
    Narrow(&'a [i16]),
    Wide(&'a [i32]),
}

impl Walk<'_> {
    /// The offset of the next sample.
    pub(super) fn step(&mut self) -> i32 {
        match self {
            Self::Constant(offset) => *offset,
            Self::Runs { sample, offset, next } => {
                if let [(first, value), rest @ ..] = next
                    && first == sample
                {
                    *offset = *value;
                    *next = rest;
                }
                *sample = sample.wrapping_add(1);
                *offset
            }
            Self::Narrow(offsets) => offsets.split_off_first().map_or(0, |offset| i32::from(*offset)),
            Self::Wide(offsets) => offsets.split_off_first().copied().unwrap_or(0),
        }
    }
}

fn firsts(count: u32, runs: impl Iterator<Item = (u32, i32)>) -> Vec<(u32, i32)> {
    let mut first = 0_u32;
    let mut list: Vec<(u32, i32)> = Vec::new();
    for (samples, offset) in runs {
        if samples > 0 && first < count {
            if list.last().is_none_or(|run| run.1 != offset) {
                list.push((first, offset));
            }
            first = first.saturating_add(samples);
        }
    }
    if first < count {
        list.push((first, 0));
    }
    list.shrink_to_fit();
    list
}

/// Only called when there are at most four samples for each run.
fn plain<T: Copy + Default>(
    count: u32,
    runs: impl Iterator<Item = (u32, i32)>,
    narrow: impl Fn(i32) -> T,
) -> Vec<T> {
    let count = wide(count);
    let mut list = Vec::with_capacity(count);
    for (samples, offset) in runs {
        if samples == 1 && list.len() < count {
            list.push(narrow(offset));
        } else {
            let samples = wide(samples).min(count - list.len());
            list.extend(std::iter::repeat_n(narrow(offset), samples));
        }
    }
    list.resize(count, T::default());
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_form_gives_back_the_plain_list(
            runs in prop::collection::vec((0_u32..20, -3_i32..3), 0..60),
            extra in 0_u32..40,
            scale in prop::sample::select(vec![1, 20_000]),
        ) {
            let runs: Vec<_> = runs.into_iter().map(|(samples, offset)| (samples, offset * scale)).collect();
            let total: u32 = runs.iter().map(|run| run.0).sum();
            let (offsets, _) = Compositions::build(total + extra, runs.iter().copied());
            let mut want: Vec<i32> = runs.iter().flat_map(|run| vec![run.1; wide(run.0)]).collect();
            want.resize(wide(total + extra), 0);
            let mut walk = offsets.walk(0);
            for (n, want) in want.iter().enumerate() {
                prop_assert_eq!(walk.step(), *want);
                prop_assert_eq!(offsets.walk(u32::try_from(n).unwrap()).step(), *want);
            }
            if let (Some(min), Some(max)) = (want.iter().min(), want.iter().max()) {
                prop_assert_eq!(offsets.range(), (*min, *max));
            }
        }
    }
}
