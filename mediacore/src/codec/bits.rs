//! Reading and writing single bits of codec headers; nothing here panics, whatever the bytes are.

/// Reads bits from the most significant one on; every read is `None` beyond the end.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `data`.
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Bits read so far.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    /// Bits that remain.
    pub(crate) fn left(&self) -> usize {
        (self.data.len().saturating_mul(8)).saturating_sub(self.position)
    }

    /// One bit.
    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = *self.data.get(self.position / 8)?;
        let shift = 7 - self.position % 8;
        self.position += 1;
        Some(byte >> shift & 1 == 1)
    }

    /// `count` bits as a number; `None` when `count` is above 32 too.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        if count > 32 || self.left() < usize::try_from(count).ok()? {
            return None;
        }
        let mut value = 0_u64;
        let mut wanted = count;
        while wanted > 0 {
            let byte = u64::from(*self.data.get(self.position / 8)?);
            let offset = u32::try_from(self.position % 8).ok()?;
            let take = wanted.min(8 - offset);
            let chunk = byte >> (8 - offset - take) & ((1 << take) - 1);
            value = value << take | chunk;
            self.position += usize::try_from(take).ok()?;
            wanted -= take;
        }
        u32::try_from(value).ok()
    }

    /// Up to eight bits as a byte.
    pub(crate) fn byte(&mut self, count: u32) -> Option<u8> {
        self.bits(count).and_then(|value| u8::try_from(value).ok())
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        if self.left() < count {
            return None;
        }
        self.position += count;
        Some(())
    }

    /// Goes to the next byte boundary.
    pub(crate) fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// An unsigned exp-Golomb number (ITU-T H.264, 9.1) below 2³² − 1.
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// A signed exp-Golomb number (ITU-T H.264, 9.1.1).
    pub(crate) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) })
    }
}

/// Writes bits from the most significant one on.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        for index in (0..count.min(32)).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                let bit = u8::from(value >> index & 1 == 1);
                *last |= bit << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// Fills the last byte with zero bits.
    pub(crate) fn align(&mut self) {
        self.used = 0;
    }

    /// The bytes, the last one filled with zero bits.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Removes the emulation prevention bytes: the 3 of every 0 0 3 (ITU-T H.264, 7.3.1).
pub(crate) fn unescape(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exp_golomb_numbers_are_those_of_the_standard() {
        // 1 010 011 00100 00101 → 0 1 2 3 4
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let numbers: Vec<_> = (0..5).map(|_| reader.ue()).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        let mut reader = BitReader::new(&[0b0100_1100, 0b1000_0101]);
        assert_eq!(
            [reader.se(), reader.se(), reader.se(), reader.se()],
            [Some(1), Some(-1), Some(2), Some(-2)]
        );
    }

    #[test]
    fn an_endless_exp_golomb_prefix_is_no_number() {
        assert_eq!(BitReader::new(&[0; 16]).ue(), None);
    }

    #[test]
    fn emulation_prevention_goes_and_other_threes_stay() {
        assert_eq!(
            unescape(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3]),
            [0, 0, 1, 3, 0, 0, 0, 0]
        );
    }

    proptest! {
        #[test]
        fn written_bits_read_back(fields in prop::collection::vec((any::<u32>(), 0..=32_u32), 0..40)) {
            let mut writer = BitWriter::default();
            for &(value, count) in &fields {
                writer.put(value, count);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, count) in fields {
                let mask = u32::try_from((1_u64 << count) - 1).expect("at most 32 bits");
                prop_assert_eq!(reader.bits(count), Some(value & mask));
            }
        }
    }
}
