//! Which codec a track has, its parameter sets, and its RFC 6381 string.

pub mod aac;
pub mod ac3;
pub mod annex_b;
pub mod av1;
mod bits;
mod colour;
mod describe;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod flac;
pub mod h264;
pub mod hevc;
pub mod mp3;
mod normalize;
pub mod opus;
pub mod vp9;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::time::Timescale;

use bits::BitReader;
pub(crate) use bits::BitWriter;
pub use colour::Colour;
pub use normalize::{Change, Normalizer, Unit, Units};

/// The longest parameter set that we read, in bytes: what the 16-bit lengths of `avcC` and `hvcC` can say.
pub const MAX_SET: usize = 65_535;

/// The longest side of a picture that we take, in pixels.
pub const MAX_PICTURE: u32 = 16_384;

/// Video or audio: the two kinds of track that we record.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
}

impl Kind {
    /// `video` or `audio`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A codec that we can put into MP4 without touching its bits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// ITU-T H.264; sample entry `avc1`.
    H264,
    /// ITU-T H.265; sample entry `hvc1`.
    Hevc,
    /// AOMedia AV1; sample entry `av01`.
    Av1,
    /// VP9; sample entry `vp09`.
    Vp9,
    /// MPEG-4 AAC; sample entry `mp4a`.
    Aac,
    /// MPEG-1/2 layer III; sample entry `mp4a` with object type 0x6B.
    Mp3,
    /// Dolby AC-3; sample entry `ac-3`.
    Ac3,
    /// Dolby E-AC-3; sample entry `ec-3`.
    Eac3,
    /// Opus; sample entry `Opus`.
    Opus,
    /// FLAC; sample entry `fLaC`.
    Flac,
}

impl Codec {
    /// Video or audio.
    pub const fn kind(self) -> Kind {
        match self {
            Self::H264 | Self::Hevc | Self::Av1 | Self::Vp9 => Kind::Video,
            Self::Aac | Self::Mp3 | Self::Ac3 | Self::Eac3 | Self::Opus | Self::Flac => Kind::Audio,
        }
    }

    /// The short lower-case name that ffprobe uses too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Vp9 => "vp9",
            Self::Aac => "aac",
            Self::Mp3 => "mp3",
            Self::Ac3 => "ac3",
            Self::Eac3 => "eac3",
            Self::Opus => "opus",
            Self::Flac => "flac",
        }
    }

    /// The codec that ffprobe calls `name`; `None` for one that we can't keep as it is.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "h264" => Self::H264,
            "hevc" => Self::Hevc,
            "av1" => Self::Av1,
            "vp9" => Self::Vp9,
            "aac" => Self::Aac,
            "mp3" => Self::Mp3,
            "ac3" => Self::Ac3,
            "eac3" => Self::Eac3,
            "opus" => Self::Opus,
            "flac" => Self::Flac,
            _ => return None,
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An ISO 639-2/T language code: three lower-case letters, `und` when unknown.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
pub struct Language([u8; 3]);

impl From<String> for Language {
    fn from(code: String) -> Self {
        Self::new(&code)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.as_str().to_owned()
    }
}

impl Language {
    /// Not known.
    pub const UNDETERMINED: Self = Self(*b"und");

    /// Three ASCII letters in any case; anything else is `und`.
    pub fn new(code: &str) -> Self {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_alphabetic) => {
                Self(letters.map(|c| c.to_ascii_lowercase()))
            }
            _ => Self::UNDETERMINED,
        }
    }

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("und")
    }

    /// As `mdhd` packs it: three 5-bit letters (ISO/IEC 14496-12, 8.4.2.3).
    pub fn to_packed(self) -> u16 {
        self.0
            .iter()
            .fold(0, |packed, letter| (packed << 5) | u16::from(letter - 0x60))
    }

    /// From the packed form; anything that is no letter is `und`.
    pub fn from_packed(packed: u16) -> Self {
        let letter = |shift: u16| u8::try_from((packed >> shift) & 31).unwrap_or(0) + 0x60;
        let letters = [letter(10), letter(5), letter(0)];
        if letters.iter().all(u8::is_ascii_lowercase) {
            Self(letters)
        } else {
            Self::UNDETERMINED
        }
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::UNDETERMINED
    }
}

/// How a player must turn the picture, clockwise (`tkhd` matrix, ISO/IEC 14496-12, 8.3.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// As coded.
    #[default]
    None,
    /// A quarter turn clockwise.
    Clockwise90,
    /// Upside down.
    Half,
    /// A quarter turn counter-clockwise.
    Clockwise270,
}

/// Everything an MP4 track's sample entry and header say about its samples.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Track {
    /// The codec.
    pub codec: Codec,
    /// What the decoder needs first, in the form that MP4 stores it: the payload of `avcC`, `hvcC`, `av1C`, `vpcC`
    /// (with its four bytes of version and flags), `dac3`, `dec3`, `dOps`, `dfLa` (with version and flags); for AAC the
    /// `AudioSpecificConfig`; empty for MP3.
    pub setup: Bytes,
    /// Picture or sound.
    pub media: Media,
    /// Spoken language.
    pub language: Language,
    /// How to turn the picture.
    pub rotation: Rotation,
}

/// The picture's or the sound's dimensions.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Media {
    /// A picture.
    Video {
        /// Coded width after cropping, in pixels.
        width: u32,
        /// Coded height after cropping, in pixels.
        height: u32,
        /// Width to height of one pixel.
        pixel_aspect: (u32, u32),
    },
    /// A sound.
    Audio {
        /// Samples per second at the decoder's output (48 000 for HE-AAC over a 24 000 Hz core).
        sample_rate: u32,
        /// Loudspeakers.
        channels: u32,
        /// Length of one packet in ticks of [`Track::timescale`]; 0 when it varies.
        packet: u32,
    },
}

impl Track {
    /// Video or audio.
    pub const fn kind(&self) -> Kind {
        self.codec.kind()
    }

    /// Ticks per second of the MP4 track: 90 000 for video; for audio the sample rate at the decoder's
    /// output (Opus: always 48 000).
    pub fn timescale(&self) -> Timescale {
        match self.media {
            Media::Video { .. } => Timescale::MPEG,
            Media::Audio { sample_rate, .. } if self.codec != Codec::Opus => {
                Timescale::new(sample_rate).unwrap_or(Timescale::MPEG)
            }
            Media::Audio { .. } => Timescale::new(48_000).unwrap_or(Timescale::MPEG),
        }
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

fn limit(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::LimitExceeded, message)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// The fraction with small terms; `None` when a term is zero or too large still.
fn reduced(num: u64, den: u64) -> Option<(u32, u32)> {
    if num == 0 || den == 0 {
        return None;
    }
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Some((u32::try_from(num / a).ok()?, u32::try_from(den / a).ok()?))
}

/// The pixel's shape of a VUI after `aspect_ratio_info_present_flag` (ITU-T H.264 table E-1, the same in H.265): outer
/// `None` when the bits end, inner `None` when it is not told.
fn sample_aspect(reader: &mut BitReader<'_>) -> Option<Option<(u32, u32)>> {
    const SHAPES: [(u32, u32); 16] = [
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    Some(match reader.bits(8)? {
        255 => reduced(u64::from(reader.bits(16)?), u64::from(reader.bits(16)?)),
        index => usize::try_from(index)
            .ok()
            .and_then(|index| SHAPES.get(index.checked_sub(1)?).copied()),
    })
}
