//! Codecs and dynamic ranges as multivariant playlists tell them.

use super::text;
use crate::codec::Codec;
use crate::hls::title::TitleTrack;

/// Transfer characteristics of BT.709 (ITU-T H.273, table 3).
const BT709: u8 = 1;

/// SMPTE ST 2084: perceptual quantiser.
const PQ: u8 = 16;

/// ARIB STD-B67: hybrid log-gamma.
const HLG: u8 = 18;

/// Appends the codec as RFC 6381 has it, with the sample entry's own type and hexadecimal in small letters: `avc1.64000c`,
/// `hvc1.1.6.L60.90`, `mp4a.40.2`, `mp4a.6b`.
pub(super) fn push(out: &mut String, track: &TitleTrack) {
    let setup = &track.track.setup[..];
    let pushed = match track.codec() {
        Codec::H264 => push_h264(out, track, setup),
        Codec::Hevc => push_hevc(out, track, setup),
        _ => None,
    };
    if pushed.is_none() {
        let text = track.track.rfc6381();
        match track.codec() {
            Codec::Mp3 => out.push_str(&text.to_ascii_lowercase()),
            _ => out.push_str(&text),
        }
    }
}

/// The number that names the group of a codec's audio renditions.
pub(super) fn group(codec: Codec) -> u64 {
    match codec {
        Codec::Ac3 => 1,
        Codec::Eac3 => 2,
        Codec::Mp3 => 3,
        Codec::Opus => 6,
        Codec::Flac => 8,
        Codec::Aac | Codec::H264 | Codec::Hevc | Codec::Av1 | Codec::Vp9 => 0,
    }
}

/// `VIDEO-RANGE` of a video track, where its transfer characteristics are ones that it knows. With `hlg`, HLG is told as
/// itself, else as PQ.
pub(super) fn range(track: &TitleTrack, hlg: bool) -> Option<&'static str> {
    match track.track.colour()?.transfer {
        BT709 => Some("SDR"),
        HLG if hlg => Some("HLG"),
        PQ | HLG => Some("PQ"),
        _ => None,
    }
}

/// Whether the samples' NAL units have lengths of four bytes, so that the size of a key frame in MPEG-TS follows from its
/// size in the file.
pub(super) fn four_byte_lengths(track: &TitleTrack) -> bool {
    let place = match track.codec() {
        Codec::H264 => 4,
        Codec::Hevc => 21,
        _ => return true,
    };
    track.track.setup.get(place).is_some_and(|byte| byte & 3 == 3)
}

fn push_kind(out: &mut String, track: &TitleTrack) {
    out.extend(track.entry_kind.0.iter().copied().map(char::from));
}

fn push_hex(out: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
    }
}

/// ISO/IEC 14496-15, E.2: profile, constraints and level of the `avcC`.
fn push_h264(out: &mut String, track: &TitleTrack, setup: &[u8]) -> Option<()> {
    let levels = setup.get(1..4)?;
    push_kind(out, track);
    out.push('.');
    levels.iter().for_each(|byte| push_hex(out, *byte));
    Some(())
}

/// ISO/IEC 14496-15, E.3: profile space and profile, compatibility flags in reverse, tier and level, constraints as far as
/// they are set.
fn push_hevc(out: &mut String, track: &TitleTrack, setup: &[u8]) -> Option<()> {
    let &[_, profile, a, b, c, d, ref constraints @ .., level] = setup.get(..13)? else {
        return None;
    };
    push_kind(out, track);
    out.push('.');
    match profile >> 6 {
        0 => {}
        space => out.push(char::from(b'A' + space - 1)),
    }
    text::number(out, u64::from(profile & 31));
    let compatibility = u32::from_be_bytes([a, b, c, d]).reverse_bits();
    let tier = if profile & 0x20 != 0 { 'H' } else { 'L' };
    out.push_str(&format!(".{compatibility:x}.{tier}"));
    text::number(out, level.into());
    let used = constraints.iter().rposition(|byte| *byte != 0);
    for byte in constraints.iter().take(used.map_or(0, |last| last + 1)) {
        out.push_str(&format!(".{byte:x}"));
    }
    Some(())
}
