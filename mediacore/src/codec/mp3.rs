//! MP3: the frame header (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3; the unofficial MPEG 2.5).

/// One MPEG audio layer III frame header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHeader {
    /// Samples per second.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u32,
}

impl FrameHeader {
    /// Reads the header at the start of `data`; `None` when there is none of layer III.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let head = data.get(..4)?;
        if head[0] != 0xFF || head[1] & 0xE6 != 0xE2 || head[2] >> 4 == 15 {
            return None;
        }
        let shift = match head[1] >> 3 & 3 {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let rate: u32 = match head[2] >> 2 & 3 {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            _ => return None,
        };
        Some(Self {
            sample_rate: rate >> shift,
            channels: if head[3] >> 6 == 3 { 1 } else { 2 },
        })
    }

    /// Samples in one frame: 1152, or 576 below 32 kHz.
    pub const fn samples(&self) -> u32 {
        samples(self.sample_rate)
    }
}

/// Samples in one frame at a sample rate: 1152 for MPEG-1 (32 kHz and more), 576 for its half and quarter rates.
pub const fn samples(sample_rate: u32) -> u32 {
    if sample_rate >= 32_000 { 1152 } else { 576 }
}
