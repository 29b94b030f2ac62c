use super::read::Fields;
use crate::codec::Codec;

/// `ES_DescrTag`, `DecoderConfigDescrTag`, `DecSpecificInfoTag`, `SLConfigDescrTag` (ISO/IEC 14496-1, 7.2.2.1).
const ELEMENTARY_STREAM: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;
const SYNC_LAYER: u8 = 6;

/// The payload of `esds` (ISO/IEC 14496-14, 5.6): AAC with its `AudioSpecificConfig`, or MP3.
pub(super) fn write(codec: Codec, sample_rate: u32, setup: &[u8]) -> Vec<u8> {
    let object_type = match codec {
        Codec::Mp3 if sample_rate <= 24_000 => 0x69, // ISO/IEC 13818-3
        Codec::Mp3 => 0x6B,                          // ISO/IEC 11172-3
        _ => 0x40,                                   // ISO/IEC 14496-3
    };
    // Audio stream, no up stream, reserved bit; decoder buffer, maximum and average bit rate unknown.
    let mut config = vec![object_type, 0x15];
    config.extend([0; 11]);
    if !setup.is_empty() {
        config.extend(descriptor(DECODER_SPECIFIC, setup));
    }
    let mut stream = vec![0, 0, 0]; // ES_ID 0 (the track's own), no flags
    stream.extend(descriptor(DECODER_CONFIG, &config));
    stream.extend(descriptor(SYNC_LAYER, &[2]));
    let mut out = vec![0; 4];
    out.extend(descriptor(ELEMENTARY_STREAM, &stream));
    out
}

/// The object type and the `AudioSpecificConfig` (empty when there is none).
pub(super) fn parse(payload: &[u8]) -> Option<(u8, &[u8])> {
    let mut fields = Fields::new(decoder_config(payload)?);
    let object_type = fields.u8()?;
    fields.take(12)?;
    Some((object_type, find(fields, DECODER_SPECIFIC).unwrap_or_default()))
}

/// The average bit rate that the decoder configuration tells; zero when it varies.
pub(super) fn average_bitrate(payload: &[u8]) -> Option<u32> {
    let mut fields = Fields::new(decoder_config(payload)?);
    fields.take(9)?;
    fields.u32()
}

fn decoder_config(payload: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields::new(payload);
    fields.take(4)?;
    let stream = find(fields, ELEMENTARY_STREAM)?;
    let mut fields = Fields::new(stream);
    fields.take(2)?;
    let flags = fields.u8()?;
    if flags & 0x80 != 0 {
        fields.take(2)?;
    }
    if flags & 0x40 != 0 {
        let length = fields.u8()?;
        fields.take(length.into())?;
    }
    if flags & 0x20 != 0 {
        fields.take(2)?;
    }
    find(fields, DECODER_CONFIG)
}

fn find(mut fields: Fields<'_>, wanted: u8) -> Option<&[u8]> {
    loop {
        let tag = fields.u8()?;
        let mut size = 0_usize;
        for index in 0..4 {
            let byte = fields.u8()?;
            size = size << 7 | usize::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                break;
            }
            if index == 3 {
                return None;
            }
        }
        let body = fields.take(size)?;
        if tag == wanted {
            return Some(body);
        }
    }
}

fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    // Four bytes of seven bits each, the form that every player reads.
    for shift in [21, 14, 7, 0] {
        let part = u8::try_from(body.len() >> shift & 0x7F).unwrap_or(0);
        out.push(if shift == 0 { part } else { part | 0x80 });
    }
    out.extend(body);
    out
}
