//! FLAC: STREAMINFO, `dfLa`, and the length of a frame (RFC 9639; FLAC in ISO-BMFF 3.3.2).

use bytes::Bytes;

use super::bits::BitReader;

/// What STREAMINFO says (RFC 9639, 8.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StreamInfo {
    /// Samples per frame when all frames but the last have the same; 0 otherwise.
    pub block: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// Loudspeakers, 1 to 8.
    pub channels: u32,
}

impl StreamInfo {
    /// Reads the 34 bytes of STREAMINFO.
    pub fn parse(info: &[u8]) -> Option<Self> {
        let mut reader = BitReader::new(info.get(..34)?);
        let (least, most) = (reader.bits(16)?, reader.bits(16)?);
        reader.skip(48)?;
        let sample_rate = reader.bits(20).filter(|&rate| rate > 0)?;
        Some(Self {
            block: if least == most { most } else { 0 },
            sample_rate,
            channels: reader.bits(3)? + 1,
        })
    }

    /// Reads the payload of a `dfLa` box.
    pub fn parse_dfla(dfla: &[u8]) -> Option<Self> {
        Self::parse(stream_info(dfla.get(4..)?)?)
    }
}

/// `dfLa` (with version and flags) from STREAMINFO alone, or from metadata blocks behind a `fLaC` marker.
pub fn to_dfla(extradata: &[u8]) -> Option<Bytes> {
    let info = match extradata.strip_prefix(b"fLaC") {
        Some(blocks) => stream_info(blocks)?,
        None => extradata.get(..34)?,
    };
    StreamInfo::parse(info)?;
    let mut out = vec![0, 0, 0, 0, 0x80, 0, 0, 34];
    out.extend_from_slice(info);
    Some(out.into())
}

/// Samples in a frame by its header (RFC 9639, 9.1); `None` when there is none.
pub fn frame_samples(frame: &[u8]) -> Option<u32> {
    let head = frame.get(..5)?;
    if head[0] != 0xFF || head[1] & 0xFE != 0xF8 {
        return None;
    }
    let code = head[2] >> 4;
    // The coded number behind the four fixed bytes is as long as its leading ones say.
    let number = match head[4].leading_ones() {
        0 => 1,
        1 | 8 => return None,
        ones => usize::try_from(ones).ok()?,
    };
    let samples = match code {
        0 => return None,
        1 => 192,
        2..=5 => 576 << (code - 2),
        6 => u32::from(*frame.get(4 + number)?) + 1,
        7 => (u32::from(*frame.get(4 + number)?) << 8 | u32::from(*frame.get(5 + number)?)) + 1,
        _ => 256 << (code - 8),
    };
    Some(samples)
}

/// The STREAMINFO block, which is always the first.
fn stream_info(blocks: &[u8]) -> Option<&[u8]> {
    if blocks.first()? & 0x7F != 0 {
        return None;
    }
    blocks.get(4..38)
}
