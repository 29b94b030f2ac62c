//! From the form in which a source carries a codec to the form in which MP4 does.

mod aac;
mod frame;
mod nal;
mod sound;

use std::fmt;

use bytes::Bytes;

use super::{Codec, Media, Track, unsupported};
use crate::error::Result;
use crate::source::TrackInfo;

/// Turns one track's packets into MP4 samples and keeps the track's description up to date.
///
/// Pure: no I/O, no clock. Packets that are in MP4's form already (length-prefixed NAL units, raw AAC) are handed on
/// without a copy. After an error the normalizer stays usable: the error concerns that packet only.
#[derive(Debug)]
pub struct Normalizer {
    codec: Codec,
    template: TrackInfo,
    stream: Box<dyn Stream>,
    track: Option<Track>,
}

/// One MP4 sample.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
    /// Its bytes.
    pub data: Bytes,
    /// Whether decoding can start here, as the bitstream itself says; `None` to trust the demuxer: for pictures behind
    /// an H.264 recovery point (open GOPs, intra refresh), and for all sound.
    pub sync: Option<bool>,
    /// Its length in ticks of [`Track::timescale`], as the bitstream says; always `None` for video.
    pub duration: Option<u32>,
    /// What is different from this unit on; [`Normalizer::track`] tells the new description already.
    pub changed: Option<Change>,
}

/// How a track's description changed in mid-stream.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Change {
    /// Other parameter sets for the same picture. The same sample entry goes on to serve: from here on the samples carry
    /// the sets in band.
    Parameters,
    /// Another resolution, chroma format or bit depth: the caller starts a new part.
    Picture,
    /// Another sample rate, channel count or AAC object type: the caller starts a new part.
    Sound,
}

/// The MP4 samples of one packet: usually one; none while the track is not known yet, and for a packet of H.264 or HEVC without a
/// picture; several where a packet holds several frames, which then follow each other without gaps.
#[derive(Debug, Default)]
pub struct Units {
    first: Option<Unit>,
    rest: std::vec::IntoIter<Unit>,
}

impl Units {
    fn one(unit: Unit) -> Self {
        Self {
            first: Some(unit),
            rest: Vec::new().into_iter(),
        }
    }

    fn many(units: Vec<Unit>) -> Self {
        Self {
            first: None,
            rest: units.into_iter(),
        }
    }

    /// The strongest change among the units.
    fn changed(&self) -> bool {
        self.first
            .iter()
            .chain(self.rest.as_slice())
            .any(|unit| unit.changed.is_some())
    }
}

impl Iterator for Units {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        self.first.take().or_else(|| self.rest.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::from(self.first.is_some()) + self.rest.len();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Units {}

impl Normalizer {
    /// For the packets of `info`.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a codec that MP4 doesn't take as it is, `Malformed` for a decoder configuration without which
    /// the packets can't be read.
    pub fn new(info: &TrackInfo) -> Result<Self> {
        let codec = Codec::from_name(&info.codec)
            .ok_or_else(|| unsupported(format!("codec {:?} can't be kept in MP4 as it is", info.codec)))?;
        let stream: Box<dyn Stream> = match codec {
            Codec::H264 => Box::new(nal::NalStream::new(nal::Family::H264, &info.extradata)?),
            Codec::Aac => Box::new(aac::AacStream::new(&info.extradata)?),
            Codec::Hevc => Box::new(nal::NalStream::new(nal::Family::Hevc, &info.extradata)?),
            Codec::Av1 => Box::new(frame::Av1Stream::new(&info.extradata)),
            Codec::Vp9 => Box::new(frame::Vp9Stream::new(told_rate(info))),
            Codec::Mp3 | Codec::Ac3 | Codec::Eac3 | Codec::Opus | Codec::Flac => {
                Box::new(sound::SoundStream::new(codec, &info.extradata, info.channels))
            }
        };
        let mut normalizer = Self {
            codec,
            template: info.clone(),
            stream,
            track: None,
        };
        normalizer.describe();
        Ok(normalizer)
    }

    /// The track as its sample entry describes it; `None` until its parameter sets were seen.
    pub const fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// How many pictures may come before one in decoding order and after it in output order; `None` when unknown.
    pub fn reorder(&self) -> Option<u32> {
        self.stream
            .description()
            .and_then(|description| description.reorder)
    }

    /// Frames per second, as the bitstream or else the source says.
    pub fn frame_rate(&self) -> Option<(u32, u32)> {
        let told = self
            .stream
            .description()
            .and_then(|description| description.frame_rate);
        told.or(told_rate(&self.template))
    }

    /// The samples of one packet; `extradata` is a new decoder configuration in the source's form that comes with it.
    ///
    /// # Errors
    ///
    /// `Malformed`, `LimitExceeded` or `Unsupported` when this packet can't become samples; later ones still may.
    pub fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units> {
        let units = self.stream.push(data, extradata)?;
        if self.track.is_none() || units.changed() {
            self.describe();
        }
        Ok(units)
    }

    fn describe(&mut self) {
        let Some(description) = self.stream.description() else {
            return;
        };
        let mut media = description.media;
        if let Media::Video { pixel_aspect, .. } = &mut media
            && (pixel_aspect.0 == 0 || pixel_aspect.1 == 0)
        {
            let told = self.template.pixel_aspect;
            *pixel_aspect = if told.0 > 0 && told.1 > 0 { told } else { (1, 1) };
        }
        self.track = Some(Track {
            codec: self.codec,
            setup: description.setup.clone(),
            media,
            language: self.template.language,
            rotation: self.template.rotation,
        });
    }
}

fn told_rate(info: &TrackInfo) -> Option<(u32, u32)> {
    (info.frame_rate.0 > 0 && info.frame_rate.1 > 0).then_some(info.frame_rate)
}

/// What a codec's bitstream tells about the track.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Description {
    /// As [`Track::setup`].
    setup: Bytes,
    /// With a pixel aspect of (0, 0) when the bitstream does not tell.
    media: Media,
    reorder: Option<u32>,
    frame_rate: Option<(u32, u32)>,
}

/// One codec's way to MP4.
trait Stream: fmt::Debug + Send {
    fn description(&self) -> Option<&Description>;
    fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units>;
}

#[cfg(test)]
mod tests;
