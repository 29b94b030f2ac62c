//! A live input: where it is, how it is opened, and what it gives.

mod egress;
mod hls;
mod http;
pub(crate) mod libav;
mod open;
mod progressive;
mod streaming;
mod tls;
mod url;

use std::time::Duration;

use bytes::Bytes;

use crate::clock::WallTime;
use crate::codec::{Kind, Language, Rotation};
use crate::error::{Error, ErrorKind, Result};
use crate::time::{Ticks, TimeBase};
pub use av::Interrupt;
pub use egress::{Egress, Network};
pub use hls::Start as HlsStart;
pub use http::{Post, Posted, post};
pub use open::{Options, RtspTransport, opener};
pub use url::{MAX_URL_BYTES, Scheme, SourceUrl};

/// Opens one connection to a source.
///
/// The real ones are made by [`open`](crate::source); tests give a script instead.
pub trait Opener: Send {
    /// Connects and reads as far as the first description of the tracks; blocks until then, until the `interrupt`
    /// fires (`Cancelled`, or `TimedOut` when its deadline has passed), or until it fails.
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Input>>;
}

/// One connection to a source: a list of tracks that may grow, and events in the order of arrival.
pub trait Input: Send {
    /// The tracks seen so far. The list only grows; a track's index never changes and its description stays.
    fn tracks(&self) -> &[TrackInfo];

    /// Blocks for the next event. After [`InputEvent::End`] or an error nothing more comes.
    ///
    /// Answers within 200 ms once the interrupt given at opening fires: `Cancelled`, or `TimedOut` for its deadline.
    fn read(&mut self) -> Result<InputEvent>;

    /// How long [`Input::read`] may block although the source is well: a watchdog that fires earlier is wrong. Segmented
    /// sources give nothing between two segments; everything else gives a packet many times per second.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// What a connection gives.
#[derive(Clone, Debug)]
pub enum InputEvent {
    /// One compressed unit.
    Packet(Packet),
    /// The source itself tells that media is missing here.
    Gap(Loss),
    /// So many packets did not come through the network.
    Lost(u64),
    /// The source itself tells that timestamps or codecs may change here (`EXT-X-DISCONTINUITY`).
    Discontinuity,
    /// The source tells which wall-clock time its next packet has (`EXT-X-PROGRAM-DATE-TIME`).
    Wall(WallTime),
    /// A track exists but can't be read, with the reason.
    Unusable {
        /// Index in [`Input::tracks`].
        track: usize,
        /// Why, in words.
        reason: String,
    },
    /// The source ended. `complete` when it says that this was all (`EXT-X-ENDLIST`, the last byte of a file), false when
    /// the connection just closed.
    End {
        /// Whether the source says that this was all.
        complete: bool,
    },
}

/// Media that the source lost before it reached us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Loss {
    /// How long, where the source tells.
    pub length: Option<Duration>,
    /// Why, in words: `segment 42: HTTP status 404`.
    pub cause: String,
}

/// A track as its source describes it; what is unknown is zero or empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackInfo {
    /// Video, audio, or `None` for anything else (subtitles, data).
    pub kind: Option<Kind>,
    /// The codec by libav's name: `h264`, `pcm_mulaw`, `adpcm_g726`.
    pub codec: String,
    /// Seconds per tick of this track's timestamps.
    pub time_base: TimeBase,
    /// Timestamps wrap after 2 to this power of ticks (33 for MPEG-TS); 0 when they don't.
    pub wrap_bits: u32,
    /// Decoder configuration in the source's form: Annex B or `avcC`, ASC, …; may be empty.
    pub extradata: Bytes,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second as numerator and denominator; (0, 0) when unknown.
    pub frame_rate: (u32, u32),
    /// Width to height of one pixel; (0, 0) when unknown.
    pub pixel_aspect: (u32, u32),
    /// Hertz.
    pub sample_rate: u32,
    /// Loudspeakers.
    pub channels: u32,
    /// Bits per coded sample (G.726 needs it).
    pub bits_per_sample: u32,
    /// Bytes per audio block of constant-rate codecs.
    pub block_align: u32,
    /// Bits per second as declared.
    pub bit_rate: u64,
    /// Spoken language.
    pub language: Language,
    /// How to turn the picture.
    pub rotation: Rotation,
}

/// One compressed unit from a demuxer, in the source's form and time base.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Index in [`Input::tracks`].
    pub track: usize,
    /// When to show it.
    pub pts: Option<Ticks>,
    /// When to decode it.
    pub dts: Option<Ticks>,
    /// How long it lasts; zero when unknown.
    pub duration: Ticks,
    /// Whether decoding can start here, as the demuxer says.
    pub sync: bool,
    /// The demuxer saw that it is damaged.
    pub corrupt: bool,
    /// The unit's bytes.
    pub data: Bytes,
    /// A new decoder configuration in the source's form, in force from this packet on.
    pub extradata: Option<Bytes>,
}

/// The error of a blocking call whose interrupt fired: `Cancelled` for a stop, `TimedOut` for the deadline.
pub(crate) fn stopped(interrupt: &Interrupt, what: impl FnOnce() -> String) -> Result<()> {
    if interrupt.is_cancelled() {
        return Err(Error::new(ErrorKind::Cancelled, format!("{}: stopped", what())));
    }
    if interrupt.is_late() {
        return Err(Error::new(
            ErrorKind::TimedOut,
            format!("{}: no answer in time", what()),
        ));
    }
    Ok(())
}
