//! Where samples are: pieces of consecutive samples, and the sizes in them.

use super::wide;

/// The most samples in one piece of a track whose samples have sizes of their own.
pub(super) const PIECE: u32 = 64;

/// The size of each sample: one number for all, or 4 bytes a sample.
#[derive(Debug)]
pub(super) enum Sizes {
    Constant(u32),
    Each(Vec<u32>),
}

impl Sizes {
    pub(super) fn of(&self, sample: u32) -> u32 {
        match self {
            Self::Constant(size) => *size,
            Self::Each(sizes) => sizes.get(wide(sample)).copied().unwrap_or(0),
        }
    }

    /// The bytes of samples `from..to`.
    #[inline]
    pub(super) fn sum(&self, from: u32, to: u32) -> u64 {
        match self {
            Self::Constant(size) => u64::from(*size) * u64::from(to.saturating_sub(from)),
            Self::Each(sizes) => {
                let sizes = sizes.get(wide(from)..wide(to)).unwrap_or_default();
                sizes.iter().map(|size| u64::from(*size)).sum()
            }
        }
    }

    pub(super) fn heap_size(&self) -> usize {
        match self {
            Self::Constant(_) => 0,
            Self::Each(sizes) => sizes.capacity() * 4,
        }
    }
}

/// Where each piece (a chunk, or a part of a long one) starts in the file, which samples it has, and which sample
/// description they use.
///
/// Offsets take 4 bytes a piece; their upper halves are kept where they change. Which samples start a piece is one bit a
/// sample with a running count for 64 of them (1½ bits a sample), so that a lookup is a few instructions and adds at most
/// 63 sizes. A track with one size for all samples keeps runs instead, as `stsc` does: a lookup is then a binary search.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    low: Vec<u32>,
    high: Vec<(u32, u32)>,
    entries: Vec<(u32, u32)>,
    spans: Spans,
}

#[derive(Debug)]
enum Spans {
    Bits { words: Vec<u64>, ranks: Vec<u32> },
    Runs(Vec<Run>),
}

impl Default for Spans {
    fn default() -> Self {
        Self::Bits {
            words: Vec::new(),
            ranks: Vec::new(),
        }
    }
}

/// Chunks with equally many samples.
#[derive(Clone, Copy, Debug)]
struct Run {
    sample: u32,
    chunk: u32,
    per_chunk: u32,
}

impl Chunks {
    /// For samples with sizes of their own.
    pub(super) fn pieces() -> Self {
        Self::default()
    }

    /// The same with room for `samples` in `chunks`, numbers that the caller has seen the bytes of.
    pub(super) fn with_room(chunks: u32, samples: u32) -> Self {
        Self {
            low: Vec::with_capacity(wide(chunks.min(samples))),
            spans: Spans::Bits {
                words: vec![0; wide(samples).div_ceil(64)],
                ranks: Vec::new(),
            },
            ..Self::default()
        }
    }

    /// For samples of one size; added by [`Chunks::push_run_chunk`].
    pub(super) fn runs() -> Self {
        Self {
            spans: Spans::Runs(Vec::new()),
            ..Self::default()
        }
    }

    /// Adds a chunk of `count` samples from `sample` on, which is the number of samples so far.
    #[inline]
    pub(super) fn push_chunk(&mut self, offset: u64, sample: u32, count: u32, sizes: &Sizes) {
        if matches!(self.spans, Spans::Runs(_)) {
            self.push_run_chunk(offset, sample, count);
            return;
        }
        let (mut offset, mut sample, mut count) = (offset, sample, count);
        while count > 0 {
            let part = count.min(PIECE);
            self.start(offset, sample);
            self.continue_to(sample + part);
            if part == count {
                break;
            }
            offset = offset.saturating_add(sizes.sum(sample, sample + part));
            sample += part;
            count -= part;
        }
    }

    /// Where the pieces start that [`Pieces::begin`] or [`Chunks::begin_each`] began.
    pub(super) fn push_offsets(&mut self, offsets: impl ExactSizeIterator<Item = u64> + Clone) {
        let first = self.low.len();
        self.low.extend(offsets.clone().map(|offset| offset as u32));
        let mut top = self.high.last().map_or(0, |entry| entry.1);
        if top == 0 && offsets.clone().fold(0, |all, offset| all | offset >> 32) == 0 {
            return;
        }
        for (n, offset) in offsets.enumerate() {
            if (offset >> 32) as u32 != top {
                top = (offset >> 32) as u32;
                self.high
                    .push((u32::try_from(first + n).unwrap_or(u32::MAX), top));
            }
        }
    }

    /// Each of `count` samples from `sample` on starts a piece; there is room for them.
    pub(super) fn begin_each(&mut self, sample: u32, count: usize) {
        let Spans::Bits { words, .. } = &mut self.spans else {
            return;
        };
        let (from, to) = (wide(sample), wide(sample) + count);
        for at in from / 64..to.div_ceil(64) {
            let low = u64::MAX << from.saturating_sub(at * 64);
            let high = u64::MAX >> (at * 64 + 64).saturating_sub(to);
            if let Some(word) = words.get_mut(at) {
                *word |= low & high;
            }
        }
    }

    /// To add many pieces of samples that there is room for, see [`Chunks::with_room`].
    #[inline]
    pub(super) fn pieces_from(&mut self) -> Pieces<'_> {
        Pieces {
            low: &mut self.low,
            top: self.high.last().map_or(0, |entry| entry.1),
            high: &mut self.high,
            words: match &mut self.spans {
                Spans::Bits { words, .. } => words,
                Spans::Runs(_) => &mut [],
            },
        }
    }

    /// Adds one sample; `joined` when it follows the one before it without a gap.
    pub(super) fn push_sample(&mut self, offset: u64, sample: u32, joined: bool) {
        let Spans::Bits { words, .. } = &self.spans else {
            return;
        };
        // A word starts a piece too: then no piece is longer than 64 samples, and no counter is needed.
        if !joined || words.len() * 64 <= wide(sample) {
            self.start(offset, sample);
        }
        self.continue_to(sample + 1);
    }

    /// Samples from `sample` on use the description `entry`, counted from 0.
    pub(super) fn set_entry(&mut self, sample: u32, entry: u32) {
        match self.entries.last_mut() {
            Some(last) if last.1 == entry => {}
            Some(last) if last.0 == sample => last.1 = entry,
            None if entry == 0 => {}
            _ => self.entries.push((sample, entry)),
        }
    }

    /// Ends the building of `count` samples.
    pub(super) fn finish(&mut self, count: u32) {
        if let Spans::Bits { words, ranks } = &mut self.spans {
            words.truncate(wide(count).div_ceil(64));
            let mut rank = 0;
            *ranks = words
                .iter()
                .map(|word| {
                    let before = rank;
                    rank += word.count_ones();
                    before
                })
                .collect();
            words.shrink_to_fit();
        }
        self.low.shrink_to_fit();
        self.high.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// The piece that `sample` is in, and its first sample.
    pub(super) fn locate(&self, sample: u32) -> (u32, u32) {
        match &self.spans {
            Spans::Bits { words, ranks } => {
                let mut at = wide(sample) / 64;
                let mut word = words.get(at).copied().unwrap_or(0) & (u64::MAX >> (63 - sample % 64));
                let rank = ranks.get(at).copied().unwrap_or(0);
                let piece = (rank + word.count_ones()).saturating_sub(1);
                while word == 0 && at > 0 {
                    at -= 1;
                    word = words.get(at).copied().unwrap_or(0);
                }
                let first = (at * 64 + 63).saturating_sub(word.leading_zeros() as usize);
                (piece, u32::try_from(first).unwrap_or(u32::MAX))
            }
            Spans::Runs(runs) => {
                let at = runs.partition_point(|run| run.sample <= sample);
                let Some(run) = at.checked_sub(1).and_then(|at| runs.get(at)) else {
                    return (0, 0);
                };
                let chunks = (sample - run.sample) / run.per_chunk;
                (run.chunk + chunks, run.sample + chunks * run.per_chunk)
            }
        }
    }

    /// The description of `sample`, and the first sample that may have another.
    pub(super) fn entry(&self, sample: u32) -> (u32, u32) {
        let at = self.entries.partition_point(|entry| entry.0 <= sample);
        let entry = at.checked_sub(1).and_then(|at| self.entries.get(at));
        let until = self.entries.get(at).map_or(u32::MAX, |entry| entry.0);
        (entry.map_or(0, |entry| entry.1), until)
    }

    /// A walk that starts at `sample`.
    pub(super) fn walk(&self, sample: u32, sizes: &Sizes) -> Walk {
        let (piece, first) = self.locate(sample);
        let high = self.high.partition_point(|entry| entry.0 <= piece);
        let enters = first == sample && matches!(self.spans, Spans::Bits { .. });
        Walk {
            offset: self.piece_offset(piece).saturating_add(sizes.sum(first, sample)),
            // The first step of a walk enters the piece whose first sample it stands on.
            piece: piece.wrapping_sub(u32::from(enters)),
            high,
            until: self.end_of(piece, first),
        }
    }

    pub(super) fn heap_size(&self) -> usize {
        let spans = match &self.spans {
            Spans::Bits { words, ranks } => words.capacity() * 8 + ranks.capacity() * 4,
            Spans::Runs(runs) => runs.capacity() * size_of::<Run>(),
        };
        spans + self.low.capacity() * 4 + self.high.capacity() * 8 + self.entries.capacity() * 8
    }

    /// The end of a piece of a constant-size track; the bits say it themselves.
    fn end_of(&self, piece: u32, first: u32) -> u32 {
        match &self.spans {
            Spans::Bits { .. } => 0,
            Spans::Runs(runs) => {
                let at = runs.partition_point(|run| run.chunk <= piece);
                let run = at.checked_sub(1).and_then(|at| runs.get(at));
                first.saturating_add(run.map_or(1, |run| run.per_chunk))
            }
        }
    }

    fn piece_offset(&self, piece: u32) -> u64 {
        let low = self.low.get(wide(piece)).copied().unwrap_or(0);
        let at = self.high.partition_point(|entry| entry.0 <= piece);
        let high = at.checked_sub(1).and_then(|at| self.high.get(at));
        join(high.map_or(0, |entry| entry.1), low)
    }

    fn push_run_chunk(&mut self, offset: u64, sample: u32, per_chunk: u32) {
        let chunk = self.push_offset(offset);
        if let Spans::Runs(runs) = &mut self.spans
            && per_chunk > 0
            && runs.last().is_none_or(|run| run.per_chunk != per_chunk)
        {
            runs.push(Run {
                sample,
                chunk,
                per_chunk,
            });
        }
    }

    #[inline]
    fn start(&mut self, offset: u64, sample: u32) {
        self.push_offset(offset);
        if let Spans::Bits { words, .. } = &mut self.spans {
            let at = wide(sample) / 64;
            while words.len() <= at {
                words.push(0);
            }
            if let Some(word) = words.get_mut(at) {
                *word |= 1 << (sample % 64);
            }
        }
    }

    /// There are words for the first `samples` samples; a piece adds two at most.
    #[inline]
    fn continue_to(&mut self, samples: u32) {
        if let Spans::Bits { words, .. } = &mut self.spans {
            while words.len() * 64 < wide(samples) {
                words.push(0);
            }
        }
    }

    #[inline]
    fn push_offset(&mut self, offset: u64) -> u32 {
        // The builders stop before 2³² pieces: each has a sample.
        let piece = u32::try_from(self.low.len()).unwrap_or(u32::MAX);
        let high = (offset >> 32) as u32;
        if self.high.last().map_or(0, |entry| entry.1) != high {
            self.high.push((piece, high));
        }
        self.low.push(offset as u32);
        piece
    }
}

/// Pieces being added.
pub(super) struct Pieces<'a> {
    low: &'a mut Vec<u32>,
    high: &'a mut Vec<(u32, u32)>,
    top: u32,
    words: &'a mut [u64],
}

impl Pieces<'_> {
    /// A piece starts with `sample`.
    #[inline]
    pub(super) fn start(&mut self, offset: u64, sample: u32) {
        if (offset >> 32) as u32 != self.top {
            self.top = (offset >> 32) as u32;
            let piece = u32::try_from(self.low.len()).unwrap_or(u32::MAX);
            self.high.push((piece, self.top));
        }
        self.low.push(offset as u32);
        self.begin(wide(sample));
    }

    /// The same without the offset, see [`Chunks::push_offsets`].
    #[inline]
    pub(super) fn begin(&mut self, sample: usize) {
        if let Some(word) = self.words.get_mut(sample / 64) {
            *word |= 1 << (sample % 64);
        }
    }

    /// None of them, nor any before.
    pub(super) fn clear(&mut self) {
        self.words.fill(0);
        self.low.clear();
        self.high.clear();
    }
}

/// Where one sample after the other starts.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    offset: u64,
    piece: u32,
    high: usize,
    until: u32,
}

impl Walk {
    /// The offset of `sample`, which has `size` bytes and is the next of this walk.
    #[inline]
    pub(super) fn step(&mut self, chunks: &Chunks, sample: u32, size: u32) -> u64 {
        let starts = match &chunks.spans {
            Spans::Bits { words, .. } => {
                words.get(wide(sample) / 64).copied().unwrap_or(0) >> (sample % 64) & 1 == 1
            }
            Spans::Runs(_) => sample >= self.until,
        };
        if starts {
            self.enter(chunks, sample);
        }
        let offset = self.offset;
        self.offset = offset.saturating_add(u64::from(size));
        offset
    }

    fn enter(&mut self, chunks: &Chunks, sample: u32) {
        self.piece = self.piece.wrapping_add(1);
        if let Spans::Runs(_) = chunks.spans {
            self.until = chunks.end_of(self.piece, sample);
        }
        while let Some(entry) = chunks.high.get(self.high)
            && entry.0 <= self.piece
        {
            self.high += 1;
        }
        let high = self.high.checked_sub(1).and_then(|at| chunks.high.get(at));
        let low = chunks.low.get(wide(self.piece)).copied().unwrap_or(0);
        self.offset = join(high.map_or(0, |entry| entry.1), low);
    }
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
