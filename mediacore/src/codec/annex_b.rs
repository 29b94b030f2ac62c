//! NAL units in byte stream format (start codes, ITU-T H.264 annex B) and in MP4's form (lengths).

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem::Finder;

/// The three bytes that every start code ends with.
static START_CODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0, 1]));

/// The NAL units of a byte stream, without their start codes.
///
/// One zero byte before a start code belongs to it; further ones stay at the end of the unit before, as libav's MP4
/// writer leaves them. Bytes before the first start code and empty units are left out.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    rest: Option<&'a [u8]>,
}

/// Splits `data` at its start codes.
pub fn nal_units(data: &[u8]) -> NalUnits<'_> {
    NalUnits {
        rest: START_CODE.find(data).and_then(|at| data.get(at + 3..)),
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest.take()?;
            let unit = match START_CODE.find(rest) {
                Some(at) => {
                    self.rest = rest.get(at + 3..);
                    let unit = rest.get(..at)?;
                    unit.strip_suffix(&[0]).unwrap_or(unit)
                }
                None => rest,
            };
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    }
}

/// Whether `data` begins with a start code of three or four bytes.
pub fn starts_with_start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])
}

/// The NAL units of a sample in MP4's form; `None` at the first length that leads beyond the end.
#[derive(Clone, Debug)]
pub struct Prefixed<'a> {
    rest: &'a [u8],
    length_size: usize,
}

/// Splits `sample` at its big-endian lengths of `length_size` bytes (1 to 4).
pub const fn prefixed(sample: &[u8], length_size: usize) -> Prefixed<'_> {
    Prefixed {
        rest: sample,
        length_size,
    }
}

impl<'a> Iterator for Prefixed<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        if self.rest.is_empty() {
            return None;
        }
        let unit = self
            .rest
            .split_at_checked(self.length_size)
            .and_then(|(prefix, rest)| {
                let length = prefix
                    .iter()
                    .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
                rest.split_at_checked(length)
            });
        self.rest = unit.map_or(&[], |(_, rest)| rest);
        Some(unit.map(|(unit, _)| unit))
    }
}

/// A sample in MP4's form with four-byte lengths, written unit by unit into one allocation.
#[derive(Debug)]
pub(crate) struct SampleWriter {
    out: BytesMut,
    length_size: usize,
}

impl SampleWriter {
    /// For about `size` bytes; lengths of `length_size` bytes.
    pub(crate) fn new(size: usize, length_size: usize) -> Self {
        // Three-byte start codes grow by one byte each; few samples have more slices than fit here.
        Self {
            out: BytesMut::with_capacity(size.saturating_add(64)),
            length_size,
        }
    }

    /// Appends one NAL unit; false when its length can't be written in that many bytes.
    #[must_use]
    pub(crate) fn push(&mut self, unit: &[u8]) -> bool {
        let Ok(length) = u32::try_from(unit.len()) else {
            return false;
        };
        let prefix = length.to_be_bytes();
        let Some((high, low)) = prefix.split_at_checked(4_usize.saturating_sub(self.length_size)) else {
            return false;
        };
        if high.iter().any(|&byte| byte != 0) {
            return false;
        }
        self.out.put_slice(low);
        self.out.put_slice(unit);
        true
    }

    /// The whole sample.
    pub(crate) fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(data: &[u8]) -> Vec<&[u8]> {
        nal_units(data).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_split() {
        let data = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 7, 0, 0, 0, 1, 0x41];
        assert_eq!(split(&data), [&[9, 0xF0][..], &[0x65, 7], &[0x41]]);
    }

    #[test]
    fn one_zero_belongs_to_the_start_code_and_more_stay() {
        assert_eq!(split(&[0, 0, 1, 5, 0, 0, 0, 0, 1, 6]), [&[5, 0][..], &[6]]);
    }

    #[test]
    fn leading_garbage_empty_units_and_a_last_start_code_are_left_out() {
        assert_eq!(split(&[7, 7, 0, 0, 1, 0, 0, 0, 1, 5, 0, 0, 1]), [&[5][..]]);
        assert!(split(&[1, 2, 3]).is_empty());
    }

    proptest! {
        #[test]
        fn units_survive_the_way_to_lengths(
            units in prop::collection::vec(prop::collection::vec(1_u8..=255, 1..50), 0..8),
            four in any::<bool>(),
        ) {
            let mut stream = Vec::new();
            for unit in &units {
                stream.extend_from_slice(if four { &[0, 0, 0, 1] } else { &[0, 0, 1][..] });
                stream.extend_from_slice(unit);
            }
            let mut writer = SampleWriter::new(stream.len(), 4);
            for unit in nal_units(&stream) {
                prop_assert!(writer.push(unit));
            }
            let sample = writer.finish();
            let back: Option<Vec<_>> = prefixed(&sample, 4).collect();
            prop_assert_eq!(back, Some(units.iter().map(Vec::as_slice).collect()));
        }

        #[test]
        fn any_bytes_split_without_panic(data in prop::collection::vec(0_u8..4, 0..200), size in 1_usize..=4) {
            let total: usize = nal_units(&data).map(<[u8]>::len).sum();
            prop_assert!(total <= data.len());
            prop_assert!(prefixed(&data, size).count() <= data.len());
        }
    }
}
