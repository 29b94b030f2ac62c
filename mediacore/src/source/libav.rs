//! libav's streams, packets and errors in our words, and inputs that libav reads by itself.

use std::time::Duration;

use crate::codec::{Kind, Language, Rotation};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Input, InputEvent, Packet, TrackInfo};
use crate::time::{Ticks, TimeBase};

/// How much media may be looked at to learn what the tracks are; what is looked at is not lost.
pub(crate) const PROBE_LENGTH: Duration = Duration::from_secs(5);

/// An input that libav demuxes alone: RTMP, RTSP, a local file, a progressive body.
///
/// Its tracks are libav's streams, one to one and in libav's order.
pub(crate) struct LibavInput {
    input: av::Input,
    tracks: Vec<TrackInfo>,
    /// Whether the end of the input is the end of the media: a file, not a connection.
    complete: Box<dyn Fn() -> bool + Send>,
    /// An error of the reader below libav, which says more than libav does.
    failure: Box<dyn Fn() -> Option<Error> + Send>,
    done: bool,
}

impl LibavInput {
    /// Looks at the start of `input` to describe its tracks. `complete` is asked at the end.
    pub(crate) fn new(mut input: av::Input, complete: impl Fn() -> bool + Send + 'static) -> Result<Self> {
        input.find_stream_info(PROBE_LENGTH).map_err(error)?;
        let tracks = input.streams().iter().map(track).collect();
        Ok(Self {
            input,
            tracks,
            complete: Box::new(complete),
            failure: Box::new(|| None),
            done: false,
        })
    }

    /// The same, with a look at why the reader below failed.
    #[must_use]
    pub(crate) fn explained_by(mut self, failure: impl Fn() -> Option<Error> + Send + 'static) -> Self {
        self.failure = Box::new(failure);
        self
    }
}

impl Input for LibavInput {
    fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    fn read(&mut self) -> Result<InputEvent> {
        if self.done {
            return Ok(InputEvent::End {
                complete: (self.complete)(),
            });
        }
        loop {
            let read = self.input.read();
            for index in self.tracks.len()..self.input.stream_count() {
                self.tracks.extend(self.input.stream(index).as_ref().map(track));
            }
            match read {
                Ok(Some(unit)) if unit.stream() < self.tracks.len() => {
                    let track = unit.stream();
                    return Ok(InputEvent::Packet(packet(unit, track)));
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.done = true;
                    return Ok(InputEvent::End {
                        complete: (self.complete)(),
                    });
                }
                Err(cause) => {
                    self.done = true;
                    return Err((self.failure)().unwrap_or_else(|| error(cause)));
                }
            }
        }
    }
}

/// A stream as a track.
pub(crate) fn track(stream: &av::StreamInfo) -> TrackInfo {
    let (num, den) = stream.time_base;
    TrackInfo {
        kind: match stream.kind {
            av::StreamKind::Video => Some(Kind::Video),
            av::StreamKind::Audio => Some(Kind::Audio),
            av::StreamKind::Other => None,
        },
        codec: stream.codec.clone(),
        time_base: TimeBase::new(num.into(), den.into()).unwrap_or(TimeBase::MPEG),
        wrap_bits: stream.wrap_bits,
        extradata: stream.extradata.clone(),
        width: stream.width,
        height: stream.height,
        frame_rate: ratio(stream.frame_rate),
        pixel_aspect: ratio(stream.pixel_aspect),
        sample_rate: stream.sample_rate,
        channels: stream.channels,
        bits_per_sample: stream.bits_per_sample,
        block_align: stream.block_align,
        bit_rate: u64::try_from(stream.bit_rate).unwrap_or(0),
        language: stream.language.as_deref().map(Language::new).unwrap_or_default(),
        rotation: match stream.rotation {
            90 => Rotation::Clockwise90,
            180 => Rotation::Half,
            270 => Rotation::Clockwise270,
            _ => Rotation::None,
        },
    }
}

/// A packet of the track with this index.
pub(crate) fn packet(unit: av::Packet, track: usize) -> Packet {
    Packet {
        track,
        pts: unit.pts().map(Ticks),
        dts: unit.dts().map(Ticks),
        duration: Ticks(unit.duration().max(0)),
        sync: unit.is_key(),
        corrupt: unit.is_corrupt(),
        extradata: unit.new_extradata(),
        data: unit.into_bytes(),
    }
}

/// libav's error with our kind.
pub(crate) fn error(cause: av::Error) -> Error {
    let kind = match cause.kind {
        av::ErrorKind::Cancelled => ErrorKind::Cancelled,
        av::ErrorKind::TimedOut => ErrorKind::TimedOut,
        av::ErrorKind::Unreachable => ErrorKind::Unreachable,
        av::ErrorKind::Refused => ErrorKind::Refused,
        av::ErrorKind::NotFound => ErrorKind::NotFound,
        av::ErrorKind::Malformed => ErrorKind::Malformed,
        av::ErrorKind::Unsupported => ErrorKind::Unsupported,
        av::ErrorKind::LimitExceeded => ErrorKind::LimitExceeded,
        av::ErrorKind::Io => ErrorKind::Storage,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, cause.message)
}

fn ratio((num, den): (i32, i32)) -> (u32, u32) {
    match (u32::try_from(num), u32::try_from(den)) {
        (Ok(num), Ok(den)) if num > 0 && den > 0 => (num, den),
        _ => (0, 0),
    }
}
