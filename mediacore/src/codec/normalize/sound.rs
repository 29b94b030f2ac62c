use bytes::Bytes;

use super::{Change, Description, Stream, Unit, Units};
use crate::codec::{Codec, Media, ac3, flac, malformed, mp3, opus};
use crate::error::Result;

/// Sound whose packets MP4 takes as they are: MP3, AC-3, E-AC-3, Opus, FLAC.
#[derive(Debug)]
pub(super) struct SoundStream {
    codec: Codec,
    known: Option<Description>,
}

impl SoundStream {
    pub(super) fn new(codec: Codec, extradata: &Bytes, channels: u32) -> Self {
        let setup = match codec {
            Codec::Opus => {
                let channels = if channels == 1 { 1 } else { 2 };
                Some(opus::to_dops(extradata).unwrap_or_else(|| opus::plain_dops(channels)))
            }
            Codec::Flac => flac::to_dfla(extradata),
            _ => None,
        };
        let known = setup.and_then(|setup| describe(codec, setup));
        Self { codec, known }
    }

    /// Samples in the packet, and what its header says of the track where the codec has such headers.
    fn read(&self, data: &[u8]) -> Option<(u32, Option<Description>)> {
        match self.codec {
            Codec::Mp3 => {
                let header = mp3::FrameHeader::parse(data)?;
                let media = sound(header.sample_rate, header.channels, header.samples());
                Some((header.samples(), Some(description(Bytes::new(), media))))
            }
            Codec::Ac3 | Codec::Eac3 => {
                let frame = match self.codec {
                    Codec::Ac3 => ac3::Frame::parse_ac3(data)?,
                    _ => ac3::Frame::parse_eac3(data)?,
                };
                let media = sound(frame.sample_rate, frame.channels, frame.samples);
                Some((frame.samples, Some(description(frame.setup.into(), media))))
            }
            Codec::Opus => Some((opus::packet_samples(data)?, None)),
            _ => Some((flac::frame_samples(data)?, None)),
        }
    }

    fn take(&mut self, found: Description) -> Option<Change> {
        let before = self.known.as_ref().map(|known| known.media);
        let differs = match (before, found.media) {
            (
                Some(Media::Audio {
                    sample_rate,
                    channels,
                    ..
                }),
                Media::Audio {
                    sample_rate: new_rate,
                    channels: new_channels,
                    ..
                },
            ) => (sample_rate, channels) != (new_rate, new_channels),
            _ => true,
        };
        if !differs {
            return None;
        }
        self.known = Some(found);
        before.map(|_| Change::Sound)
    }
}

impl Stream for SoundStream {
    fn description(&self) -> Option<&Description> {
        self.known.as_ref()
    }

    fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units> {
        let mut changed = None;
        let aside = extradata.and_then(|extradata| match self.codec {
            Codec::Opus => opus::to_dops(&extradata),
            Codec::Flac => flac::to_dfla(&extradata),
            _ => None,
        });
        if let Some(found) = aside.and_then(|setup| describe(self.codec, setup)) {
            changed = self.take(found);
        }
        let (samples, found) = self.read(&data).ok_or_else(|| {
            malformed(format!(
                "{} packet of {} bytes does not begin with a frame",
                self.codec,
                data.len()
            ))
        })?;
        if let Some(found) = found {
            changed = self.take(found);
        }
        if self.known.is_none() {
            return Ok(Units::default());
        }
        Ok(Units::one(Unit {
            data,
            sync: None,
            duration: Some(samples),
            changed,
        }))
    }
}

fn describe(codec: Codec, setup: Bytes) -> Option<Description> {
    let media = match codec {
        Codec::Opus => sound(48_000, opus::OpusConfig::parse(&setup)?.channels.into(), 0),
        _ => {
            let info = flac::StreamInfo::parse_dfla(&setup)?;
            sound(info.sample_rate, info.channels, info.block)
        }
    };
    Some(description(setup, media))
}

const fn sound(sample_rate: u32, channels: u32, packet: u32) -> Media {
    Media::Audio {
        sample_rate,
        channels,
        packet,
    }
}

const fn description(setup: Bytes, media: Media) -> Description {
    Description {
        setup,
        media,
        reorder: None,
        frame_rate: None,
    }
}
