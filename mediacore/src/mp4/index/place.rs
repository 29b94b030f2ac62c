//! `stsc` and `stco` or `co64` together: which samples are in which chunk, and where that is.

use std::ops::Range;

use super::chunks::{Chunks, PIECE, Sizes};
use super::wide;
use crate::mp4::boxes::{BoxError, Cursor, FourCc};

/// The samples that have a place in the file.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) chunks: Chunks,
    pub(super) count: u32,
    pub(super) range: Range<u64>,
    /// A sample lies beyond the end of the file; it and those after it are left out.
    pub(super) beyond: bool,
}

impl Placed {
    /// Places at most `claimed` samples in a file of `file` bytes.
    pub(super) fn read(
        mut stsc: Cursor<'_>,
        mut stco: Cursor<'_>,
        claimed: u32,
        sizes: &Sizes,
        file: u64,
    ) -> Result<Self, BoxError> {
        stsc.full_box()?;
        let count = stsc.u32()?;
        let stsc_at = stsc;
        let (runs, _) = stsc.entries(count, 12)?.as_chunks::<12>();
        let large = stco.kind() == FourCc(*b"co64");
        stco.full_box()?;
        let chunk_count = stco.u32()?;
        let offsets = stco.entries(chunk_count, if large { 8 } else { 4 })?;
        let mut placing = Placing {
            sizes,
            claimed,
            file,
            chunks: match sizes {
                Sizes::Constant(_) => Chunks::runs(),
                Sizes::Each(_) => Chunks::with_room(chunk_count, claimed),
            },
            count: 0,
            start: u64::MAX,
            end: 0,
            beyond: false,
        };
        let placed = if large {
            placing.place(runs, offsets.as_chunks::<8>().0, u64::from_be_bytes)
        } else {
            let small = |bytes| u64::from(u32::from_be_bytes(bytes));
            placing.place(runs, offsets.as_chunks::<4>().0, small)
        };
        if let Err(bad) = placed {
            let mut at = stsc_at;
            at.skip(bad.entry * 12)?;
            let Unordered { entry, start, before } = bad;
            return Err(at.invalid(format!(
                "entry {entry} starts at chunk {start}, after chunk {before}"
            )));
        }
        placing.chunks.finish(placing.count);
        Ok(Self {
            chunks: placing.chunks,
            count: placing.count,
            range: if placing.count > 0 {
                placing.start..placing.end
            } else {
                0..0
            },
            beyond: placing.beyond,
        })
    }
}

/// An entry of `stsc` whose first chunk does not come after the one before.
struct Unordered {
    entry: usize,
    start: u32,
    before: u32,
}

/// An entry of `stsc`: from chunk `start`, counted from 1, chunks have `per_chunk` samples.
struct Run {
    start: u32,
    per_chunk: u32,
    description: u32,
}

impl Run {
    #[inline]
    fn of(entry: &[u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
        Self {
            start: u32::from_be_bytes([a, b, c, d]),
            per_chunk: u32::from_be_bytes([e, f, g, h]),
            description: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

struct Placing<'a> {
    sizes: &'a Sizes,
    claimed: u32,
    file: u64,
    chunks: Chunks,
    count: u32,
    start: u64,
    end: u64,
    beyond: bool,
}

impl Placing<'_> {
    fn place<const N: usize>(
        &mut self,
        runs: &[[u8; 12]],
        offsets: &[[u8; N]],
        decode: impl Fn([u8; N]) -> u64 + Copy,
    ) -> Result<(), Unordered> {
        if self.place_short_runs(runs, offsets, decode) {
            return Ok(());
        }
        let mut before = 1;
        let mut described = 0;
        for (entry, run) in runs.iter().enumerate() {
            let Run {
                start,
                per_chunk,
                description,
            } = Run::of(run);
            if if entry == 0 { start != 1 } else { start <= before } {
                return Err(Unordered { entry, start, before });
            }
            before = start;
            let next = runs.get(entry + 1).map(|next| Run::of(next).start.max(start));
            let next = next.map_or(usize::MAX, |next| wide(next) - 1);
            let first = wide(start) - 1;
            let chunks = offsets.get(first..next.min(offsets.len())).unwrap_or_default();
            if chunks.is_empty() || per_chunk == 0 {
                continue;
            }
            if description != described {
                self.chunks.set_entry(self.count, description.saturating_sub(1));
                described = description;
            }
            let whole = self.add_whole(chunks, per_chunk, decode);
            if whole < chunks.len() || self.count == self.claimed {
                let mut rest = chunks.get(whole..).unwrap_or_default().iter();
                if rest.any(|offset| self.add(decode(*offset), per_chunk)) || self.count == self.claimed {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Places all samples, or none when the tables are not of this form: chunks of a few samples whose number changes all
    /// the time (sound between single pictures), in order, in the file, with one description. One loop over the chunks
    /// whose only branches are those that leave it.
    fn place_short_runs<const N: usize>(
        &mut self,
        runs: &[[u8; 12]],
        offsets: &[[u8; N]],
        decode: impl Fn([u8; N]) -> u64 + Copy,
    ) -> bool {
        const MOST: usize = 4;
        let (Sizes::Each(sizes), Some(first)) = (self.sizes, runs.first()) else {
            return false;
        };
        if runs.len() < offsets.len() / 8 || Run::of(first).start != 1 {
            return false;
        }
        let description = Run::of(first).description;
        let mut pieces = self.chunks.pieces_from();
        let (mut sample, mut entry, mut next) = (0, 0, 1);
        let (mut start, mut end, mut plain) = (u64::MAX, 0, true);
        for (n, offset) in offsets.iter().enumerate() {
            entry += usize::from(next == n + 1);
            let Some(run) = entry.checked_sub(1).and_then(|entry| runs.get(entry)) else {
                break;
            };
            let run = Run::of(run);
            next = runs.get(entry).map_or(usize::MAX, |run| wide(Run::of(run).start));
            let count = wide(run.per_chunk);
            let rest = sizes.get(sample..).unwrap_or_default();
            if count.wrapping_sub(1) >= MOST || count > rest.len() {
                plain = false;
                break;
            }
            let own = rest.first_chunk().copied().unwrap_or_else(|| {
                let mut own = [0; MOST];
                own.iter_mut().zip(rest).for_each(|(own, size)| *own = *size);
                own
            });
            let mut bytes = 0;
            for (n, size) in own.iter().enumerate() {
                bytes += u64::from(*size) * u64::from(n < count);
            }
            let offset = decode(*offset);
            start = start.min(offset);
            end = end.max(offset.saturating_add(bytes));
            plain &= next > n + 1 && run.description == description;
            pieces.begin(sample);
            sample += count;
        }
        if !plain || sample != wide(self.claimed) || end > self.file {
            pieces.clear();
            return false;
        }
        self.chunks
            .push_offsets(offsets.iter().map(|offset| decode(*offset)));
        self.chunks.set_entry(0, description.saturating_sub(1));
        (self.count, self.start, self.end) = (self.claimed, start, end);
        true
    }

    /// Adds chunks as long as they are plain: short, wholly claimed and wholly in the file. Returns how many.
    #[inline]
    fn add_whole<const N: usize>(
        &mut self,
        chunks: &[[u8; N]],
        per_chunk: u32,
        decode: impl Fn([u8; N]) -> u64 + Copy,
    ) -> usize {
        let Sizes::Each(sizes) = self.sizes else { return 0 };
        let mut sizes = sizes.get(wide(self.count)..).unwrap_or_default();
        if per_chunk > PIECE {
            return 0;
        }
        if per_chunk == 1 && chunks.len() > 16 {
            return self.add_singles(chunks, sizes, decode);
        }
        let (mut sample, mut start, mut end) = (self.count, self.start, self.end);
        let mut pieces = self.chunks.pieces_from();
        let mut whole = 0;
        for offset in chunks {
            let Some((own, rest)) = sizes.split_at_checked(wide(per_chunk)) else {
                break;
            };
            let offset = decode(*offset);
            let bytes = match own {
                [size] => u64::from(*size),
                [first, second] => u64::from(*first) + u64::from(*second),
                _ => own.iter().map(|size| u64::from(*size)).sum(),
            };
            let after = offset.saturating_add(bytes);
            if after > self.file {
                break;
            }
            start = start.min(offset);
            end = end.max(after);
            pieces.start(offset, sample);
            sample += per_chunk;
            sizes = rest;
            whole += 1;
        }
        (self.count, self.start, self.end) = (sample, start, end);
        whole
    }

    /// The same for chunks of one sample each, all of them or none: a loop without branches over each table.
    fn add_singles<const N: usize>(
        &mut self,
        chunks: &[[u8; N]],
        sizes: &[u32],
        decode: impl Fn([u8; N]) -> u64 + Copy,
    ) -> usize {
        let Some(sizes) = sizes.get(..chunks.len()) else {
            return 0;
        };
        let (mut start, mut end) = (self.start, self.end);
        for (offset, size) in chunks.iter().zip(sizes) {
            let offset = decode(*offset);
            start = start.min(offset);
            end = end.max(offset.saturating_add(u64::from(*size)));
        }
        if end > self.file {
            return 0;
        }
        (self.start, self.end) = (start, end);
        self.chunks.begin_each(self.count, chunks.len());
        self.chunks
            .push_offsets(chunks.iter().map(|offset| decode(*offset)));
        // Not more than there are sizes.
        self.count += chunks.len() as u32;
        chunks.len()
    }

    /// Adds a chunk; true when no further one is wanted.
    fn add(&mut self, offset: u64, per_chunk: u32) -> bool {
        let mut count = per_chunk.min(self.claimed - self.count);
        let mut end = offset.saturating_add(self.sizes.sum(self.count, self.count + count));
        if end > self.file && count > 0 {
            self.beyond = true;
            // Not even an empty sample lies in a file that ends before it.
            count = match self.file.checked_sub(offset) {
                Some(room) => fitting(self.count, count, room, self.sizes),
                None => 0,
            };
            end = offset.saturating_add(self.sizes.sum(self.count, self.count + count));
        }
        if count > 0 {
            self.chunks.push_chunk(offset, self.count, count, self.sizes);
            self.start = self.start.min(offset);
            self.end = self.end.max(end);
            self.count += count;
        }
        self.beyond || self.count == self.claimed
    }
}

/// How many of `count` samples from `first` on fit into `room` bytes, which are fewer than all of them have.
fn fitting(first: u32, count: u32, room: u64, sizes: &Sizes) -> u32 {
    match sizes {
        Sizes::Constant(size) => {
            u32::try_from(room / u64::from((*size).max(1))).map_or(count, |fit| fit.min(count))
        }
        Sizes::Each(_) => {
            let mut used = 0_u64;
            let fits = (first..first + count).take_while(|sample| {
                used = used.saturating_add(u64::from(sizes.of(*sample)));
                used <= room
            });
            // Counts at most `count`.
            u32::try_from(fits.count()).unwrap_or(count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mp4::boxes::BoxPath;
    use proptest::prelude::*;

    /// A box body as `stsc` or `stco` has it.
    fn body(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn cursor<'a>(kind: &[u8; 4], body: &'a [u8]) -> Cursor<'a> {
        Cursor::new(body, 0, BoxPath::root(FourCc(*kind)))
    }

    proptest! {
        /// Whichever loop places them, samples lie where chunk by chunk arithmetic says.
        #[test]
        fn every_sample_lies_where_its_chunk_says(
            runs in prop::collection::vec((1_u32..4, prop_oneof![8 => 1_u32..5, 1 => 0_u32..140], 1_u32..9), 1..60),
            long in 0_u32..40,
            mixed in prop::bool::weighted(0.2),
            large: bool,
            more in prop_oneof![2 => Just(0), 1 => -20_i64..2],
            short: bool,
            constant in prop::option::weighted(0.2, 1_u32..9),
            file in prop_oneof![4 => Just(u64::MAX), 1 => 0_u64..3000],
            seed in 0_u64..1000,
        ) {
            let mut stsc = vec![0, u32::try_from(runs.len()).unwrap()];
            let mut counts = Vec::new();
            for (n, (chunks, per_chunk, description)) in runs.iter().enumerate() {
                let chunks = if n == 0 { chunks + long } else { *chunks };
                let per_chunk = if short { &(per_chunk % 4 + 1) } else { per_chunk };
                let description = if mixed { description / 7 + 1 } else { 1 };
                stsc.extend([u32::try_from(counts.len()).unwrap() + 1, *per_chunk, description]);
                counts.extend((0..chunks).map(|_| (*per_chunk, description - 1)));
            }
            let step = if large { 1 << 29 } else { 1 << 12 };
            let offsets: Vec<u64> = (0..counts.len() as u64).map(|n| (n * 7 + seed) % 97 * step / 31).collect();
            let mut stco = body(&[0, u32::try_from(offsets.len()).unwrap()]);
            for offset in &offsets {
                let bytes = offset.to_be_bytes();
                stco.extend_from_slice(if large { &bytes } else { &bytes[4..] });
            }
            let total: i64 = counts.iter().map(|chunk| i64::from(chunk.0)).sum();
            let claimed = u32::try_from((total + more).max(0)).unwrap();
            let sizes = match constant {
                Some(size) => Sizes::Constant(size),
                None => Sizes::Each((0..claimed).map(|n| n * 13 % 50).collect()),
            };
            let mut want = Vec::new();
            let mut beyond = false;
            'chunks: for ((count, description), offset) in counts.iter().zip(&offsets) {
                let mut at = *offset;
                for _ in 0..*count {
                    let number = u32::try_from(want.len()).unwrap();
                    if number == claimed {
                        break 'chunks;
                    }
                    let end = at + u64::from(sizes.of(number));
                    if end > file {
                        beyond = true;
                        break 'chunks;
                    }
                    want.push((at, *description));
                    at = end;
                }
            }
            let stsc = body(&stsc);
            let kind = if large { b"co64" } else { b"stco" };
            let placed = Placed::read(cursor(b"stsc", &stsc), cursor(kind, &stco), claimed, &sizes, file).unwrap();
            prop_assert_eq!((wide(placed.count), placed.beyond), (want.len(), beyond));
            let mut walk = placed.chunks.walk(0, &sizes);
            for (n, want) in want.iter().enumerate() {
                let n = u32::try_from(n).unwrap();
                let size = sizes.of(n);
                let alone = placed.chunks.walk(n, &sizes).step(&placed.chunks, n, size);
                let got = walk.step(&placed.chunks, n, size);
                prop_assert_eq!((got, alone, placed.chunks.entry(n).0), (want.0, want.0, want.1));
            }
            let start = want.iter().map(|sample| sample.0).min().unwrap_or(0);
            let end = want.iter().zip(0..).map(|(sample, n)| sample.0 + u64::from(sizes.of(n))).max();
            prop_assert_eq!(placed.range, start..end.unwrap_or(0));
        }
    }
}
