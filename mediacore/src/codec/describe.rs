use super::aac::AudioConfig;
use super::av1::{self, SequenceHeader};
use super::h264::{self, AvcConfig};
use super::hevc::{self, HevcConfig};
use super::opus::OpusConfig;
use super::{Codec, Colour, MAX_PICTURE, Media, Track, ac3, flac, limit, malformed, mp3};
use crate::error::Result;

impl Track {
    /// The codec as `codecs=` of a MIME type names it (RFC 6381; for H.264 and HEVC ISO/IEC 14496-15 annex E, for AV1 and
    /// VP9 their ISO-BMFF bindings): `avc1.64001F`, `mp4a.40.2`.
    ///
    /// MP3 is `mp4a.6B` (`mp4a.69` up to 24 kHz), after the object type that its sample entry has; Chrome, Firefox and
    /// Safari take that, while `mp4a.40.34` belongs to another sample entry.
    pub fn rfc6381(&self) -> String {
        let setup = &self.setup[..];
        match self.codec {
            Codec::H264 => match setup {
                [_, profile, constraints, level, ..] => {
                    format!("avc1.{profile:02X}{constraints:02X}{level:02X}")
                }
                _ => "avc1".to_owned(),
            },
            Codec::Hevc => hevc_string(setup).unwrap_or_else(|| "hvc1".to_owned()),
            Codec::Av1 => av1_string(setup).unwrap_or_else(|| "av01".to_owned()),
            Codec::Vp9 => match setup {
                [_, _, _, _, profile, level, packed, ..] => {
                    format!("vp09.{profile:02}.{level:02}.{:02}", packed >> 4)
                }
                _ => "vp09".to_owned(),
            },
            Codec::Aac => match AudioConfig::parse(setup) {
                Ok(config) => format!("mp4a.40.{}", config.object_type),
                Err(_) => "mp4a.40.2".to_owned(),
            },
            Codec::Mp3 => match self.media {
                Media::Audio { sample_rate, .. } if sample_rate <= 24_000 => "mp4a.69".to_owned(),
                _ => "mp4a.6B".to_owned(),
            },
            Codec::Ac3 => "ac-3".to_owned(),
            Codec::Eac3 => "ec-3".to_owned(),
            Codec::Opus => "opus".to_owned(),
            Codec::Flac => "fLaC".to_owned(),
        }
    }

    /// The colours that a video track's decoder configuration tells.
    pub fn colour(&self) -> Option<Colour> {
        match self.codec {
            Codec::H264 => self.h264_sps()?.colour,
            Codec::Hevc => self.hevc_sps()?.colour,
            Codec::Av1 => self.av1_header()?.colour,
            Codec::Vp9 => match self.setup[..] {
                [_, _, _, _, _, _, packed, primaries, transfer, matrix, ..]
                    if (primaries, transfer, matrix) != (2, 2, 2) =>
                {
                    Some(Colour {
                        primaries,
                        transfer,
                        matrix,
                        full_range: packed & 1 == 1,
                    })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Opus: samples at 48 kHz that a player leaves out at the start; 0 for every other codec.
    pub fn pre_skip(&self) -> u16 {
        match self.codec {
            Codec::Opus => OpusConfig::parse(&self.setup).map_or(0, |config| config.pre_skip),
            _ => 0,
        }
    }

    /// The pixel's shape that the decoder configuration tells.
    pub(crate) fn coded_aspect(&self) -> Option<(u32, u32)> {
        match self.codec {
            Codec::H264 => self.h264_sps()?.pixel_aspect,
            Codec::Hevc => self.hevc_sps()?.pixel_aspect,
            _ => None,
        }
    }

    /// Whether a video track's decoder configuration can be read and the picture is not too large.
    pub(crate) fn check_setup(&self) -> Result<()> {
        if let Media::Video { width, height, .. } = self.media
            && (width > MAX_PICTURE || height > MAX_PICTURE)
        {
            return Err(limit(format!(
                "{} picture of {width}x{height}, at most {MAX_PICTURE}x{MAX_PICTURE} is taken",
                self.codec
            )));
        }
        let shortest = match self.codec {
            Codec::H264 => return AvcConfig::parse(&self.setup).map(drop),
            Codec::Hevc => return HevcConfig::parse(&self.setup).map(drop),
            Codec::Av1 => 4,
            _ => 12,
        };
        if self.setup.len() < shortest {
            return Err(malformed(format!(
                "{} decoder configuration of {} bytes breaks off",
                self.codec,
                self.setup.len()
            )));
        }
        Ok(())
    }

    /// Puts what a sound's decoder configuration tells into [`Track::media`].
    pub(crate) fn fill_from_setup(&mut self) -> Result<()> {
        let Media::Audio {
            sample_rate,
            channels,
            packet,
        } = &mut self.media
        else {
            return Ok(());
        };
        let told = match self.codec {
            Codec::Aac => {
                let config = AudioConfig::parse(&self.setup)?;
                Some((config.sample_rate, config.channels, config.packet))
            }
            Codec::Ac3 | Codec::Eac3 => ac3::read_setup(&self.setup, self.codec == Codec::Eac3)
                .map(|(rate, channels)| (rate.unwrap_or(*sample_rate), channels, 1536)),
            Codec::Opus => OpusConfig::parse(&self.setup).map(|config| (48_000, config.channels.into(), 0)),
            Codec::Flac => flac::StreamInfo::parse_dfla(&self.setup)
                .map(|info| (info.sample_rate, info.channels, info.block)),
            _ => Some((*sample_rate, *channels, mp3::samples(*sample_rate))),
        };
        (*sample_rate, *channels, *packet) = told.ok_or_else(|| {
            malformed(format!(
                "{} decoder configuration of {} bytes breaks off",
                self.codec,
                self.setup.len()
            ))
        })?;
        Ok(())
    }

    fn h264_sps(&self) -> Option<h264::Sps> {
        let config = AvcConfig::parse(&self.setup).ok()?;
        h264::Sps::parse(config.sps.first()?).ok()
    }

    fn hevc_sps(&self) -> Option<hevc::Sps> {
        let config = HevcConfig::parse(&self.setup).ok()?;
        hevc::Sps::parse(config.sps.first()?).ok()
    }

    fn av1_header(&self) -> Option<SequenceHeader> {
        let obu = av1::obus(self.setup.get(4..)?)
            .flatten()
            .find(|obu| obu.kind == av1::OBU_SEQUENCE_HEADER)?;
        SequenceHeader::parse(obu.payload).ok()
    }
}

/// `hvc1.1.6.L93.B0` (ISO/IEC 14496-15, E.3).
fn hevc_string(setup: &[u8]) -> Option<String> {
    let head = setup.get(..13)?;
    let space = ["", "A", "B", "C"][usize::from(head[1] >> 6)];
    let compatibility = u32::from_be_bytes([head[2], head[3], head[4], head[5]]).reverse_bits();
    let tier = if head[1] & 0x20 != 0 { 'H' } else { 'L' };
    let mut text = format!(
        "hvc1.{space}{}.{compatibility:X}.{tier}{}",
        head[1] & 31,
        head[12]
    );
    let constraints = &head[6..12];
    let used = constraints
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        text.push_str(&format!(".{byte:X}"));
    }
    Some(text)
}

/// `av01.0.04M.08` (AV1 in ISO-BMFF, 5).
fn av1_string(setup: &[u8]) -> Option<String> {
    let head = setup.get(..3)?;
    let tier = if head[2] & 0x80 != 0 { 'H' } else { 'M' };
    let depth = match (head[2] & 0x40 != 0, head[2] & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    Some(format!(
        "av01.{}.{:02}{tier}.{depth:02}",
        head[1] >> 5,
        head[1] & 31
    ))
}
