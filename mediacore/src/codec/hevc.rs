//! HEVC: sequence parameter sets, `hvcC`, and what a NAL unit is (ITU-T H.265; ISO/IEC 14496-15, 8).

use bytes::Bytes;

use super::bits::{BitReader, unescape};
use super::h264::{read_sets, write_sets};
use super::{Colour, MAX_PICTURE, MAX_SET, limit, malformed, reduced, sample_aspect};
use crate::error::Result;

/// A video parameter set.
pub const NAL_VPS: u8 = 32;
/// A sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// A picture parameter set.
pub const NAL_PPS: u8 = 34;
/// An access unit delimiter.
pub const NAL_AUD: u8 = 35;
/// Supplemental enhancement information in front of a picture.
pub const NAL_PREFIX_SEI: u8 = 39;

/// The `nal_unit_type` of a NAL unit; 63 (unspecified) for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |header| header >> 1 & 63)
}

/// What a sequence parameter set says (ITU-T H.265, 7.3.2.2 and annex E).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u32,
    /// The twelve bytes from `general_profile_space` to `general_level_idc`, as `hvcC` has them too.
    pub profile_tier_level: [u8; 12],
    /// Temporal sub-layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_nesting: bool,
    /// `chroma_format_idc`: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample.
    pub luma_depth: u8,
    /// Bits per chroma sample.
    pub chroma_depth: u8,
    /// Width after cropping, in pixels; at most 16 384.
    pub width: u32,
    /// Height after cropping, in pixels; at most 16 384.
    pub height: u32,
    /// How many pictures may come before one in decoding order and after it in output order.
    pub reorder: u32,
    /// Width to height of a pixel, when told.
    pub pixel_aspect: Option<(u32, u32)>,
    /// Colours, when told.
    pub colour: Option<Colour>,
    /// Pictures per second as a reduced fraction, when told.
    pub frame_rate: Option<(u32, u32)>,
}

impl Sps {
    /// Reads a whole NAL unit, its two-byte header included. What can't be read behind the picture's format counts as
    /// not told.
    ///
    /// # Errors
    ///
    /// `Malformed` when it is no SPS, `LimitExceeded` above 64 KiB or 16 384 pixels a side.
    pub fn parse(nal: &[u8]) -> Result<Self> {
        if nal.len() > MAX_SET {
            return Err(limit(format!(
                "HEVC SPS of {} bytes, at most {MAX_SET} are read",
                nal.len()
            )));
        }
        if nal_type(nal) != NAL_SPS {
            return Err(malformed(format!(
                "NAL unit of type {} where an HEVC SPS belongs",
                nal_type(nal)
            )));
        }
        let payload = unescape(nal.get(2..).unwrap_or_default());
        let sps = Self::read(&payload).ok_or_else(|| {
            malformed(format!(
                "HEVC SPS of {} bytes breaks off or is inconsistent",
                nal.len()
            ))
        })?;
        if sps.width > MAX_PICTURE || sps.height > MAX_PICTURE {
            return Err(limit(format!(
                "HEVC picture of {}x{}, at most {MAX_PICTURE}x{MAX_PICTURE} is taken",
                sps.width, sps.height
            )));
        }
        Ok(sps)
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = BitReader::new(payload);
        reader.skip(4)?;
        let sub_layers = reader.byte(3).filter(|&layers| layers < 7)?;
        let temporal_nesting = reader.bit()?;
        let profile_tier_level = payload.get(1..13)?.try_into().ok()?;
        reader.skip(96)?;
        skip_sub_layer_profiles(&mut reader, sub_layers)?;
        let id = reader.ue().filter(|&id| id < 16)?;
        let chroma_format = u8::try_from(reader.ue().filter(|&format| format <= 3)?).ok()?;
        let separate = chroma_format == 3 && reader.bit()?;
        let coded = (reader.ue()?, reader.ue()?);
        let (mut crop_x, mut crop_y) = (0, 0);
        if reader.bit()? {
            crop_x = reader.ue()?.checked_add(reader.ue()?)?;
            crop_y = reader.ue()?.checked_add(reader.ue()?)?;
        }
        let (unit_x, unit_y) = match chroma_format {
            1 if !separate => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let width = coded
            .0
            .checked_sub(crop_x.checked_mul(unit_x)?)
            .filter(|&size| size > 0)?;
        let height = coded
            .1
            .checked_sub(crop_y.checked_mul(unit_y)?)
            .filter(|&size| size > 0)?;
        let luma_depth = u8::try_from(reader.ue().filter(|&extra| extra <= 8)?).ok()? + 8;
        let chroma_depth = u8::try_from(reader.ue().filter(|&extra| extra <= 8)?).ok()? + 8;
        let order_bits = reader.ue().filter(|&extra| extra <= 12)? + 4;
        let mut reorder = 0;
        for _ in if reader.bit()? { 0 } else { sub_layers }..=sub_layers {
            reader.ue()?;
            reorder = reader.ue().filter(|&pictures| pictures <= 16)?;
            reader.ue()?;
        }
        let mut sps = Self {
            id,
            profile_tier_level,
            temporal_layers: sub_layers + 1,
            temporal_nesting,
            chroma_format,
            luma_depth,
            chroma_depth,
            width,
            height,
            reorder,
            pixel_aspect: None,
            colour: None,
            frame_rate: None,
        };
        // What was read before a broken end is kept.
        let _ = skip_tools(&mut reader, order_bits).and_then(|()| sps.read_vui(&mut reader));
        Some(sps)
    }

    fn read_vui(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        if !reader.bit()? {
            return None;
        }
        if reader.bit()? {
            self.pixel_aspect = sample_aspect(reader)?;
        }
        if reader.bit()? {
            reader.bit()?;
        }
        if reader.bit()? {
            self.colour = Colour::read_signal_type(reader)?;
        }
        if reader.bit()? {
            reader.ue()?;
            reader.ue()?;
        }
        reader.skip(3)?;
        if reader.bit()? {
            for _ in 0..4 {
                reader.ue()?;
            }
        }
        if reader.bit()? {
            let units = reader.bits(32)?;
            let scale = reader.bits(32)?;
            self.frame_rate = reduced(scale.into(), units.into());
        }
        Some(())
    }
}

/// The decoder configuration record (ISO/IEC 14496-15, 8.3.3.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HevcConfig {
    /// Bytes of each length before a NAL unit: 1, 2 or 4.
    pub length_size: usize,
    /// Video parameter sets as whole NAL units.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets as whole NAL units.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets as whole NAL units.
    pub pps: Vec<Bytes>,
}

impl HevcConfig {
    /// Reads the payload of an `hvcC` box; arrays of other NAL units are passed over.
    ///
    /// # Errors
    ///
    /// `Malformed` when it breaks off.
    pub fn parse(record: &Bytes) -> Result<Self> {
        let mut config = Self::default();
        config
            .read(record, |_| {})
            .ok_or_else(|| malformed(format!("hvcC of {} bytes breaks off", record.len())))?;
        Ok(config)
    }

    /// The same record with `array_completeness` set for the parameter sets, as `hvc1` demands.
    ///
    /// # Errors
    ///
    /// `Malformed` when it breaks off.
    pub fn completed(record: &Bytes) -> Result<Bytes> {
        let mut marks = Vec::new();
        Self::default()
            .read(record, |at| marks.push(at))
            .ok_or_else(|| malformed(format!("hvcC of {} bytes breaks off", record.len())))?;
        if marks
            .iter()
            .all(|&at| record.get(at).is_some_and(|head| head & 0x80 != 0))
        {
            return Ok(record.clone());
        }
        let mut out = record.to_vec();
        for at in marks {
            if let Some(head) = out.get_mut(at) {
                *head |= 0x80;
            }
        }
        Ok(out.into())
    }

    fn read(&mut self, record: &Bytes, mut array_at: impl FnMut(usize)) -> Option<()> {
        self.length_size = usize::from(record.get(21)? & 3) + 1;
        if record.first() != Some(&1) || self.length_size == 3 {
            return None;
        }
        let arrays = *record.get(22)?;
        let mut at = 23;
        for _ in 0..arrays {
            let head = record.get(at..at + 3)?;
            let kind = head[0] & 63;
            let count = u16::from_be_bytes([head[1], head[2]]);
            if (NAL_VPS..=NAL_PPS).contains(&kind) {
                array_at(at);
            }
            at += 3;
            for _ in 0..count {
                let set = read_sets(record, &mut at, 1)?;
                match kind {
                    NAL_VPS => self.vps.extend(set),
                    NAL_SPS => self.sps.extend(set),
                    NAL_PPS => self.pps.extend(set),
                    _ => {}
                }
            }
        }
        Some(())
    }

    /// Writes the payload of an `hvcC` box; the first SPS gives the profile and format. Frame rate, parallelism and
    /// spatial segmentation are left at "unknown" (0).
    ///
    /// # Errors
    ///
    /// `Malformed` without a valid SPS.
    pub fn to_bytes(&self) -> Result<Bytes> {
        let first = self.sps.first().ok_or_else(|| malformed("HEVC without an SPS"))?;
        let facts = Sps::parse(first)?;
        let mut out = vec![1];
        out.extend(facts.profile_tier_level);
        out.extend([0xF0, 0, 0xFC, 0xFC | facts.chroma_format]);
        out.extend([
            0xF8 | (facts.luma_depth - 8),
            0xF8 | (facts.chroma_depth - 8),
            0,
            0,
        ]);
        let length_bits = u8::try_from(self.length_size.clamp(1, 4) - 1).unwrap_or(3);
        out.push(facts.temporal_layers << 3 | u8::from(facts.temporal_nesting) << 2 | length_bits);
        out.push(3);
        for (kind, sets) in [(NAL_VPS, &self.vps), (NAL_SPS, &self.sps), (NAL_PPS, &self.pps)] {
            let count = u16::try_from(sets.len())
                .map_err(|_| limit(format!("{} HEVC parameter sets", sets.len())))?;
            out.push(0x80 | kind);
            out.extend(count.to_be_bytes());
            write_sets(&mut out, sets)?;
        }
        Ok(out.into())
    }
}

/// The id of a VPS, SPS or PPS NAL unit; `None` when it is none or out of range.
pub fn set_id(nal: &[u8]) -> Option<u32> {
    match nal_type(nal) {
        NAL_VPS => nal.get(2).map(|byte| u32::from(byte >> 4)),
        NAL_SPS => {
            let payload = unescape(nal.get(2..nal.len().min(192))?);
            let mut reader = BitReader::new(&payload);
            reader.skip(4)?;
            let sub_layers = reader.byte(3)?;
            reader.skip(97)?;
            skip_sub_layer_profiles(&mut reader, sub_layers)?;
            reader.ue().filter(|&id| id < 16)
        }
        NAL_PPS => BitReader::new(&unescape(nal.get(2..nal.len().min(24))?))
            .ue()
            .filter(|&id| id < 64),
        _ => None,
    }
}

fn skip_sub_layer_profiles(reader: &mut BitReader<'_>, sub_layers: u8) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((reader.bit()?, reader.bit()?));
    }
    if sub_layers > 0 {
        reader.skip(2 * usize::from(8_u8.checked_sub(sub_layers)?))?;
    }
    for (profile, level) in present {
        reader.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// From the coding block sizes to just before `vui_parameters_present_flag`.
fn skip_tools(reader: &mut BitReader<'_>, order_bits: u32) -> Option<()> {
    for _ in 0..6 {
        reader.ue()?;
    }
    if reader.bit()? && reader.bit()? {
        skip_scaling_lists(reader)?;
    }
    reader.skip(2)?; // amp, sao
    if reader.bit()? {
        reader.skip(8)?;
        reader.ue()?;
        reader.ue()?;
        reader.bit()?;
    }
    let count = reader.ue().filter(|&sets| sets <= 64)?;
    let mut pictures = 0;
    for index in 0..count {
        pictures = skip_reference_set(reader, index, pictures)?;
    }
    if reader.bit()? {
        let count = reader.ue().filter(|&pictures| pictures <= 32)?;
        reader.skip(usize::try_from(count * (order_bits + 1)).ok()?)?;
    }
    reader.skip(2)
}

fn skip_scaling_lists(reader: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4_u32 {
        let matrices = if size == 3 { 2 } else { 6 };
        for _ in 0..matrices {
            if !reader.bit()? {
                reader.ue()?;
                continue;
            }
            if size > 1 {
                reader.se()?;
            }
            for _ in 0..64.min(1_u32 << (4 + (size << 1))) {
                reader.se()?;
            }
        }
    }
    Some(())
}

/// One `st_ref_pic_set` (7.3.7); gives its number of pictures, which the next one may refer to.
fn skip_reference_set(reader: &mut BitReader<'_>, index: u32, before: u32) -> Option<u32> {
    if index > 0 && reader.bit()? {
        reader.bit()?;
        reader.ue()?;
        let mut pictures = 0;
        for _ in 0..=before {
            let used = reader.bit()?;
            if used || reader.bit()? {
                pictures += 1;
            }
        }
        return Some(pictures);
    }
    let negative = reader.ue().filter(|&pictures| pictures <= 16)?;
    let positive = reader.ue().filter(|&pictures| pictures <= 16)?;
    for _ in 0..negative + positive {
        reader.ue()?;
        reader.bit()?;
    }
    Some(negative + positive)
}
