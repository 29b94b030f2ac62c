//! One track of an index: what it is, and lookups of its samples.

use std::ops::Range;

use bytes::Bytes;

use super::{Edit, Presentation, chunks, compositions, tables::Sync, tables::Tables, times};
use crate::codec::{Kind, Language, Rotation};
use crate::mp4::boxes::FourCc;
use crate::time::{Ticks, Timescale};

/// One track: its header, its sample descriptions, and its samples. Sample numbers count from 0.
#[derive(Debug)]
pub struct TrackIndex {
    pub(super) header: Header,
    pub(super) presentation: Option<Presentation>,
    pub(super) tables: Tables,
}

/// What the boxes around the tables say.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) id: u32,
    pub(super) handler: FourCc,
    pub(super) timescale: Timescale,
    pub(super) language: Language,
    pub(super) rotation: Rotation,
    pub(super) size: (u32, u32),
    pub(super) entries: Vec<SampleEntry>,
    pub(super) edits: Vec<Edit>,
    pub(super) duration: Ticks,
}

/// One sample description of an `stsd` (ISO/IEC 14496-12, 8.5.2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SampleEntry {
    /// The coding: `avc1`, `hvc1`, `mp4a`, …
    pub kind: FourCc,
    /// The whole box with its header.
    pub data: Bytes,
}

/// One sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Its number in the track, from 0.
    pub number: u32,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u32,
    /// When it is decoded, in the track's ticks, before edits.
    pub dts: Ticks,
    /// How much later than that it is shown; negative in some files (`ctts` version 1).
    pub composition: i32,
    /// From its DTS to the next one's.
    pub duration: Ticks,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Which of the track's sample descriptions it uses, from 0.
    pub entry: u32,
}

impl Sample {
    /// When it is shown, in the track's ticks, before edits.
    pub fn pts(&self) -> Ticks {
        self.dts.saturating_add(Ticks(i64::from(self.composition)))
    }

    /// The first byte after it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.size))
    }
}

impl TrackIndex {
    /// The track id.
    pub fn id(&self) -> u32 {
        self.header.id
    }

    /// The handler: `vide`, `soun`, `text`, …
    pub fn handler(&self) -> FourCc {
        self.header.handler
    }

    /// Video or audio; `None` for anything else.
    pub fn kind(&self) -> Option<Kind> {
        self.header.kind()
    }

    /// Ticks per second of this track's times.
    pub fn timescale(&self) -> Timescale {
        self.header.timescale
    }

    /// The spoken language (`mdhd`).
    pub fn language(&self) -> Language {
        self.header.language
    }

    /// How to turn the picture (`tkhd`).
    pub fn rotation(&self) -> Rotation {
        self.header.rotation
    }

    /// Width and height in pixels by the first sample description, else by `tkhd`; zero for sound.
    pub fn size(&self) -> (u32, u32) {
        self.header.size
    }

    /// The sample descriptions, raw.
    pub fn entries(&self) -> &[SampleEntry] {
        &self.header.entries
    }

    /// The edit list as it stands in the file.
    pub fn edits(&self) -> &[Edit] {
        &self.header.edits
    }

    /// What the edit list does; `None` when it is not of the usual form, and only [`TrackIndex::edits`] tells.
    pub fn presentation(&self) -> Option<Presentation> {
        self.presentation
    }

    /// How many samples there are.
    pub fn sample_count(&self) -> u32 {
        self.tables.count
    }

    /// The DTS of the first sample: zero, except in fragmented files.
    pub fn start(&self) -> Ticks {
        Ticks(self.tables.times.start())
    }

    /// The end of the last sample on the DTS timeline.
    pub fn end(&self) -> Ticks {
        Ticks(self.tables.times.end())
    }

    /// The sum of the samples' durations.
    pub fn duration(&self) -> Ticks {
        self.end().saturating_sub(self.start())
    }

    /// How long the track is by its header (`mdhd`); zero when that does not know.
    pub fn declared_duration(&self) -> Ticks {
        self.header.duration
    }

    /// The bytes of the first `samples` samples.
    pub fn lead_bytes(&self, samples: u32) -> u64 {
        self.tables.sizes.sum(0, samples.min(self.tables.count))
    }

    /// How many sync samples are listed; `None` when every sample is one.
    pub fn sync_count(&self) -> Option<u32> {
        match &self.tables.sync {
            Sync::All => None,
            Sync::List(list) => u32::try_from(list.len()).ok(),
        }
    }

    /// The numbers of the first sync samples, at most `limit`; none when every sample is one.
    pub fn sync_samples(&self, limit: u32) -> &[u32] {
        match &self.tables.sync {
            Sync::All => &[],
            Sync::List(list) => list.get(..list.len().min(super::wide(limit))).unwrap_or_default(),
        }
    }

    /// The sample durations of the first `changes` runs of equal ones.
    pub fn durations(&self, changes: u32) -> impl Iterator<Item = Ticks> {
        self.tables
            .times
            .durations()
            .take(super::wide(changes))
            .map(Ticks)
    }

    /// The smallest and the largest composition offset.
    pub fn composition_range(&self) -> (i32, i32) {
        self.tables.compositions.range()
    }

    /// Bytes of all samples.
    pub fn media_bytes(&self) -> u64 {
        self.tables.bytes
    }

    /// From the first byte of any sample to the last; empty without samples.
    pub fn media_range(&self) -> Range<u64> {
        self.tables.range.clone()
    }

    /// Sample `number`; `None` beyond the last. Costs a few binary searches.
    pub fn sample(&self, number: u32) -> Option<Sample> {
        self.samples(number..number.checked_add(1)?).next()
    }

    /// The samples of `range`, as far as they exist, without a search for each.
    pub fn samples(&self, range: Range<u32>) -> Samples<'_> {
        let end = range.end.min(self.tables.count);
        Samples::new(&self.tables, range.start.min(end)..end)
    }

    /// The last sample whose DTS is at or before `time`; `None` when `time` is before the first.
    pub fn at_dts(&self, time: Ticks) -> Option<u32> {
        self.tables.times.last_at(time.0)
    }

    /// The sample that is on screen at composition time `time`: of those with a PTS at or before it, the one with the
    /// greatest; the last of several. `None` when `time` is before all.
    ///
    /// Costs a binary search and a walk over the samples within twice the track's range of composition offsets.
    pub fn at_pts(&self, time: Ticks) -> Option<u32> {
        let (min, max) = self.composition_range();
        let last = self.at_dts(time.saturating_sub(Ticks(i64::from(min))))?;
        // A sample that is surely shown by then, and those before it that could be shown later than it.
        let sure = self.at_dts(time.saturating_sub(Ticks(i64::from(max))));
        let first = sure.and_then(|sure| {
            let spread = i64::from(max) - i64::from(min);
            let from = self.sample(sure)?.dts.saturating_sub(Ticks(spread));
            self.at_dts(from)
        });
        let shown = self.samples(first.unwrap_or(0)..last.saturating_add(1));
        let shown = shown.filter(|sample| sample.pts() <= time);
        shown.max_by_key(Sample::pts).map(|sample| sample.number)
    }

    /// The last sync sample at or before `number`.
    pub fn sync_before(&self, number: u32) -> Option<u32> {
        let number = number.min(self.tables.count.checked_sub(1)?);
        match &self.tables.sync {
            Sync::All => Some(number),
            Sync::List(list) => {
                let at = list.partition_point(|sync| *sync <= number);
                list.get(at.checked_sub(1)?).copied()
            }
        }
    }

    /// The first sync sample at or after `number`.
    pub fn sync_after(&self, number: u32) -> Option<u32> {
        match &self.tables.sync {
            Sync::All => (number < self.tables.count).then_some(number),
            Sync::List(list) => list.get(list.partition_point(|sync| *sync < number)).copied(),
        }
    }

    /// Whether decoding can start at every sample.
    pub fn all_sync(&self) -> bool {
        matches!(self.tables.sync, Sync::All)
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let entries: usize = self.header.entries.iter().map(|entry| entry.data.len()).sum();
        self.tables.heap_size()
            + entries
            + self.header.entries.capacity() * size_of::<SampleEntry>()
            + self.header.edits.capacity() * size_of::<Edit>()
    }
}

impl Header {
    pub(super) fn kind(&self) -> Option<Kind> {
        match &self.handler.0 {
            b"vide" => Some(Kind::Video),
            b"soun" => Some(Kind::Audio),
            _ => None,
        }
    }
}

/// Samples in the order of decoding. See [`TrackIndex::samples`].
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    tables: &'a Tables,
    next: u32,
    end: u32,
    times: times::Walk<'a>,
    compositions: compositions::Walk<'a>,
    chunks: chunks::Walk,
    entry: u32,
    entry_until: u32,
    sync: Option<&'a [u32]>,
}

impl<'a> Samples<'a> {
    fn new(tables: &'a Tables, range: Range<u32>) -> Self {
        let (entry, entry_until) = tables.chunks.entry(range.start);
        Self {
            tables,
            next: range.start,
            end: range.end,
            times: tables.times.walk(range.start),
            compositions: tables.compositions.walk(range.start),
            chunks: tables.chunks.walk(range.start, &tables.sizes),
            entry,
            entry_until,
            sync: match &tables.sync {
                Sync::All => None,
                Sync::List(list) => Some(
                    list.get(list.partition_point(|sync| *sync < range.start)..)
                        .unwrap_or_default(),
                ),
            },
        }
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        if self.next >= self.end {
            return None;
        }
        let number = self.next;
        self.next += 1;
        if number >= self.entry_until {
            (self.entry, self.entry_until) = self.tables.chunks.entry(number);
        }
        let sync = match &mut self.sync {
            None => true,
            Some([first, rest @ ..]) if *first == number => {
                self.sync = Some(rest);
                true
            }
            Some(_) => false,
        };
        let size = self.tables.sizes.of(number);
        let (dts, duration) = self.times.step();
        Some(Sample {
            number,
            offset: self.chunks.step(&self.tables.chunks, number, size),
            size,
            dts: Ticks(dts),
            composition: self.compositions.step(),
            duration: Ticks(i64::from(duration)),
            sync,
            entry: self.entry,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = super::wide(self.end.saturating_sub(self.next));
        (left, Some(left))
    }
}

impl ExactSizeIterator for Samples<'_> {}
