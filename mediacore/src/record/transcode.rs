//! Audio that MP4 or browsers don't take, made into AAC while it is recorded.

use std::fmt;

use bytes::Bytes;

use crate::codec::{Codec, Media, Rotation, Track};
use crate::error::Result;
use crate::source::TrackInfo;
use crate::time::{Ticks, Timescale};

/// One AAC packet with its place on the timeline.
#[derive(Debug)]
pub(crate) struct Coded {
    /// In ticks of the AAC track.
    pub(crate) at: Ticks,
    pub(crate) duration: Ticks,
    pub(crate) data: Bytes,
}

/// A decoder and an AAC encoder for one track, with times that only grow.
pub(crate) struct Transcode {
    inner: av::Transcoder,
    track: Track,
    codec: String,
    input: Timescale,
    bytes_per_sample: Option<u32>,
    /// The last packet, whose duration the next one settles.
    held: Option<Coded>,
    failed: bool,
}

impl fmt::Debug for Transcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcode")
            .field("codec", &self.codec)
            .field("track", &self.track)
            .finish_non_exhaustive()
    }
}

impl Transcode {
    pub(crate) fn new(info: &TrackInfo) -> Result<Self> {
        let rate = if info.sample_rate == 0 {
            8_000
        } else {
            info.sample_rate
        };
        let from = av::AudioParameters {
            codec: info.codec.clone(),
            extradata: info.extradata.clone(),
            sample_rate: rate,
            channels: info.channels.max(1),
            bits_per_sample: info.bits_per_sample,
            block_align: info.block_align,
        };
        let to = av::TargetAudio {
            codec: "aac".to_owned(),
            bit_rate: Some(bit_rate(rate, info.channels.max(1))),
            sample_rate: None,
            channels: None,
        };
        let failed =
            |error| crate::source::libav::error(error).context(format!("audio codec {}", info.codec));
        let inner = av::Transcoder::new(&from, &to).map_err(failed)?;
        let track = Track {
            codec: Codec::Aac,
            setup: inner.extradata(),
            media: Media::Audio {
                sample_rate: inner.sample_rate(),
                channels: inner.channels(),
                packet: inner.frame_size(),
            },
            language: info.language,
            rotation: Rotation::None,
        };
        Ok(Self {
            inner,
            track,
            codec: info.codec.clone(),
            input: Timescale::new(rate).unwrap_or(Timescale::MPEG),
            bytes_per_sample: bytes_per_sample(&info.codec).map(|bytes| bytes * info.channels.max(1)),
            held: None,
            failed: false,
        })
    }

    /// What comes out.
    pub(crate) fn track(&self) -> &Track {
        &self.track
    }

    /// Ticks of the times that go in.
    pub(crate) fn input_timescale(&self) -> Timescale {
        self.input
    }

    /// Samples in a packet that goes in, where its size tells.
    pub(crate) fn input_length(&self, data: &[u8]) -> Option<u32> {
        let samples = u32::try_from(data.len()).ok()? / self.bytes_per_sample?;
        (samples > 0).then_some(samples)
    }

    /// Takes a packet that belongs at `at`, in ticks of [`Transcode::input_timescale`].
    pub(crate) fn push(&mut self, at: Ticks, data: &[u8]) -> Vec<Coded> {
        let coded = self.inner.push(data, Some(at.0));
        self.settle(coded)
    }

    /// What is still inside. The transcoder gives nothing after this.
    pub(crate) fn finish(&mut self) -> Vec<Coded> {
        let coded = self.inner.flush();
        let mut settled = self.settle(coded);
        settled.extend(self.held.take());
        settled
    }

    fn settle(&mut self, coded: Result<Vec<av::EncodedPacket>, av::Error>) -> Vec<Coded> {
        let packets = match coded {
            Ok(packets) => packets,
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    tracing::warn!(codec = self.codec, %error, "audio can't be transcoded here");
                }
                return Vec::new();
            }
        };
        let mut settled = Vec::new();
        for packet in packets {
            // The encoder's own samples before the first one are left out with the packet that holds them.
            if packet.data.is_empty() || packet.pts < 0 {
                continue;
            }
            let next = Coded {
                at: Ticks(packet.pts),
                duration: Ticks(packet.duration.max(1)),
                data: packet.data,
            };
            match &mut self.held {
                Some(held) if next.at > held.at => {
                    held.duration = next.at.saturating_sub(held.at);
                    settled.extend(self.held.replace(next));
                }
                Some(_) => {}
                None => self.held = Some(next),
            }
        }
        settled
    }
}

/// Bytes of one sample of one channel, for codecs of constant rate.
fn bytes_per_sample(codec: &str) -> Option<u32> {
    Some(match codec {
        "pcm_mulaw" | "pcm_alaw" | "pcm_u8" | "pcm_s8" => 1,
        "pcm_s16le" | "pcm_s16be" => 2,
        "pcm_s24le" | "pcm_s24be" => 3,
        "pcm_s32le" | "pcm_s32be" | "pcm_f32le" | "pcm_f32be" => 4,
        _ => return None,
    })
}

/// Bits per second at which AAC sounds no worse than what goes in.
fn bit_rate(rate: u32, channels: u32) -> u32 {
    let each = match rate {
        0..=12_000 => 32_000,
        12_001..=24_000 => 48_000,
        _ => 80_000,
    };
    each * channels.min(8)
}
