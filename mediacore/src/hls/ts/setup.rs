//! What the program map says of each stream (ISO/IEC 13818-1, table 2-34; Apple: MPEG-2 Stream Encryption Format for HTTP
//! Live Streaming, "Audio Setup Information").

use super::no_track;
use super::psi::Entry;
use crate::codec::Codec;
use crate::error::{Error, ErrorKind};
use crate::hls::options::TsOptions;
use crate::hls::{Refusal, Stream};
use crate::layout::Wait;

/// `registration_descriptor` (2.6.8).
const REGISTRATION: u8 = 5;

/// `private_data_indicator_descriptor` (2.6.28).
const PRIVATE_DATA: u8 = 15;

/// How much of an AC-3 frame describes it.
const AC3_SETUP: usize = 10;

/// The entry of a stream.
///
/// # Errors
/// `BadRequest` for a codec that has no place there.
pub(super) fn entry(stream: &Stream, options: &TsOptions, encrypted: bool) -> Result<Entry, Refusal> {
    let track = stream.described().ok_or_else(no_track)?;
    let codec = track.codec();
    if encrypted {
        return encrypted_entry(stream);
    }
    let (kind, descriptors) = match codec {
        Codec::H264 => (0x1B, Vec::new()),
        Codec::Hevc if options.registered_hevc => (0x24, Vec::new()),
        Codec::Hevc => (0x06, descriptor(REGISTRATION, b"HEVC")),
        Codec::Aac => (0x0F, Vec::new()),
        Codec::Mp3 => (0x03, Vec::new()),
        Codec::Ac3 | Codec::Eac3 => (0x81, Vec::new()),
        Codec::Av1 | Codec::Vp9 | Codec::Opus | Codec::Flac => {
            return Err(Refusal::bad_request(format!("MPEG-TS has no place for {codec}")));
        }
    };
    Ok(Entry { kind, descriptors })
}

fn encrypted_entry(stream: &Stream) -> Result<Entry, Refusal> {
    let track = stream.described().ok_or_else(no_track)?;
    let setup = &track.track.setup;
    let (kind, indicator, audio) = match track.codec() {
        Codec::H264 => (0xDB, b"zavc", None),
        Codec::Aac => {
            let kind = match crate::codec::aac::AudioConfig::parse(setup)?.object_type {
                5 => b"zach",
                29 => b"zacp",
                _ => b"zaac",
            };
            (0xCF, b"aacd", Some((kind, setup.to_vec())))
        }
        Codec::Ac3 => (0xC1, b"ac3d", Some((b"zac3", first_bytes(stream)?))),
        Codec::Eac3 => (0xC2, b"ec3d", Some((b"zec3", setup.to_vec()))),
        codec => {
            let text = format!("SAMPLE-AES in MPEG-TS has no place for {codec}");
            return Err(Refusal::bad_request(text));
        }
    };
    let mut descriptors = descriptor(PRIVATE_DATA, indicator);
    if let Some((kind, setup)) = audio {
        let mut told = b"apad".to_vec();
        told.extend(kind);
        // No priming, version 1.
        told.extend([0, 0, 1, u8::try_from(setup.len()).unwrap_or(u8::MAX)]);
        told.extend(setup.iter().take(usize::from(u8::MAX)));
        descriptors.extend(descriptor(REGISTRATION, &told));
    }
    Ok(Entry { kind, descriptors })
}

/// The start of the first frame; nothing when the segment has none.
fn first_bytes(stream: &Stream) -> Result<Vec<u8>, Refusal> {
    let Some((part, frame)) = stream.frames().next() else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; AC3_SETUP.min(frame.size as usize)];
    let part = stream.parts.get(part).ok_or_else(no_track)?;
    let read = part.title.source().read_full(&mut bytes, frame.offset, Wait::Yes);
    read.map_err(|error| {
        let text = format!("can't read {} bytes at {}", bytes.len(), frame.offset);
        Error::new(ErrorKind::Malformed, text).with_source(error)
    })?;
    Ok(bytes)
}

fn descriptor(tag: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, u8::try_from(data.len()).unwrap_or(u8::MAX)];
    out.extend(data.iter().take(usize::from(u8::MAX)));
    out
}
