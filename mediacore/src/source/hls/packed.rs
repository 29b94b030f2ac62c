//! The ID3 tag in front of packed audio, which says when it is (RFC 8216, 3.4).

use crate::time::Ticks;

const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

/// The length of the ID3v2 tags at the start, and the 33-bit 90 kHz time in their `PRIV` frame.
pub(crate) fn tag(bytes: &[u8]) -> (usize, Option<Ticks>) {
    let mut at = 0_usize;
    let mut time = None;
    // A tag has at least ten bytes, so the loop ends with the bytes.
    while let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) =
        bytes.get(at..).and_then(|rest| rest.first_chunk::<10>())
    {
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        let end = at.saturating_add(10 + syncsafe(size)).min(bytes.len());
        let body = bytes.get(at + 10..end).unwrap_or_default();
        time = time.or_else(|| timestamp(body));
        at = end.saturating_add(footer).min(bytes.len());
    }
    (at, time)
}

/// How long the ADTS frame at the start lasts, as samples and samples per second (ISO/IEC 14496-3, 1.A.2.2).
pub(crate) fn adts_length(bytes: &[u8]) -> Option<(u32, u32)> {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ];
    let header = bytes.first_chunk::<7>()?;
    if header[0] != 0xff || header[1] & 0xf6 != 0xf0 {
        return None;
    }
    let rate = RATES.get(usize::from(header[2] >> 2 & 15)).copied()?;
    Some((1024 * (u32::from(header[6] & 3) + 1), rate))
}

fn timestamp(body: &[u8]) -> Option<Ticks> {
    let found = body.windows(OWNER.len()).position(|window| window == OWNER)?;
    let value = body.get(found + OWNER.len()..)?.first_chunk::<8>()?;
    let ticks = u64::from_be_bytes(*value) & ((1 << 33) - 1);
    i64::try_from(ticks).ok().map(Ticks)
}

fn syncsafe(size: &[u8; 4]) -> usize {
    size.iter()
        .fold(0, |sum, byte| (sum << 7) | usize::from(byte & 0x7f))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id3(ticks: u64) -> Vec<u8> {
        let mut frame = b"PRIV".to_vec();
        let body = [OWNER, &ticks.to_be_bytes()].concat();
        frame.extend_from_slice(&u32::try_from(body.len()).expect("small").to_be_bytes());
        frame.extend_from_slice(&[0, 0]);
        frame.extend_from_slice(&body);
        let size = u8::try_from(frame.len()).expect("below 128");
        [b"ID3\x04\0\0\0\0\0".to_vec(), vec![size], frame].concat()
    }

    #[test]
    fn an_adts_frame_has_1024_samples() {
        assert_eq!(
            adts_length(&[0xff, 0xf1, 0x4c, 0x40, 0x23, 0xff, 0xfc]),
            Some((1024, 48_000))
        );
        assert_eq!(adts_length(&[0xff, 0xf1, 0x74, 0x40, 0x23, 0xff, 0xfc]), None);
        assert_eq!(adts_length(&[0xff, 0xf1]), None);
    }

    #[test]
    fn the_time_is_read_and_the_tag_measured() {
        let mut bytes = id3(0x1_2345_6789);
        let length = bytes.len();
        bytes.extend_from_slice(&[0xff, 0xf1]);
        assert_eq!(tag(&bytes), (length, Some(Ticks(0x1_2345_6789))));
        assert_eq!(tag(b"ID3"), (0, None));
        assert_eq!(tag(b"ID3\x04\0\0\x7f\x7f\x7f\x7f..."), (13, None));
        assert_eq!(tag(&[0xff, 0xf1]), (0, None));
    }
}
