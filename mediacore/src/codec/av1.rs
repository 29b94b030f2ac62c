//! AV1: OBUs, the sequence header, and `av1C` (AV1 bitstream specification 5.5; AV1 in ISO-BMFF 2.3).

use super::bits::BitReader;
use super::{Colour, MAX_PICTURE, limit, malformed, reduced};
use crate::error::Result;

/// A sequence header.
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// A frame header without its tiles.
pub const OBU_FRAME_HEADER: u8 = 3;
/// A frame header with its tiles.
pub const OBU_FRAME: u8 = 6;

/// One open bitstream unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub kind: u8,
    /// The whole unit with header and size.
    pub whole: &'a [u8],
    /// What follows header and size.
    pub payload: &'a [u8],
}

impl Obu<'_> {
    /// Whether MP4 samples leave it out: temporal delimiters, redundant headers, tile lists, padding.
    pub const fn is_left_out(&self) -> bool {
        matches!(self.kind, 2 | 7 | 8 | 15)
    }
}

/// The OBUs of one temporal unit; ends with `None` as item where one leads beyond the end.
pub fn obus(data: &[u8]) -> impl Iterator<Item = Option<Obu<'_>>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let obu = read_obu(rest);
        rest = obu
            .and_then(|obu| rest.get(obu.whole.len()..))
            .unwrap_or_default();
        Some(obu)
    })
}

fn read_obu(data: &[u8]) -> Option<Obu<'_>> {
    let header = *data.first()?;
    let mut at = if header & 4 != 0 { 2 } else { 1 };
    let mut size = data.len().checked_sub(at)?;
    if header & 2 != 0 {
        size = 0;
        for index in 0..8 {
            let byte = *data.get(at)?;
            at += 1;
            size |= usize::from(byte & 0x7F).checked_shl(7 * index)?;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let end = at.checked_add(size)?;
    Some(Obu {
        kind: header >> 3 & 15,
        whole: data.get(..end)?,
        payload: data.get(at..end)?,
    })
}

/// What a sequence header says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SequenceHeader {
    /// `seq_profile`, 0 to 2.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point.
    pub level: u8,
    /// High tier.
    pub high_tier: bool,
    /// Bits per sample: 8, 10 or 12.
    pub depth: u8,
    /// No chroma.
    pub monochrome: bool,
    /// Chroma has half the width, half the height.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`.
    pub chroma_position: u8,
    /// Colours, when told.
    pub colour: Option<Colour>,
    /// Largest width, in pixels.
    pub width: u32,
    /// Largest height, in pixels.
    pub height: u32,
    /// Frames per second, when told.
    pub frame_rate: Option<(u32, u32)>,
    /// `reduced_still_picture_header`: every frame is a key frame.
    pub still: bool,
}

impl SequenceHeader {
    /// Reads the payload of a sequence header OBU.
    ///
    /// # Errors
    ///
    /// `Malformed` when it breaks off, `LimitExceeded` above 16 384 pixels a side.
    pub fn parse(payload: &[u8]) -> Result<Self> {
        let header = Self::read(&mut BitReader::new(payload)).ok_or_else(|| {
            malformed(format!(
                "AV1 sequence header of {} bytes breaks off",
                payload.len()
            ))
        })?;
        if header.width > MAX_PICTURE || header.height > MAX_PICTURE {
            return Err(limit(format!(
                "AV1 picture of {}x{}, at most {MAX_PICTURE}x{MAX_PICTURE} is taken",
                header.width, header.height
            )));
        }
        Ok(header)
    }

    fn read(reader: &mut BitReader<'_>) -> Option<Self> {
        let profile = reader.byte(3).filter(|&profile| profile < 3)?;
        reader.bit()?;
        let still = reader.bit()?;
        let mut frame_rate = None;
        let (mut level, mut high_tier) = (0, false);
        if still {
            level = reader.byte(5)?;
        } else {
            let mut model = None;
            if reader.bit()? {
                let units = reader.bits(32)?;
                let scale = reader.bits(32)?;
                let ticks = if reader.bit()? {
                    u64::from(reader.ue()?) + 1
                } else {
                    1
                };
                frame_rate = reduced(scale.into(), u64::from(units) * ticks);
                if reader.bit()? {
                    model = Some(usize::try_from(reader.bits(5)?).ok()? + 1);
                    reader.skip(42)?;
                }
            }
            let display_delay = reader.bit()?;
            for point in 0..=reader.bits(5)? {
                reader.skip(12)?;
                let point_level = reader.byte(5)?;
                let tier = point_level > 7 && reader.bit()?;
                if let Some(bits) = model
                    && reader.bit()?
                {
                    reader.skip(2 * bits + 1)?;
                }
                if display_delay && reader.bit()? {
                    reader.skip(4)?;
                }
                if point == 0 {
                    (level, high_tier) = (point_level, tier);
                }
            }
        }
        let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
        let (width, height) = (reader.bits(width_bits)? + 1, reader.bits(height_bits)? + 1);
        skip_tools(reader, still)?;
        let mut header = Self {
            profile,
            level,
            high_tier,
            depth: 8,
            monochrome: false,
            subsampling: (true, true),
            chroma_position: 0,
            colour: None,
            width,
            height,
            frame_rate,
            still,
        };
        header.read_colour(reader)?;
        Some(header)
    }

    /// `color_config` (5.5.2).
    fn read_colour(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        let high = reader.bit()?;
        self.depth = match (self.profile, high) {
            (2, true) if reader.bit()? => 12,
            (_, true) => 10,
            _ => 8,
        };
        self.monochrome = self.profile != 1 && reader.bit()?;
        let mut told = None;
        if reader.bit()? {
            told = Some((reader.byte(8)?, reader.byte(8)?, reader.byte(8)?));
        }
        let srgb = told == Some((1, 13, 0)) && !self.monochrome;
        let full_range = srgb || reader.bit()?;
        if srgb {
            self.subsampling = (false, false);
        } else if !self.monochrome {
            self.subsampling = match self.profile {
                0 => (true, true),
                1 => (false, false),
                _ if self.depth == 12 => {
                    let x = reader.bit()?;
                    (x, x && reader.bit()?)
                }
                _ => (true, false),
            };
            if self.subsampling == (true, true) {
                self.chroma_position = reader.byte(2)?;
            }
        }
        self.colour = told.map(|(primaries, transfer, matrix)| Colour {
            primaries,
            transfer,
            matrix,
            full_range,
        });
        Some(())
    }

    /// The payload of an `av1C` box with `sequence_header` (a whole OBU with its size) as its only OBU.
    pub fn to_config(&self, sequence_header: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81, self.profile << 5 | self.level & 31];
        out.push(
            u8::from(self.high_tier) << 7
                | u8::from(self.depth > 8) << 6
                | u8::from(self.depth == 12) << 5
                | u8::from(self.monochrome) << 4
                | u8::from(self.subsampling.0) << 3
                | u8::from(self.subsampling.1) << 2
                | self.chroma_position & 3,
        );
        out.push(0);
        out.extend_from_slice(sequence_header);
        out
    }
}

/// From `frame_id_numbers_present_flag` to just before `color_config` (5.5.1).
fn skip_tools(reader: &mut BitReader<'_>, still: bool) -> Option<()> {
    if !still && reader.bit()? {
        reader.skip(7)?;
    }
    reader.skip(3)?;
    if !still {
        reader.skip(4)?;
        let order_hint = reader.bit()?;
        if order_hint {
            reader.skip(2)?;
        }
        let screen_content = reader.bit()? || reader.bit()?;
        if screen_content && !reader.bit()? {
            reader.bit()?;
        }
        if order_hint {
            reader.skip(3)?;
        }
    }
    reader.skip(3)
}

/// Whether a frame (header) OBU begins a shown key frame.
pub fn is_key_frame(payload: &[u8]) -> bool {
    // show_existing_frame 0, frame_type 00, show_frame 1
    payload.first().is_some_and(|first| first >> 4 == 1)
}
