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
/// libav is not asked to find out what the streams are: it would open decoders and hold packets back for seconds, and
/// everything that it would learn is in the packets, which the recorder reads anyway.
pub(crate) struct LibavInput {
    input: av::Input,
    tracks: Vec<TrackInfo>,
    streams: Vec<Stream>,
    /// Whether the end of the input is the end of the media: a file, not a connection.
    complete: Box<dyn Fn() -> bool + Send>,
    /// An error of the reader below libav, which says more than libav does.
    failure: Box<dyn Fn() -> Option<Error> + Send>,
    /// The packet before which some were lost.
    behind: Option<Packet>,
    done: bool,
}

/// One of libav's streams.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Its index among the tracks; `None` as long as libav doesn't know its codec.
    track: Option<usize>,
    /// A packet of it was read.
    begun: bool,
}

impl LibavInput {
    /// Takes an opened input. `complete` is asked at the end.
    pub(crate) fn new(input: av::Input, complete: impl Fn() -> bool + Send + 'static) -> Self {
        let mut this = Self {
            input,
            tracks: Vec::new(),
            streams: Vec::new(),
            complete: Box::new(complete),
            failure: Box::new(|| None),
            behind: None,
            done: false,
        };
        this.look();
        this
    }

    /// The same, with a look at why the reader below failed.
    #[must_use]
    pub(crate) fn explained_by(mut self, failure: impl Fn() -> Option<Error> + Send + 'static) -> Self {
        self.failure = Box::new(failure);
        self
    }

    /// The length, where the container has told it by now.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.input.duration()
    }

    /// Takes streams that libav has found by now.
    fn look(&mut self) {
        for index in self.streams.len()..self.input.stream_count() {
            let track = self
                .input
                .stream(index)
                .filter(is_known)
                .map(|stream| self.add(&stream));
            self.streams.push(Stream { track, begun: false });
        }
    }

    fn add(&mut self, stream: &av::StreamInfo) -> usize {
        self.tracks.push(track(stream));
        self.tracks.len() - 1
    }

    /// A packet of the stream `index`; `None` when there is no such stream.
    fn take(&mut self, unit: av::Packet) -> Option<Packet> {
        let index = unit.stream();
        let Stream { track, begun } = *self.streams.get(index)?;
        if begun && let Some(track) = track {
            return Some(packet(unit, track));
        }
        // FLV and MPEG-TS tell of a stream before they tell what is in it.
        let now = self.input.stream(index)?;
        let track = track.unwrap_or_else(|| self.add(&now));
        self.streams[index] = Stream {
            track: Some(track),
            begun: true,
        };
        let mut first = packet(unit, track);
        if first.extradata.is_none()
            && !now.extradata.is_empty()
            && now.extradata != self.tracks[track].extradata
        {
            first.extradata = Some(now.extradata);
        }
        Some(first)
    }
}

/// Whether libav knows what is in a stream.
fn is_known(stream: &av::StreamInfo) -> bool {
    !stream.codec.is_empty() && stream.codec != "none" && stream.codec != "unknown_codec"
}

impl Input for LibavInput {
    fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    fn read(&mut self) -> Result<InputEvent> {
        if let Some(packet) = self.behind.take() {
            return Ok(InputEvent::Packet(packet));
        }
        while !self.done {
            let read = self.input.read();
            self.look();
            match read {
                Ok(Some(unit)) => {
                    let packet = self.take(unit);
                    let lost = self.input.take_lost();
                    if lost > 0 {
                        self.behind = packet;
                        return Ok(InputEvent::Lost(lost));
                    }
                    if let Some(packet) = packet {
                        return Ok(InputEvent::Packet(packet));
                    }
                }
                Ok(None) => self.done = true,
                Err(cause) => {
                    self.done = true;
                    return Err((self.failure)().unwrap_or_else(|| error(cause)));
                }
            }
        }
        Ok(InputEvent::End {
            complete: (self.complete)(),
        })
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
