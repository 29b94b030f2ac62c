//! VP9: the key frame's header and `vpcC` (VP9 bitstream specification 6.2; VP codec ISO media file format binding).

use super::bits::BitReader;
use super::{Colour, MAX_PICTURE, limit};
use crate::error::Result;

/// What the uncompressed header of a frame says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameHeader {
    /// Decoding can start here.
    Key(KeyFrame),
    /// Any other frame.
    Other,
}

/// What a key frame says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFrame {
    /// 0 to 3.
    pub profile: u8,
    /// Bits per sample: 8, 10 or 12.
    pub depth: u8,
    /// Chroma has half the width, half the height.
    pub subsampling: (bool, bool),
    /// Colours; all 2 when unknown.
    pub colour: Colour,
    /// Pixels, at most 16 384.
    pub width: u32,
    /// Pixels, at most 16 384.
    pub height: u32,
}

impl FrameHeader {
    /// Reads the start of a frame; `Ok(None)` when it is no VP9 frame.
    ///
    /// # Errors
    ///
    /// `LimitExceeded` above 16 384 pixels a side.
    pub fn parse(data: &[u8]) -> Result<Option<Self>> {
        let header = Self::read(&mut BitReader::new(data));
        match header {
            Some(Self::Key(key)) if key.width > MAX_PICTURE || key.height > MAX_PICTURE => {
                Err(limit(format!(
                    "VP9 picture of {}x{}, at most {MAX_PICTURE}x{MAX_PICTURE} is taken",
                    key.width, key.height
                )))
            }
            header => Ok(header),
        }
    }

    fn read(reader: &mut BitReader<'_>) -> Option<Self> {
        if reader.bits(2)? != 2 {
            return None;
        }
        let low = reader.byte(1)?;
        let profile = reader.byte(1)? << 1 | low;
        if profile == 3 && reader.bit()? {
            return None;
        }
        if reader.bit()? || reader.bit()? {
            return Some(Self::Other);
        }
        reader.skip(2)?;
        if reader.bits(24)? != 0x49_8342 {
            return None;
        }
        let depth = match profile {
            2 | 3 if reader.bit()? => 12,
            2 | 3 => 10,
            _ => 8,
        };
        let space = reader.byte(3)?;
        let rgb = space == 7;
        let full_range = rgb || reader.bit()?;
        let subsampling = match (profile & 1, rgb) {
            (1, false) => {
                let told = (reader.bit()?, reader.bit()?);
                reader.bit()?;
                told
            }
            (1, true) => {
                reader.bit()?;
                (false, false)
            }
            (_, true) => return None,
            _ => (true, true),
        };
        let (primaries, transfer, matrix) = match space {
            1 | 3 => (6, 6, 6),
            2 => (1, 1, 1),
            4 => (7, 7, 7),
            5 => (9, 14, 9),
            7 => (1, 13, 0),
            _ => (2, 2, 2),
        };
        Some(Self::Key(KeyFrame {
            profile,
            depth,
            subsampling,
            colour: Colour {
                primaries,
                transfer,
                matrix,
                full_range,
            },
            width: reader.bits(16)? + 1,
            height: reader.bits(16)? + 1,
        }))
    }
}

impl KeyFrame {
    /// The payload of a `vpcC` box, its version and flags included. The level is estimated from the picture's size and
    /// the frame rate (by size alone when that is unknown); 0 above level 6.2.
    pub fn to_config(&self, frame_rate: Option<(u32, u32)>) -> Vec<u8> {
        let chroma = match self.subsampling {
            (true, true) => 1,
            (true, false) => 2,
            _ => 3,
        };
        let colour = self.colour;
        let packed = self.depth << 4 | chroma << 1 | u8::from(colour.full_range);
        let mut out = vec![1, 0, 0, 0, self.profile, self.level(frame_rate), packed];
        out.extend([colour.primaries, colour.transfer, colour.matrix, 0, 0]);
        out
    }

    /// Ten times the level (VP9 levels, table of luma sample rates and picture sizes).
    fn level(&self, frame_rate: Option<(u32, u32)>) -> u8 {
        const LEVELS: [(u64, u64, u8); 14] = [
            (829_440, 36_864, 10),
            (2_764_800, 73_728, 11),
            (4_608_000, 122_880, 20),
            (9_216_000, 245_760, 21),
            (20_736_000, 552_960, 30),
            (36_864_000, 983_040, 31),
            (83_558_400, 2_228_224, 40),
            (160_432_128, 2_228_224, 41),
            (311_951_360, 8_912_896, 50),
            (588_251_136, 8_912_896, 51),
            (1_176_502_272, 8_912_896, 52),
            (1_176_502_272, 35_651_584, 60),
            (2_353_004_544, 35_651_584, 61),
            (4_706_009_088, 35_651_584, 62),
        ];
        let size = u64::from(self.width) * u64::from(self.height);
        let rate = match frame_rate {
            Some((num, den)) if den > 0 => size.saturating_mul(num.into()) / u64::from(den),
            _ => 0,
        };
        LEVELS
            .iter()
            .find(|(most_rate, most_size, _)| rate <= *most_rate && size <= *most_size)
            .map_or(0, |&(_, _, level)| level)
    }
}
