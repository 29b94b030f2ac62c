//! [`Title`]: an MP4 file opened for playback, its tracks described once and looked up often.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Codec, Kind, Language, Media, Track};
use crate::error::{ErrorKind, Result};
use crate::layout::{Source, Wait};
use crate::mp4::boxes::FourCc;
use crate::mp4::{ReadAt, SampleIndex, TrackIndex, sample_entry};
use crate::time::{Millis, Ticks, TimeBase, Timescale};

/// Samples whose sizes stand for the whole track when its bit rate is estimated.
const RATE_SAMPLES: u32 = 100_000;

/// Sync samples whose sizes stand for all of them.
const RATE_SYNCS: u32 = 1_000;

/// Changes of the sample duration that are looked at for the frame rate.
const RATE_CHANGES: u32 = 20;

/// An MP4 file opened for playback.
pub struct Title {
    source: Arc<dyn Source>,
    index: SampleIndex,
    tracks: Vec<TitleTrack>,
}

/// One video or audio track of a title.
#[derive(Clone, Debug)]
pub struct TitleTrack {
    /// Its place in [`SampleIndex::tracks`].
    pub place: usize,
    /// What its sample entry says.
    pub track: Track,
    /// The sample entry's type.
    pub entry_kind: FourCc,
    /// The sample entry, whole.
    pub entry: Bytes,
    /// Ticks per second of its samples' times.
    pub timescale: Timescale,
    /// How long it is by its header.
    pub duration: Millis,
    /// Bits per second: what the `esds` says for AAC, else the bytes of the samples by the duration.
    pub bitrate: u64,
    /// Bits per second of the sync samples alone; `None` where every sample is one.
    pub key_bitrate: Option<u64>,
    /// The shortest time from one sample to the next, in 90 kHz; zero when it has none.
    pub frame_duration: u64,
    /// Where the first sample's DTS is by the edit list (an empty edit delays it), in the track's ticks.
    pub delay: Ticks,
    /// The first sample's composition offset, in the track's ticks.
    pub first_composition: i32,
    /// What is added to every composition offset so that none is negative.
    pub bias: i32,
}

impl TitleTrack {
    /// Video or audio.
    pub const fn kind(&self) -> Kind {
        self.track.kind()
    }

    /// The codec.
    pub const fn codec(&self) -> Codec {
        self.track.codec
    }

    /// The language, when it says one.
    pub fn language(&self) -> Option<Language> {
        Some(self.track.language).filter(|language| *language != Language::UNDETERMINED)
    }

    /// Width and height in pixels; zero for audio.
    pub const fn size(&self) -> (u32, u32) {
        match self.track.media {
            Media::Video { width, height, .. } => (width, height),
            Media::Audio { .. } => (0, 0),
        }
    }

    /// Loudspeakers; zero for video.
    pub const fn channels(&self) -> u32 {
        match self.track.media {
            Media::Video { .. } => 0,
            Media::Audio { channels, .. } => channels,
        }
    }
}

impl Title {
    /// Reads the tables of `source`, waiting for the disk.
    ///
    /// Tracks of codecs that we don't know, and those that are neither video nor audio, are left out.
    ///
    /// # Errors
    /// Those of [`SampleIndex::open`]; `Malformed` also when a video or audio track's sample entry breaks off.
    pub fn open(source: Arc<dyn Source>) -> Result<Self> {
        let index = SampleIndex::open_declared(&Blocking(&*source), source.length())?;
        let mut tracks = Vec::new();
        for (place, track) in index.tracks().iter().enumerate() {
            match describe(place, track, &index) {
                Ok(Some(track)) => tracks.push(track),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                Err(error) => return Err(error.context(format!("track {}", track.id()))),
            }
        }
        Ok(Self {
            source,
            index,
            tracks,
        })
    }

    /// The file.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Its samples.
    pub fn index(&self) -> &SampleIndex {
        &self.index
    }

    /// The video and audio tracks that we know, in the file's order.
    pub fn tracks(&self) -> &[TitleTrack] {
        &self.tracks
    }

    /// The samples of `track`, one of [`Title::tracks`].
    pub fn samples(&self, track: &TitleTrack) -> Option<&TrackIndex> {
        self.index.tracks().get(track.place)
    }

    /// Bytes on the heap.
    pub fn heap_size(&self) -> usize {
        let entries: usize = self
            .tracks
            .iter()
            .map(|track| track.entry.len() + track.track.setup.len())
            .sum();
        self.index.heap_size() + self.tracks.capacity() * size_of::<TitleTrack>() + entries
    }
}

impl fmt::Debug for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracks = self.tracks.iter().map(TitleTrack::codec);
        f.debug_list().entries(tracks).finish()
    }
}

fn describe(place: usize, index: &TrackIndex, whole: &SampleIndex) -> Result<Option<TitleTrack>> {
    let Some(kind) = index.kind() else { return Ok(None) };
    let used = index.sample(0).map_or(0, |sample| sample.entry);
    let Some(entry) = usize::try_from(used).ok().and_then(|at| index.entries().get(at)) else {
        return Ok(None);
    };
    let mut track = sample_entry::parse(&entry.data)?;
    if track.kind() != kind {
        return Ok(None);
    }
    track.language = index.language();
    track.rotation = index.rotation();
    let ticks = match index.declared_duration() {
        // Some writers of the brand `mp42` leave the header's duration wrong; fragmented files leave it zero.
        Ticks(0) => index.duration(),
        _ if whole.brand() == FourCc(*b"mp42") => index.duration(),
        declared => declared,
    };
    let timescale = index.timescale();
    let bitrate = match sample_entry::average_bitrate(&entry.data).filter(|rate| *rate > 0) {
        Some(rate) if track.codec == Codec::Aac => u64::from(rate),
        _ => per_second(
            index.lead_bytes(RATE_SAMPLES),
            index.sample_count(),
            RATE_SAMPLES,
            timescale,
            ticks,
        ),
    };
    Ok(Some(TitleTrack {
        place,
        entry_kind: entry.kind,
        entry: entry.data.clone(),
        timescale,
        duration: millis(ticks, timescale),
        bitrate,
        key_bitrate: key_bitrate(index, timescale, ticks),
        frame_duration: frame_duration(index, timescale),
        delay: delay(index, whole.movie().timescale),
        first_composition: index.sample(0).map_or(0, |sample| sample.composition),
        bias: index.composition_range().0.min(0).saturating_neg(),
        track,
    }))
}

fn millis(ticks: Ticks, scale: Timescale) -> Millis {
    let ms = ticks.saturating_rescale(scale.base(), TimeBase::MILLIS).0;
    Millis(u64::try_from(ms).unwrap_or(0))
}

/// Bits per second of `bytes`, which are those of the first `sampled` of `samples` samples, over `ticks`.
fn per_second(bytes: u64, samples: u32, sampled: u32, scale: Timescale, ticks: Ticks) -> u64 {
    let Some(ticks) = u128::try_from(ticks.0).ok().filter(|ticks| *ticks > 0) else {
        return 0;
    };
    let mut bytes = u128::from(bytes);
    if samples > sampled {
        bytes = bytes * u128::from(samples) / u128::from(sampled);
    }
    u64::try_from(bytes * u128::from(scale.get()) * 8 / ticks).unwrap_or(u64::MAX)
}

fn key_bitrate(index: &TrackIndex, scale: Timescale, ticks: Ticks) -> Option<u64> {
    let count = index.sync_count()?;
    let syncs = index.sync_samples(RATE_SYNCS);
    let sampled = u64::try_from(syncs.len()).ok().filter(|count| *count > 0)?;
    let bytes: u64 = syncs
        .iter()
        .filter_map(|number| index.sample(*number))
        .map(|sample| u64::from(sample.size))
        .sum();
    let ticks = u128::try_from(ticks.0).ok().filter(|ticks| *ticks > 0)?;
    let bits = u128::from(bytes) * u128::from(count) * u128::from(scale.get()) * 8;
    u64::try_from(bits / (u128::from(sampled) * ticks)).ok()
}

fn frame_duration(index: &TrackIndex, scale: Timescale) -> u64 {
    let shortest = index
        .durations(RATE_CHANGES)
        .filter(|duration| duration.0 > 0)
        .min();
    let shortest = shortest.map_or(Ticks::ZERO, |ticks| {
        ticks.saturating_rescale(scale.base(), TimeBase::MPEG)
    });
    u64::try_from(shortest.0).unwrap_or(0)
}

/// Only the first two edits count: an empty one delays the track, and media that starts later takes that back.
fn delay(index: &TrackIndex, movie: Timescale) -> Ticks {
    let (empty, start) = match index.edits() {
        [first, second, ..] if first.media_time.is_none() => (first.duration, second.media_time),
        [first, ..] => (Ticks::ZERO, first.media_time),
        [] => return Ticks::ZERO,
    };
    let empty = empty.saturating_rescale(movie.base(), index.timescale().base());
    empty.saturating_sub(start.unwrap_or_default()).max(Ticks::ZERO)
}

/// A source as something to read from, waiting for the disk.
struct Blocking<'a>(&'a dyn Source);

impl ReadAt for Blocking<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.0.read(buf, offset, Wait::Yes)?.unwrap_or(0))
    }
}
