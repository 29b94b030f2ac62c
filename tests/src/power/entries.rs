//! The fragments that a recorder's journal lists, read without the recorder's code.
//!
//! Eight bytes of magic, then records of `length: u32 · type: u8 · payload · crc32c: u32`; type 3 is a fragment, with LEB128
//! numbers in its payload. The CRC is not looked at: what is read here was durable as it was written.

use std::collections::BTreeMap;

/// The fragments in a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// In order.
    pub fragments: Vec<Entry>,
}

/// One fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it ends in the file as it was while recording.
    pub end: u64,
    /// How many packets it has, by `track_ID`.
    pub packets: BTreeMap<u64, usize>,
}

const MAGIC: usize = 8;
const FRAGMENT: u8 = 3;

impl Entries {
    /// Reads as many whole records as there are.
    pub fn parse(journal: &[u8]) -> Entries {
        let mut entries = Entries::default();
        let mut rest = journal.get(MAGIC..).unwrap_or_default();
        while let Some((head, after)) = rest.split_first_chunk::<5>() {
            let [a, b, c, d, kind] = *head;
            let len = u32::from_be_bytes([a, b, c, d]) as usize;
            let Some((payload, after)) = after.split_at_checked(len) else {
                break;
            };
            let Some((_crc, after)) = after.split_first_chunk::<4>() else {
                break;
            };
            if kind == FRAGMENT {
                let entry = fragment(&mut Numbers(payload)).expect("a durable record is well-formed");
                entries.fragments.push(entry);
            }
            rest = after;
        }
        entries
    }

    /// How many packets the first `count` fragments have, by `track_ID`.
    pub fn packets(&self, count: usize) -> BTreeMap<u64, usize> {
        let mut sum = BTreeMap::new();
        for (track, packets) in self.fragments[..count].iter().flat_map(|entry| &entry.packets) {
            *sum.entry(*track).or_default() += packets;
        }
        sum
    }
}

fn fragment(numbers: &mut Numbers<'_>) -> Option<Entry> {
    let (offset, len) = (numbers.next()?, numbers.next()?);
    let (_head, _crc, _wall) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let mut packets = BTreeMap::new();
    for _ in 0..numbers.next()? {
        let (track, _dts, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
        for _ in 0..count {
            let (_size, _duration, _composition) = (numbers.next()?, numbers.next()?, numbers.next()?);
        }
        *packets.entry(track).or_default() += count as usize;
    }
    numbers.0.is_empty().then_some(Entry {
        end: offset + len,
        packets,
    })
}

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_counted_up_to_the_torn_record() {
        let fragment = [
            200, 1, 50, 9, 7, 1, 2, 1, 0, 2, 8, 2, 0, 8, 0, 0, 2, 0, 1, 4, 2, 0,
        ];
        let mut journal = b"MSJRNL\0\x01".to_vec();
        for (kind, payload) in [(1, &[1, 2][..]), (3, &fragment[..]), (3, &fragment[..])] {
            journal.extend_from_slice(&(payload.len() as u32).to_be_bytes());
            journal.push(kind);
            journal.extend_from_slice(payload);
            journal.extend_from_slice(&[0; 4]);
        }
        let entries = Entries::parse(&journal);
        assert_eq!(entries.fragments.len(), 2);
        assert_eq!(entries.fragments[0].end, 250);
        assert_eq!(entries.packets(1), BTreeMap::from([(1, 2), (2, 1)]));
        assert_eq!(entries.packets(2), BTreeMap::from([(1, 4), (2, 2)]));
        assert_eq!(Entries::parse(&journal[..journal.len() - 1]).fragments.len(), 1);
        assert_eq!(Entries::parse(b"").fragments.len(), 0);
    }
}
