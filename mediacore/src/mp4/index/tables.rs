//! The tables of one track in their compact form, from an `stbl`.

use std::ops::Range;

use super::chunks::{Chunks, Sizes};
use super::compositions::Compositions;
use super::place::Placed;
use super::times::Times;
use super::{Note, note, wide};
use crate::mp4::boxes::{BoxError, BoxProblem, Cursor, FourCc};

/// All samples of one track.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) count: u32,
    pub(super) bytes: u64,
    pub(super) range: Range<u64>,
    pub(super) times: Times,
    pub(super) compositions: Compositions,
    pub(super) sizes: Sizes,
    pub(super) chunks: Chunks,
    pub(super) sync: Sync,
}

/// Which samples decoding can start at.
#[derive(Debug)]
pub(super) enum Sync {
    All,
    List(Vec<u32>),
}

impl Tables {
    pub(super) fn heap_size(&self) -> usize {
        let sync = match &self.sync {
            Sync::All => 0,
            Sync::List(list) => list.capacity() * 4,
        };
        sync + self.times.heap_size()
            + self.compositions.heap_size()
            + self.sizes.heap_size()
            + self.chunks.heap_size()
    }
}

/// The boxes of an `stbl` that matter here, each at the start of its body.
pub(super) struct Stbl<'a> {
    stbl: Cursor<'a>,
    pub(super) stsd: Option<Cursor<'a>>,
    stts: Option<Cursor<'a>>,
    ctts: Option<Cursor<'a>>,
    stsc: Option<Cursor<'a>>,
    sizes: Option<Cursor<'a>>,
    offsets: Option<Cursor<'a>>,
    stss: Option<Cursor<'a>>,
}

impl<'a> Stbl<'a> {
    pub(super) fn find(stbl: Cursor<'a>) -> Result<Self, BoxError> {
        let mut found = Self {
            stbl,
            stsd: None,
            stts: None,
            ctts: None,
            stsc: None,
            sizes: None,
            offsets: None,
            stss: None,
        };
        let mut at = stbl;
        while let Some(child) = at.next_box()? {
            let place = match &child.kind().0 {
                b"stsd" => &mut found.stsd,
                b"stts" => &mut found.stts,
                b"ctts" => &mut found.ctts,
                b"stsc" => &mut found.stsc,
                b"stsz" | b"stz2" => &mut found.sizes,
                b"stco" | b"co64" => &mut found.offsets,
                b"stss" => &mut found.stss,
                _ => continue,
            };
            place.get_or_insert(child);
        }
        Ok(found)
    }

    /// Reads the tables of track `id`; samples beyond `file` bytes are left out. The second value is the number of
    /// samples that the tables claim.
    pub(super) fn read(&self, id: u32, file: u64, notes: &mut Vec<Note>) -> Result<(Tables, u32), BoxError> {
        let (sizes, claimed) = match self.sizes {
            Some(at) => sizes(at)?,
            None => (Sizes::Each(Vec::new()), 0),
        };
        let mut disagree = |table, described: u64| {
            let samples = claimed;
            note(
                notes,
                Note::Disagreement {
                    track: id,
                    table,
                    described,
                    samples,
                },
            );
        };
        let need = |table: Option<Cursor<'a>>, kind: [u8; 4]| match table {
            None if claimed > 0 => Err(self.stbl.error(BoxProblem::Missing(FourCc(kind)))),
            found => found
                .map(|mut at| runs(&mut at))
                .transpose()
                .map(Option::unwrap_or_default),
        };
        let stts = need(self.stts, *b"stts")?;
        let ctts = self
            .ctts
            .map(|mut at| runs(&mut at))
            .transpose()?
            .unwrap_or_default();

        let placed = match (self.stsc, self.offsets) {
            (Some(stsc), Some(offsets)) => Placed::read(stsc, offsets, claimed, &sizes, file)?,
            _ if claimed == 0 => Placed::default(),
            (None, _) => return Err(self.stbl.error(BoxProblem::Missing(FourCc(*b"stsc")))),
            (_, None) => return Err(self.stbl.error(BoxProblem::Missing(FourCc(*b"stco")))),
        };
        let count = placed.count;
        if count < claimed && !placed.beyond {
            disagree("stsc", u64::from(count));
        }
        let (times, covered) = Times::build(0, count, stts.chunks_exact(8).map(pair));
        if covered != u64::from(claimed) {
            disagree("stts", covered);
        }
        let offsets = ctts.chunks_exact(8).map(|entry| {
            let (samples, offset) = pair(entry);
            (samples, offset.cast_signed())
        });
        let (compositions, covered) = Compositions::build(count, offsets);
        if self.ctts.is_some() && covered != u64::from(claimed) {
            disagree("ctts", covered);
        }
        if placed.beyond {
            let first = count;
            note(notes, Note::Truncated { track: id, first });
        }
        let mut sizes = sizes;
        if let Sizes::Each(list) = &mut sizes {
            list.truncate(wide(count));
            list.shrink_to_fit();
        }
        let tables = Tables {
            count,
            bytes: sizes.sum(0, count),
            range: placed.range,
            times,
            compositions,
            sizes,
            chunks: placed.chunks,
            sync: match self.stss {
                Some(at) => sync(at, count)?,
                None => Sync::All,
            },
        };
        Ok((tables, claimed))
    }
}

/// Two big-endian numbers; `entry` has 8 bytes.
fn pair(entry: &[u8]) -> (u32, u32) {
    match entry {
        [a, b, c, d, e, f, g, h] => (
            u32::from_be_bytes([*a, *b, *c, *d]),
            u32::from_be_bytes([*e, *f, *g, *h]),
        ),
        _ => (0, 0),
    }
}

fn numbers(table: &[u8]) -> impl Iterator<Item = u32> {
    let (numbers, _) = table.as_chunks::<4>();
    numbers.iter().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The entries of an `stts` or `ctts`: version and flags, count, 8 bytes each.
fn runs<'a>(at: &mut Cursor<'a>) -> Result<&'a [u8], BoxError> {
    at.full_box()?;
    let count = at.u32()?;
    at.entries(count, 8)
}

/// `stsz` or `stz2` (8.7.3): the sizes, and how many samples there are.
fn sizes(mut at: Cursor<'_>) -> Result<(Sizes, u32), BoxError> {
    at.full_box()?;
    let compact = at.kind() == FourCc(*b"stz2");
    let word = at.u32()?;
    let count = at.u32()?;
    if !compact && word != 0 {
        return Ok((Sizes::Constant(word), count));
    }
    let list = match if compact { word & 0xff } else { 32 } {
        32 => numbers(at.entries(count, 4)?).collect(),
        16 => {
            let (sizes, _) = at.entries(count, 2)?.as_chunks::<2>();
            sizes
                .iter()
                .map(|size| u32::from(u16::from_be_bytes(*size)))
                .collect()
        }
        8 => at
            .entries(count, 1)?
            .iter()
            .map(|size| u32::from(*size))
            .collect(),
        4 => {
            let bytes = at.entries(count.div_ceil(2), 1)?;
            let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            halves.map(u32::from).take(wide(count)).collect()
        }
        bits => return Err(at.invalid(format!("sample sizes of {bits} bits"))),
    };
    Ok((Sizes::Each(list), count))
}

fn sync(mut at: Cursor<'_>, samples: u32) -> Result<Sync, BoxError> {
    at.full_box()?;
    let count = at.u32()?;
    let table = at.entries(count, 4)?;
    let mut list: Vec<u32> = numbers(table)
        .filter_map(|number| number.checked_sub(1))
        .filter(|number| *number < samples)
        .collect();
    if !list.is_sorted_by(|a, b| a < b) {
        list.sort_unstable();
        list.dedup();
    }
    list.shrink_to_fit();
    // An `stss` that lists every sample says the same as none.
    Ok(if samples > 0 && list.len() == wide(samples) {
        Sync::All
    } else {
        Sync::List(list)
    })
}
