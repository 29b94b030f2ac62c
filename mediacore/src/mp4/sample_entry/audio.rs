use bytes::Bytes;

use super::esds;
use super::read::Fields;
use super::{child, fourcc, malformed, wrap};
use crate::codec::{Codec, Language, Media, Rotation, Track};
use crate::error::{Error, ErrorKind, Result};

/// `AudioSampleEntry` (ISO/IEC 14496-12, 12.2.3).
pub(super) fn write(track: &Track) -> Vec<u8> {
    let Media::Audio {
        sample_rate,
        channels,
        ..
    } = track.media
    else {
        return Vec::new();
    };
    let mut out = vec![0; 6];
    out.extend(1_u16.to_be_bytes()); // data_reference_index
    out.extend([0; 8]);
    out.extend(u16::try_from(channels).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(16_u16.to_be_bytes());
    out.extend([0; 4]);
    // 16.16 fixed point: rates above 65 535 are told by the decoder configuration only.
    out.extend(u16::try_from(sample_rate).unwrap_or(0).to_be_bytes());
    out.extend([0; 2]);
    out.extend(match setup_name(track.codec) {
        Some(name) => wrap(name, &track.setup),
        None => wrap(b"esds", &esds::write(track.codec, sample_rate, &track.setup)),
    });
    wrap(entry_name(track.codec), &out)
}

/// `codec` is `None` where `esds` tells it.
pub(super) fn parse(codec: Option<Codec>, entry: [u8; 4], payload: &[u8]) -> Result<Track> {
    let mut fields = Fields::new(payload);
    let head = read_head(&mut fields)
        .ok_or_else(|| malformed(format!("sample entry {} breaks off", fourcc(&entry))))?;
    let (codec, setup) = match codec {
        Some(codec) => (
            codec,
            child(entry, &fields, setup_name(codec).unwrap_or(b"esds"))?,
        ),
        None if entry == *b".mp3" => (Codec::Mp3, Bytes::new()),
        None => read_esds(entry, &fields)?,
    };
    let mut track = Track {
        codec,
        setup,
        media: Media::Audio {
            sample_rate: head.sample_rate,
            channels: head.channels,
            packet: 0,
        },
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    };
    track.fill_from_setup()?;
    match track.media {
        Media::Audio {
            sample_rate,
            channels,
            ..
        } if sample_rate == 0 || channels == 0 => Err(malformed(format!(
            "sample entry {} without a sample rate or channels",
            fourcc(&entry)
        ))),
        _ => Ok(track),
    }
}

struct Head {
    channels: u32,
    sample_rate: u32,
}

fn read_head(fields: &mut Fields<'_>) -> Option<Head> {
    fields.take(8)?;
    let version = fields.u16()?;
    fields.take(6)?;
    let channels = u32::from(fields.u16()?);
    fields.take(6)?;
    let sample_rate = u32::from(fields.u16()?);
    fields.take(2)?;
    // QuickTime's versions have more fields before the boxes.
    if version == 1 {
        fields.take(16)?;
    } else if version > 1 {
        return None;
    }
    Some(Head {
        channels,
        sample_rate,
    })
}

/// See [`super::average_bitrate`].
pub(super) fn average_bitrate(payload: &[u8]) -> Option<u32> {
    let mut fields = Fields::new(payload);
    read_head(&mut fields)?;
    esds::average_bitrate(find_esds(&fields)?)
}

/// QuickTime keeps it in `wave`.
fn find_esds<'a>(fields: &Fields<'a>) -> Option<&'a [u8]> {
    fields.find(b"esds").or_else(|| {
        fields
            .find(b"wave")
            .and_then(|wave| Fields::new(wave).find(b"esds"))
    })
}

fn read_esds(entry: [u8; 4], fields: &Fields<'_>) -> Result<(Codec, Bytes)> {
    let payload = find_esds(fields)
        .ok_or_else(|| malformed(format!("sample entry {} without esds", fourcc(&entry))))?;
    let (object_type, setup) = esds::parse(payload)
        .ok_or_else(|| malformed(format!("esds of {} bytes breaks off", payload.len())))?;
    match object_type {
        0x40 | 0x66..=0x68 => Ok((Codec::Aac, Bytes::copy_from_slice(setup))),
        0x69 | 0x6B => Ok((Codec::Mp3, Bytes::new())),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "sample entry {} of object type {object_type:#04x}",
                fourcc(&entry)
            ),
        )),
    }
}

const fn entry_name(codec: Codec) -> &'static [u8; 4] {
    match codec {
        Codec::Ac3 => b"ac-3",
        Codec::Eac3 => b"ec-3",
        Codec::Opus => b"Opus",
        Codec::Flac => b"fLaC",
        _ => b"mp4a",
    }
}

/// The decoder configuration's box; `None` for `esds`.
const fn setup_name(codec: Codec) -> Option<&'static [u8; 4]> {
    match codec {
        Codec::Ac3 => Some(b"dac3"),
        Codec::Eac3 => Some(b"dec3"),
        Codec::Opus => Some(b"dOps"),
        Codec::Flac => Some(b"dfLa"),
        _ => None,
    }
}
