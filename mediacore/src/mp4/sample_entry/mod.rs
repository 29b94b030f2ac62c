//! Sample entries of `stsd`: how a track's codec is described (ISO/IEC 14496-12, 8.5.2).

mod audio;
mod esds;
mod read;
mod video;

use bytes::Bytes;

use crate::codec::{Codec, Kind, Track};
use crate::error::{Error, ErrorKind, Result};

use read::Fields;

/// The whole sample entry box of `track`, its size and type included: `avc1`, `hvc1`, `av01`, `vp09`, `mp4a`, `ac-3`,
/// `ec-3`, `Opus` or `fLaC`.
///
/// Pictures get `pasp`, and `colr` when the decoder configuration tells their colours.
pub fn write(track: &Track) -> Vec<u8> {
    match track.kind() {
        Kind::Video => video::write(track),
        Kind::Audio => audio::write(track),
    }
}

/// Reads one sample entry box as it stands in `stsd`.
///
/// Language and rotation are `und` and none: they stand elsewhere. What the decoder configuration says wins over the
/// entry's own fields. `avc3` and `hev1` are taken like `avc1` and `hvc1`.
///
/// # Errors
///
/// `Malformed` when it breaks off, `Unsupported` for other codecs and for encrypted entries.
pub fn parse(entry: &[u8]) -> Result<Track> {
    let mut boxes = Fields::new(entry);
    let (name, payload) = boxes
        .next_box()
        .ok_or_else(|| malformed(format!("sample entry of {} bytes breaks off", entry.len())))?;
    match &name {
        b"encv" | b"enca" => Err(Error::new(
            ErrorKind::Unsupported,
            format!("sample entry {} is encrypted (sinf)", fourcc(&name)),
        )),
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => video::parse(Codec::H264, name, payload),
        b"hvc1" | b"hev1" => video::parse(Codec::Hevc, name, payload),
        b"av01" => video::parse(Codec::Av1, name, payload),
        b"vp09" => video::parse(Codec::Vp9, name, payload),
        b"mp4a" | b".mp3" => audio::parse(None, name, payload),
        b"ac-3" => audio::parse(Some(Codec::Ac3), name, payload),
        b"ec-3" => audio::parse(Some(Codec::Eac3), name, payload),
        b"Opus" => audio::parse(Some(Codec::Opus), name, payload),
        b"fLaC" => audio::parse(Some(Codec::Flac), name, payload),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!("sample entry {}", fourcc(&name)),
        )),
    }
}

/// The average bits per second that the `esds` of an `mp4a` entry tells; `None` without one.
pub fn average_bitrate(entry: &[u8]) -> Option<u32> {
    let (name, payload) = Fields::new(entry).next_box()?;
    (name == *b"mp4a").then(|| audio::average_bitrate(payload))?
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

/// The four letters for a message.
fn fourcc(name: &[u8; 4]) -> String {
    name.escape_ascii().to_string()
}

/// A box around `payload`.
fn wrap(name: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len().saturating_add(8)).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(payload.len().saturating_add(8));
    out.extend(size.to_be_bytes());
    out.extend(name);
    out.extend(payload);
    out
}

/// The box called `name` inside the sample entry `entry`, copied.
fn child(entry: [u8; 4], children: &Fields<'_>, name: &[u8; 4]) -> Result<Bytes> {
    children.find(name).map(Bytes::copy_from_slice).ok_or_else(|| {
        malformed(format!(
            "sample entry {} without {}",
            fourcc(&entry),
            fourcc(name)
        ))
    })
}

#[cfg(test)]
mod tests;
