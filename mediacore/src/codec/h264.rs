//! H.264: sequence parameter sets, `avcC`, and what a NAL unit is (ITU-T H.264; ISO/IEC 14496-15, 5).

use bytes::Bytes;

use super::bits::{BitReader, unescape};
use super::{Colour, MAX_PICTURE, MAX_SET, limit, malformed, reduced, sample_aspect};
use crate::error::Result;

/// A slice of a picture that is no IDR picture.
pub const NAL_SLICE: u8 = 1;
/// A slice of an IDR picture.
pub const NAL_IDR: u8 = 5;
/// Supplemental enhancement information.
pub const NAL_SEI: u8 = 6;
/// A sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// A picture parameter set.
pub const NAL_PPS: u8 = 8;
/// An access unit delimiter.
pub const NAL_AUD: u8 = 9;
/// An extension of a sequence parameter set, for auxiliary pictures.
pub const NAL_SPS_EXTENSION: u8 = 13;
/// A sequence parameter set of a further layer (SVC, MVC).
pub const NAL_SUBSET_SPS: u8 = 15;

/// The `nal_unit_type` of a NAL unit; 0 for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 31)
}

/// What a sequence parameter set says (ITU-T H.264, 7.3.2.1.1 and annex E).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u32,
    /// `profile_idc`.
    pub profile: u8,
    /// The eight constraint flags.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
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
    /// Whether pictures may be fields.
    pub interlaced: bool,
    /// Width to height of a pixel, when told.
    pub pixel_aspect: Option<(u32, u32)>,
    /// Colours, when told.
    pub colour: Option<Colour>,
    /// Frames per second as a reduced fraction, when told.
    pub frame_rate: Option<(u32, u32)>,
    /// How many pictures may come before one in decoding order and after it in output order; 0 for streams that can't
    /// reorder, `None` when the set does not tell.
    pub reorder: Option<u32>,
}

impl Sps {
    /// Reads a whole NAL unit, its one-byte header included. A VUI that ends early counts as absent from there on,
    /// because cameras send such.
    ///
    /// # Errors
    ///
    /// `Malformed` when it is no SPS, `LimitExceeded` above 64 KiB or 16 384 pixels a side.
    pub fn parse(nal: &[u8]) -> Result<Self> {
        if nal.len() > MAX_SET {
            return Err(limit(format!(
                "H.264 SPS of {} bytes, at most {MAX_SET} are read",
                nal.len()
            )));
        }
        if nal_type(nal) != NAL_SPS {
            return Err(malformed(format!(
                "NAL unit of type {} where an H.264 SPS belongs",
                nal_type(nal)
            )));
        }
        let payload = unescape(nal.get(1..).unwrap_or_default());
        let mut reader = BitReader::new(&payload);
        let sps = Self::read(&mut reader).ok_or_else(|| {
            malformed(format!(
                "H.264 SPS of {} bytes breaks off or is inconsistent",
                nal.len()
            ))
        })?;
        if sps.width > MAX_PICTURE || sps.height > MAX_PICTURE {
            return Err(limit(format!(
                "H.264 picture of {}x{}, at most {MAX_PICTURE}x{MAX_PICTURE} is taken",
                sps.width, sps.height
            )));
        }
        Ok(sps)
    }

    fn read(reader: &mut BitReader<'_>) -> Option<Self> {
        let profile = reader.byte(8)?;
        let constraints = reader.byte(8)?;
        let level = reader.byte(8)?;
        let id = reader.ue().filter(|&id| id < 32)?;
        let (mut chroma_format, mut luma_depth, mut chroma_depth, mut separate) = (1, 8, 8, false);
        if has_chroma_fields(profile) {
            chroma_format = u8::try_from(reader.ue().filter(|&format| format <= 3)?).ok()?;
            separate = chroma_format == 3 && reader.bit()?;
            luma_depth = depth(reader.ue()?)?;
            chroma_depth = depth(reader.ue()?)?;
            reader.bit()?; // qpprime_y_zero_transform_bypass_flag
            if reader.bit()? {
                skip_scaling_lists(reader, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        reader.ue()?; // log2_max_frame_num_minus4
        let order_type = reader.ue()?;
        skip_order_count(reader, order_type)?;
        reader.ue()?; // max_num_ref_frames
        reader.bit()?; // gaps_in_frame_num_value_allowed_flag
        let macroblock_columns = reader.ue()?.checked_add(1)?;
        let map_rows = reader.ue()?.checked_add(1)?;
        let frames_only = reader.bit()?;
        if !frames_only {
            reader.bit()?; // mb_adaptive_frame_field_flag
        }
        reader.bit()?; // direct_8x8_inference_flag
        let field_factor = if frames_only { 1 } else { 2 };
        let crop = crop_sums(reader)?;
        let (unit_x, unit_y) = match chroma_format {
            _ if separate => (1, field_factor),
            1 => (2, 2 * field_factor),
            2 => (2, field_factor),
            _ => (1, field_factor),
        };
        let width = cropped(macroblock_columns, 16, crop.0, unit_x)?;
        let height = cropped(map_rows, 16 * field_factor, crop.1, unit_y)?;
        let vui = if reader.bit().unwrap_or(false) {
            Vui::read(reader)
        } else {
            Vui::default()
        };
        let intra_only = matches!(profile, 44 | 86 | 100 | 110 | 122 | 244) && constraints & 0x10 != 0;
        let cannot_reorder = profile == 66 || order_type == 2 || intra_only;
        Some(Self {
            id,
            profile,
            constraints,
            level,
            chroma_format,
            luma_depth,
            chroma_depth,
            width,
            height,
            interlaced: !frames_only,
            pixel_aspect: vui.pixel_aspect,
            colour: vui.colour,
            frame_rate: vui.frame_rate,
            reorder: if cannot_reorder { Some(0) } else { vui.reorder },
        })
    }
}

/// The decoder configuration record of MP4, Matroska and FLV (ISO/IEC 14496-15, 5.3.3.1).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AvcConfig {
    /// Bytes of each length before a NAL unit: 1, 2 or 4.
    pub length_size: usize,
    /// Sequence parameter sets as whole NAL units.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets as whole NAL units.
    pub pps: Vec<Bytes>,
}

impl AvcConfig {
    /// Reads the payload of an `avcC` box. What follows the picture parameter sets is not looked at.
    ///
    /// # Errors
    ///
    /// `Malformed` when it breaks off.
    pub fn parse(record: &Bytes) -> Result<Self> {
        Self::read(record).ok_or_else(|| malformed(format!("avcC of {} bytes breaks off", record.len())))
    }

    fn read(record: &Bytes) -> Option<Self> {
        let head = record.get(..6)?;
        let length_size = usize::from(head[4] & 3) + 1;
        if head[0] != 1 || length_size == 3 {
            return None;
        }
        let mut at = 6;
        let sps = read_sets(record, &mut at, head[5] & 31)?;
        let count = *record.get(at)?;
        at += 1;
        let pps = read_sets(record, &mut at, count)?;
        Some(Self {
            length_size,
            sps,
            pps,
        })
    }

    /// Writes the payload of an `avcC` box; the first SPS gives profile and level.
    ///
    /// # Errors
    ///
    /// `Malformed` without a valid SPS, `LimitExceeded` above 31 SPS or 255 PPS (the fields have 5 and 8 bits).
    pub fn to_bytes(&self) -> Result<Bytes> {
        let first = self
            .sps
            .first()
            .ok_or_else(|| malformed("H.264 without an SPS".to_owned()))?;
        let facts = Sps::parse(first)?;
        if self.sps.len() > 31 || self.pps.len() > 255 {
            return Err(limit(format!(
                "{} H.264 SPS and {} PPS, avcC takes 31 and 255",
                self.sps.len(),
                self.pps.len()
            )));
        }
        let count = |sets: &[Bytes]| u8::try_from(sets.len()).unwrap_or(u8::MAX);
        let length_bits = u8::try_from(self.length_size.clamp(1, 4) - 1).unwrap_or(3);
        let mut out = vec![1, facts.profile, facts.constraints, facts.level];
        out.extend([0xFC | length_bits, 0xE0 | count(&self.sps)]);
        write_sets(&mut out, &self.sps)?;
        out.push(count(&self.pps));
        write_sets(&mut out, &self.pps)?;
        if !matches!(facts.profile, 66 | 77 | 88) {
            out.push(0xFC | facts.chroma_format);
            out.push(0xF8 | (facts.luma_depth - 8));
            out.push(0xF8 | (facts.chroma_depth - 8));
            out.push(0);
        }
        Ok(out.into())
    }
}

/// The id of an SPS or PPS NAL unit; `None` when it is neither or out of range.
pub fn set_id(nal: &[u8]) -> Option<u32> {
    let head = unescape(nal.get(1..nal.len().min(24))?);
    let mut reader = BitReader::new(&head);
    match nal_type(nal) {
        NAL_SPS => {
            reader.skip(24)?;
            reader.ue().filter(|&id| id < 32)
        }
        NAL_PPS => reader.ue().filter(|&id| id < 256),
        _ => None,
    }
}

/// Whether an SEI NAL unit holds a recovery point (ITU-T H.264, D.1.8): decoding may start here although it is no IDR.
pub fn is_recovery_point(sei: &[u8]) -> bool {
    let mut rest = sei.get(1..).unwrap_or_default();
    // 0x80 alone is the trailing stop bit.
    while rest.len() > 1 {
        let Some((kind, after)) = sei_number(rest) else {
            return false;
        };
        let Some((size, after)) = sei_number(after) else {
            return false;
        };
        if kind == 6 {
            return true;
        }
        rest = after.get(size..).unwrap_or_default();
    }
    false
}

fn sei_number(mut data: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_usize;
    loop {
        let (&byte, rest) = data.split_first()?;
        number = number.checked_add(usize::from(byte))?;
        data = rest;
        if byte != 255 {
            return Some((number, data));
        }
    }
}

pub(super) fn read_sets(record: &Bytes, at: &mut usize, count: u8) -> Option<Vec<Bytes>> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let length = record.get(*at..at.checked_add(2)?)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let start = *at + 2;
        let end = start.checked_add(length)?;
        record.get(start..end)?;
        sets.push(record.slice(start..end));
        *at = end;
    }
    Some(sets)
}

pub(super) fn write_sets(out: &mut Vec<u8>, sets: &[Bytes]) -> Result<()> {
    for set in sets {
        let length = u16::try_from(set.len()).map_err(|_| {
            limit(format!(
                "parameter set of {} bytes, at most {MAX_SET} are taken",
                set.len()
            ))
        })?;
        out.extend(length.to_be_bytes());
        out.extend_from_slice(set);
    }
    Ok(())
}

const fn has_chroma_fields(profile: u8) -> bool {
    matches!(
        profile,
        44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244
    )
}

fn depth(minus8: u32) -> Option<u8> {
    u8::try_from(minus8)
        .ok()
        .filter(|&extra| extra <= 6)
        .map(|extra| extra + 8)
}

fn skip_scaling_lists(reader: &mut BitReader<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !reader.bit()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + reader.se()?).rem_euclid(256);
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

fn skip_order_count(reader: &mut BitReader<'_>, order_type: u32) -> Option<()> {
    match order_type {
        0 => {
            reader.ue()?;
        }
        1 => {
            reader.bit()?;
            reader.se()?;
            reader.se()?;
            for _ in 0..reader.ue().filter(|&count| count < 256)? {
                reader.se()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

/// Left plus right and top plus bottom, in crop units.
fn crop_sums(reader: &mut BitReader<'_>) -> Option<(u32, u32)> {
    if !reader.bit()? {
        return Some((0, 0));
    }
    let horizontal = reader.ue()?.checked_add(reader.ue()?)?;
    let vertical = reader.ue()?.checked_add(reader.ue()?)?;
    Some((horizontal, vertical))
}

fn cropped(blocks: u32, block: u32, crop: u32, unit: u32) -> Option<u32> {
    blocks
        .checked_mul(block)?
        .checked_sub(crop.checked_mul(unit)?)
        .filter(|&size| size > 0)
}

#[derive(Debug, Default)]
struct Vui {
    pixel_aspect: Option<(u32, u32)>,
    colour: Option<Colour>,
    frame_rate: Option<(u32, u32)>,
    reorder: Option<u32>,
}

impl Vui {
    fn read(reader: &mut BitReader<'_>) -> Self {
        let mut vui = Self::default();
        // What was read before a broken end is kept.
        let _ = vui.fill(reader);
        vui
    }

    fn fill(&mut self, reader: &mut BitReader<'_>) -> Option<()> {
        if reader.bit()? {
            self.pixel_aspect = sample_aspect(reader)?;
        }
        if reader.bit()? {
            reader.bit()?; // overscan_appropriate_flag
        }
        if reader.bit()? {
            self.colour = Colour::read_signal_type(reader)?;
        }
        if reader.bit()? {
            reader.ue()?;
            reader.ue()?;
        }
        if reader.bit()? {
            let units = reader.bits(32)?;
            let scale = reader.bits(32)?;
            reader.bit()?;
            self.frame_rate = reduced(u64::from(scale), u64::from(units) * 2);
        }
        let nal_hrd = reader.bit()?;
        if nal_hrd {
            skip_hrd(reader)?;
        }
        let vcl_hrd = reader.bit()?;
        if vcl_hrd {
            skip_hrd(reader)?;
        }
        if nal_hrd || vcl_hrd {
            reader.bit()?;
        }
        reader.bit()?; // pic_struct_present_flag
        if reader.bit()? {
            reader.bit()?;
            for _ in 0..4 {
                reader.ue()?;
            }
            self.reorder = Some(reader.ue().filter(|&frames| frames <= 16)?);
        }
        Some(())
    }
}

fn skip_hrd(reader: &mut BitReader<'_>) -> Option<()> {
    let count = reader.ue().filter(|&count| count < 32)?;
    reader.skip(8)?;
    for _ in 0..=count {
        reader.ue()?;
        reader.ue()?;
        reader.bit()?;
    }
    reader.skip(20)
}
