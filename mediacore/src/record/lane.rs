//! One output track of a recording: from a source's packets to samples whose times are settled elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Codec, Kind, Media, Normalizer, Track, Units};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Packet, TrackInfo};
use crate::time::{Ticks, TimeBase, Timescale};
use crate::timeline::{TrackId, TrackSpec};

use super::transcode::Transcode;

/// What to do about audio.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AudioPolicy {
    /// Copy what MP4 and browsers take, transcode the rest to AAC.
    #[default]
    Auto,
    /// Copy what MP4 takes, drop the rest.
    Copy,
    /// AAC always; AAC itself is copied.
    Aac,
    /// No audio.
    None,
}

/// A packet in MP4's form, its times still the source's.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) data: Bytes,
    pub(crate) pts: Option<Ticks>,
    pub(crate) dts: Option<Ticks>,
    pub(crate) duration: Ticks,
    pub(crate) sync: bool,
    /// Length by the bitstream, in ticks of the track.
    pub(crate) frame: Option<Ticks>,
}

/// One output track.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) kind: Kind,
    path: Path,
    /// The source's description on this connection.
    info: TrackInfo,
    /// A new connection's decoder configuration, handed over with the next packet.
    extradata: Option<Bytes>,
    /// Its place on the timeline, once it has one.
    timeline: Option<TrackId>,
    /// Ticks per second of that place.
    timescale: Timescale,
    /// `track_ID` in this part, and what the part's sample entry says.
    pub(crate) part: Option<(u32, Track)>,
    /// Payloads of packets that are on the timeline and have no place yet; `None` where one was dropped.
    waiting: VecDeque<Option<Bytes>>,
    first_token: u64,
}

#[derive(Debug)]
enum Path {
    Copy(Box<Normalizer>),
    Transcode(Box<Transcode>),
}

impl Lane {
    /// The track for a source's track, or why it can't be kept.
    pub(crate) fn new(info: &TrackInfo, audio: AudioPolicy) -> Result<Self> {
        let kind = info
            .kind
            .ok_or_else(|| unsupported(format!("{} is neither video nor audio", info.codec)))?;
        Ok(Self {
            kind,
            path: Path::new(info, kind, audio)?,
            info: info.clone(),
            extradata: None,
            timeline: None,
            timescale: Timescale::MPEG,
            part: None,
            waiting: VecDeque::new(),
            first_token: 0,
        })
    }

    /// The same output track on a new connection.
    pub(crate) fn connect(&mut self, info: &TrackInfo, audio: AudioPolicy) -> Result<()> {
        if info.codec == self.info.codec && same_sound(info, &self.info) {
            self.extradata = Some(info.extradata.clone()).filter(|data| !data.is_empty());
        } else {
            self.path = Path::new(info, self.kind, audio)?;
        }
        self.info = info.clone();
        Ok(())
    }

    /// What the final sample entry will say; `None` while parameter sets are missing.
    pub(crate) fn track(&self) -> Option<&Track> {
        match &self.path {
            Path::Copy(normalizer) => normalizer.track(),
            Path::Transcode(transcode) => Some(transcode.track()),
        }
    }

    /// Whether the track can go on under the sample entry of the part it is in.
    pub(crate) fn fits_part(&self) -> bool {
        match (&self.part, self.track()) {
            (Some((_, part)), Some(track)) => {
                let same_size = match (part.media, track.media) {
                    (
                        Media::Video { width, height, .. },
                        Media::Video {
                            width: w, height: h, ..
                        },
                    ) => (width, height) == (w, h),
                    (a, b) => a == b && part.setup == track.setup,
                };
                part.codec == track.codec && same_size
            }
            _ => true,
        }
    }

    pub(crate) fn is_transcoded(&self) -> bool {
        matches!(self.path, Path::Transcode(_))
    }

    /// Frames per second, where known.
    pub(crate) fn frame_rate(&self) -> Option<(u32, u32)> {
        match &self.path {
            Path::Copy(normalizer) => normalizer.frame_rate(),
            Path::Transcode(_) => None,
        }
    }

    /// Seconds per tick of the source's times.
    pub(crate) fn time_base(&self) -> TimeBase {
        self.info.time_base
    }

    /// The codec as the source names it.
    pub(crate) fn codec(&self) -> &str {
        &self.info.codec
    }

    /// Its place on the timeline; `None` when it has none, or one with other ticks than it needs now.
    pub(crate) fn timeline(&self) -> Option<TrackId> {
        self.timeline.filter(|_| self.timescale == self.spec().timescale)
    }

    /// Gives it a place on the timeline. What waited for the place before, if anything did, is given up.
    pub(crate) fn set_timeline(&mut self, track: TrackId) {
        self.timeline = Some(track);
        self.timescale = self.spec().timescale;
        self.waiting.clear();
        self.first_token = 0;
    }

    /// What the timeline must know. Transcoded audio is put on the timeline as it comes, before it is decoded.
    pub(crate) fn spec(&self) -> TrackSpec {
        let (timescale, frame, reorder) = match &self.path {
            Path::Copy(normalizer) => {
                let track = normalizer.track();
                let frame = match track.map(|track| track.media) {
                    Some(Media::Audio { packet, .. }) if packet > 0 => Some(Ticks(i64::from(packet))),
                    Some(Media::Video { .. }) => self.frame_length(),
                    _ => None,
                };
                (
                    track.map_or(Timescale::MPEG, Track::timescale),
                    frame,
                    normalizer.reorder(),
                )
            }
            Path::Transcode(transcode) => (transcode.input_timescale(), None, None),
        };
        TrackSpec {
            kind: self.kind,
            time_base: self.info.time_base,
            wrap_bits: self.info.wrap_bits,
            timescale,
            frame,
            reorder,
        }
    }

    fn frame_length(&self) -> Option<Ticks> {
        let (num, den) = self.frame_rate()?;
        let ticks = u64::from(Timescale::MPEG.get()) * u64::from(den) / u64::from(num).max(1);
        i64::try_from(ticks)
            .ok()
            .filter(|ticks| (1..=900_000).contains(ticks))
            .map(Ticks)
    }

    /// Whether a sample of the timeline's `track` is this lane's.
    pub(crate) fn owns(&self, track: TrackId) -> bool {
        self.timeline == Some(track)
    }

    /// A packet's samples in MP4's form; none while the track isn't known.
    pub(crate) fn prepare(&mut self, packet: Packet) -> Result<impl Iterator<Item = Prepared> + use<>> {
        let Packet {
            pts,
            dts,
            duration,
            sync,
            data,
            extradata,
            ..
        } = packet;
        let units = match &mut self.path {
            Path::Copy(normalizer) => {
                Either::Units(normalizer.push(data, extradata.or(self.extradata.take()))?)
            }
            Path::Transcode(transcode) => Either::Raw(transcode.input_length(&data), Some(data)),
        };
        let mut times = Some((pts, dts, duration));
        Ok(units.map(move |(data, bit_sync, frame)| {
            // The packet's times are its first sample's; the others follow without gaps.
            let (pts, dts, duration) = times.take().unwrap_or((None, None, Ticks::ZERO));
            let sync = bit_sync.unwrap_or(sync);
            Prepared {
                data,
                pts,
                dts,
                duration,
                sync,
                frame,
            }
        }))
    }

    /// Keeps a payload until its place is known.
    pub(crate) fn wait(&mut self, data: Bytes) {
        self.waiting.push_back(Some(data));
    }

    /// The payload of a packet that was pushed on the timeline, by its token.
    pub(crate) fn take_waiting(&mut self, token: u64) -> Option<Bytes> {
        let index = usize::try_from(token.checked_sub(self.first_token)?).ok()?;
        let data = self.waiting.get_mut(index)?.take();
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first_token += 1;
        }
        data
    }

    /// The decoder and encoder, where there are some.
    pub(crate) fn transcode(&mut self) -> Option<&mut Transcode> {
        match &mut self.path {
            Path::Copy(_) => None,
            Path::Transcode(transcode) => Some(transcode),
        }
    }

    /// When the sample is shown by the source's clock.
    pub(crate) fn source_time(&self, sample: &Prepared) -> Option<Duration> {
        let ticks = sample.pts.or(sample.dts)?;
        (ticks.0 >= 0).then(|| ticks.to_duration(self.info.time_base))
    }
}

impl Path {
    fn new(info: &TrackInfo, kind: Kind, audio: AudioPolicy) -> Result<Self> {
        let codec = Codec::from_name(&info.codec).filter(|codec| codec.kind() == kind);
        match (kind, codec, audio) {
            (Kind::Video, Some(_), _) => Ok(Self::Copy(Box::new(Normalizer::new(info)?))),
            (Kind::Video, None, _) => Err(unsupported(format!(
                "video codec {} can't be kept in MP4 as it is",
                info.codec
            ))),
            (Kind::Audio, _, AudioPolicy::None) => Err(unsupported("audio is not wanted")),
            (Kind::Audio, Some(Codec::Aac), _)
            | (Kind::Audio, Some(_), AudioPolicy::Auto | AudioPolicy::Copy) => {
                Ok(Self::Copy(Box::new(Normalizer::new(info)?)))
            }
            (Kind::Audio, None, AudioPolicy::Copy) => Err(unsupported(format!(
                "audio codec {} can't be kept in MP4 as it is",
                info.codec
            ))),
            (Kind::Audio, _, _) => Ok(Self::Transcode(Box::new(Transcode::new(info)?))),
        }
    }
}

/// What one packet became: `(data, sync by the bitstream, length by the bitstream)`.
enum Either {
    Units(Units),
    Raw(Option<u32>, Option<Bytes>),
}

impl Iterator for Either {
    type Item = (Bytes, Option<bool>, Option<Ticks>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Units(units) => {
                let unit = units.next()?;
                Some((
                    unit.data,
                    unit.sync,
                    unit.duration.map(|ticks| Ticks(i64::from(ticks))),
                ))
            }
            Self::Raw(length, data) => Some((
                data.take()?,
                Some(true),
                length.map(|ticks| Ticks(i64::from(ticks))),
            )),
        }
    }
}

fn same_sound(a: &TrackInfo, b: &TrackInfo) -> bool {
    Codec::from_name(&a.codec).is_some() || (a.sample_rate, a.channels) == (b.sample_rate, b.channels)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
