//! What a [`Track`]'s decoder configuration tells: its RFC 6381 string, colours and dimensions.

use super::aac::AudioConfig;
use super::h264::{AvcConfig, Sps};
use super::{Codec, Colour, Media, Track};
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
            Codec::Hevc | Codec::Av1 | Codec::Vp9 => String::new(),
        }
    }

    /// The colours that the decoder configuration tells.
    pub fn colour(&self) -> Option<Colour> {
        match self.codec {
            Codec::H264 => self.h264_sps()?.colour,
            _ => None,
        }
    }

    /// The pixel's shape that the decoder configuration tells.
    pub(crate) fn coded_aspect(&self) -> Option<(u32, u32)> {
        match self.codec {
            Codec::H264 => self.h264_sps()?.pixel_aspect,
            _ => None,
        }
    }

    /// Whether a video track's decoder configuration can be read.
    pub(crate) fn check_setup(&self) -> Result<()> {
        match self.codec {
            Codec::H264 => AvcConfig::parse(&self.setup).map(drop),
            _ => Ok(()),
        }
    }

    /// Puts what a sound's decoder configuration tells into [`Track::media`].
    pub(crate) fn fill_from_setup(&mut self) -> Result<()> {
        if self.codec == Codec::Aac {
            let config = AudioConfig::parse(&self.setup)?;
            self.media = Media::Audio {
                sample_rate: config.sample_rate,
                channels: config.channels,
                packet: config.packet,
            };
        }
        Ok(())
    }

    fn h264_sps(&self) -> Option<Sps> {
        let config = AvcConfig::parse(&self.setup).ok()?;
        Sps::parse(config.sps.first()?).ok()
    }
}
