use bytes::Bytes;

use super::read::Fields;
use super::{child, fourcc, malformed, wrap};
use crate::codec::{Codec, Language, Media, Rotation, Track};
use crate::error::Result;

/// `VisualSampleEntry` (ISO/IEC 14496-12, 12.1.3).
pub(super) fn write(track: &Track) -> Vec<u8> {
    let Media::Video {
        width,
        height,
        pixel_aspect,
    } = track.media
    else {
        return Vec::new();
    };
    let mut out = vec![0; 6];
    out.extend(1_u16.to_be_bytes()); // data_reference_index
    out.extend([0; 16]);
    out.extend(clamp(width).to_be_bytes());
    out.extend(clamp(height).to_be_bytes());
    out.extend(0x0048_0000_u32.to_be_bytes()); // 72 dpi
    out.extend(0x0048_0000_u32.to_be_bytes());
    out.extend([0; 4]);
    out.extend(1_u16.to_be_bytes()); // frame_count
    out.extend([0; 32]); // compressorname
    out.extend(0x0018_u16.to_be_bytes()); // depth
    out.extend([0xFF, 0xFF]); // pre_defined
    let (entry, setup) = names(track.codec);
    out.extend(wrap(setup, &track.setup));
    if let Some(colour) = track.colour() {
        let mut payload = b"nclx".to_vec();
        for value in [colour.primaries, colour.transfer, colour.matrix] {
            payload.extend(u16::from(value).to_be_bytes());
        }
        payload.push(if colour.full_range { 0x80 } else { 0 });
        out.extend(wrap(b"colr", &payload));
    }
    let aspect = [pixel_aspect.0.to_be_bytes(), pixel_aspect.1.to_be_bytes()].concat();
    out.extend(wrap(b"pasp", &aspect));
    wrap(entry, &out)
}

pub(super) fn parse(codec: Codec, entry: [u8; 4], payload: &[u8]) -> Result<Track> {
    let mut fields = Fields::new(payload);
    let (width, height) = read_size(&mut fields)
        .ok_or_else(|| malformed(format!("sample entry {} breaks off", fourcc(&entry))))?;
    let setup: Bytes = child(entry, &fields, names(codec).1)?;
    let aspect = fields.find(b"pasp").and_then(|payload| {
        let mut fields = Fields::new(payload);
        Some((fields.u32()?, fields.u32()?))
    });
    let mut track = Track {
        codec,
        setup,
        media: Media::Video {
            width: width.into(),
            height: height.into(),
            pixel_aspect: aspect.filter(|&(x, y)| x > 0 && y > 0).unwrap_or((1, 1)),
        },
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    };
    track.check_setup()?;
    if aspect.is_none()
        && let Some(told) = track.coded_aspect()
        && let Media::Video { pixel_aspect, .. } = &mut track.media
    {
        *pixel_aspect = told;
    }
    Ok(track)
}

/// The sample entry's type and that of its decoder configuration.
const fn names(codec: Codec) -> (&'static [u8; 4], &'static [u8; 4]) {
    match codec {
        Codec::Hevc => (b"hvc1", b"hvcC"),
        Codec::Av1 => (b"av01", b"av1C"),
        Codec::Vp9 => (b"vp09", b"vpcC"),
        _ => (b"avc1", b"avcC"),
    }
}

fn read_size(fields: &mut Fields<'_>) -> Option<(u16, u16)> {
    fields.take(24)?;
    let size = (fields.u16()?, fields.u16()?);
    fields.take(50)?;
    Some(size)
}

fn clamp(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}
