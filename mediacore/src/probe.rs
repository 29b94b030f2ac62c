//! What an input contains and how long it is.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clip::shown_end;
use crate::codec::{Kind, Language, Media, Normalizer, Rotation};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::boxes::{BoxHeader, FourCc};
use crate::mp4::{ReadAt, SampleIndex, TrackIndex, sample_entry};
use crate::remux::fast;
use crate::remux::open::{LOOK, Opened};
use crate::remux::tables::choose;
use crate::source::{InputEvent, Interrupt, Opener, TrackInfo, libav};
use crate::time::Ticks;

/// What an input contains.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// `mp4` or `mov`, else libav's name of the format; `live` for a source that was not a file.
    pub container: String,
    /// Length, where it is known.
    pub duration: Option<Duration>,
    /// Bytes, for files.
    pub size: Option<u64>,
    /// Bits per second over all, where that can be told.
    pub bit_rate: Option<u64>,
    /// The tracks in the order of the container.
    pub tracks: Vec<Track>,
    /// MP4 only: whether `moov` lies in front of the media.
    pub faststart: Option<bool>,
    /// MP4 only: whether fragments hold media.
    pub fragmented: Option<bool>,
    /// What is wrong with it.
    pub notes: Vec<String>,
}

/// One track. What is unknown is zero or `None`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Track {
    /// Video or audio; `None` for anything else.
    pub kind: Option<Kind>,
    /// The codec by libav's name, or the container's own word for it.
    pub codec: String,
    /// The codec as `codecs=` of a MIME type names it.
    pub rfc6381: Option<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Hertz.
    pub sample_rate: u32,
    /// Loudspeakers.
    pub channels: u32,
    /// Spoken language.
    pub language: Language,
    /// How the picture is turned.
    pub rotation: Rotation,
    /// Bits per second.
    pub bit_rate: Option<u64>,
    /// Its length.
    pub duration: Option<Duration>,
}

/// Opening and looking at a live source may take this long.
const LIVE_LIMIT: Duration = Duration::from_secs(10);

/// Packets of a file that are read for what the container does not tell.
const MAX_PACKETS: u32 = 500;

/// Says what the file at `path` contains. MP4 files are read by their tables; of others at most five seconds are looked at.
///
/// # Errors
/// As [`crate::remux::remux`]. A file with damage that leaves something readable is no error: see [`Report::notes`].
pub fn probe(path: &Path, interrupt: &Interrupt) -> Result<Report> {
    let opened = Opened::open(path)?;
    let report = match fast::index(&opened) {
        Ok(Some(index)) => Ok(of_index(&opened, &index)),
        Ok(None) => of_libav(&opened, interrupt),
        Err(error) => Err(error),
    };
    report.map_err(|error| in_file(error, path))
}

/// What [`probe`] says of a file that this crate's own parser can read, which no byte of is given to libav; `None` for others.
///
/// # Errors
/// As [`probe`].
pub fn probe_tables(path: &Path) -> Result<Option<Report>> {
    let opened = Opened::open(path)?;
    match fast::index(&opened) {
        Ok(index) => Ok(index.map(|index| of_index(&opened, &index))),
        Err(error) => Err(in_file(error, path)),
    }
}

fn in_file(error: Error, path: &Path) -> Error {
    error.context(format!("probe {}", path.display()))
}

/// Says what a live source contains: looks at up to five seconds of packets, and gives up after ten. Rates are measured.
///
/// The deadline of `interrupt` is replaced.
///
/// # Errors
/// Those of the source; `NotFound` when it sends nothing.
pub fn probe_live(mut opener: Box<dyn Opener>, interrupt: &Interrupt) -> Result<Report> {
    interrupt.set_deadline(LIVE_LIMIT);
    let begun = Instant::now();
    let mut input = opener.open(interrupt)?;
    let mut seen: Vec<Seen> = Vec::new();
    let mut report = Report {
        container: "live".to_owned(),
        ..Report::default()
    };
    while begun.elapsed() < LIVE_LIMIT && seen.iter().map(Seen::span).max().unwrap_or_default() < LOOK {
        let event = match input.read() {
            Ok(event) => event,
            // What was seen until then is an answer.
            Err(error) if error.kind() != ErrorKind::Cancelled && !seen.is_empty() => {
                report.notes.push(error.report());
                break;
            }
            Err(error) => return Err(error),
        };
        match event {
            InputEvent::Packet(packet) => {
                for info in input.tracks().iter().skip(seen.len()) {
                    seen.push(Seen::new(info));
                }
                if let Some(track) = seen.get_mut(packet.track) {
                    track.take(packet);
                }
            }
            InputEvent::Unusable { reason, .. } => report.notes.push(reason),
            InputEvent::End { .. } => break,
            _ => {}
        }
    }
    interrupt.clear_deadline();
    if seen.iter().all(|track| track.packets == 0) {
        return Err(Error::new(ErrorKind::NotFound, "the source sends nothing"));
    }
    report.tracks = seen.iter().map(Seen::describe).collect();
    report.bit_rate = Some(report.tracks.iter().filter_map(|track| track.bit_rate).sum());
    Ok(report)
}

/// A live track and what came of it.
struct Seen {
    info: TrackInfo,
    normalizer: Option<Normalizer>,
    packets: u64,
    bytes: u64,
    first: Option<Ticks>,
    last: Option<Ticks>,
}

impl Seen {
    fn new(info: &TrackInfo) -> Self {
        Self {
            info: info.clone(),
            normalizer: Normalizer::new(info).ok(),
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
        }
    }

    fn take(&mut self, packet: crate::source::Packet) {
        self.packets += 1;
        self.bytes += packet.data.len() as u64;
        if let Some(time) = packet.dts.or(packet.pts) {
            self.first = self.first.or(Some(time));
            self.last = self.last.max(Some(time));
        }
        if let Some(normalizer) = &mut self.normalizer {
            // A packet that can't be read changes nothing about what is known.
            let _ = normalizer.push(packet.data, packet.extradata);
        }
    }

    /// Whether nothing more can be learned from its packets.
    fn is_known(&self) -> bool {
        self.normalizer
            .as_ref()
            .is_none_or(|normalizer| normalizer.track().is_some())
    }

    fn span(&self) -> Duration {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_sub(first).to_duration(self.info.time_base),
            _ => Duration::ZERO,
        }
    }

    fn describe(&self) -> Track {
        let mut track = of_info(&self.info, self.normalizer.as_ref());
        let span = self.span();
        if !span.is_zero() && self.packets > 1 {
            // The last packet's own length is not in the span.
            let whole = span.as_secs_f64() * self.packets as f64 / (self.packets - 1) as f64;
            track.bit_rate = Some((self.bytes as f64 * 8.0 / whole) as u64);
            if self.info.kind == Some(Kind::Video) {
                track.frame_rate = Some(self.packets as f64 / whole);
            }
        }
        track
    }
}

fn of_libav(opened: &Opened, interrupt: &Interrupt) -> Result<Report> {
    let (mut input, _) = opened.demux(interrupt)?;
    input.find_stream_info(LOOK).map_err(libav::error)?;
    let duration = input.duration();
    let declared = u64::try_from(input.bit_rate()).ok().filter(|rate| *rate > 0);
    let streams = input.streams();
    let mut seen: Vec<_> = streams
        .iter()
        .map(|stream| Seen::new(&libav::track(stream)))
        .collect();
    // ADTS and the like say in their packets what they are.
    for _ in 0..MAX_PACKETS {
        if seen.iter().all(Seen::is_known) {
            break;
        }
        match input.read() {
            Ok(Some(packet)) => {
                let index = packet.stream();
                if let Some(track) = seen.get_mut(index) {
                    track.take(libav::packet(packet, index));
                }
            }
            Ok(None) => break,
            Err(cause) => match libav::error(cause) {
                error if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::TimedOut) => {
                    return Err(error);
                }
                _ => break,
            },
        }
    }
    let tracks = seen
        .iter()
        .zip(&streams)
        .map(|(seen, stream)| {
            let mut track = of_info(&seen.info, seen.normalizer.as_ref());
            let length = stream
                .duration
                .map(|ticks| Ticks(ticks).to_duration(seen.info.time_base));
            track.duration = length.or(duration);
            track
        })
        .collect();
    Ok(Report {
        container: input.format_name(),
        duration,
        size: Some(opened.size),
        bit_rate: declared.or_else(|| bits_per_second(opened.size, duration)),
        tracks,
        ..Report::default()
    })
}

fn of_info(info: &TrackInfo, normalizer: Option<&Normalizer>) -> Track {
    let known = normalizer.and_then(Normalizer::track);
    let mut track = Track {
        kind: info.kind,
        codec: info.codec.clone(),
        rfc6381: known.map(crate::codec::Track::rfc6381),
        width: info.width,
        height: info.height,
        frame_rate: normalizer
            .and_then(Normalizer::frame_rate)
            .or(Some(info.frame_rate))
            .filter(|(num, den)| info.kind == Some(Kind::Video) && *num > 0 && *den > 0)
            .map(|(num, den)| f64::from(num) / f64::from(den)),
        sample_rate: info.sample_rate,
        channels: info.channels,
        language: info.language,
        rotation: info.rotation,
        bit_rate: Some(info.bit_rate).filter(|rate| *rate > 0),
        duration: None,
    };
    if let Some(known) = known {
        track.measure(known.media);
    }
    track
}

impl Track {
    fn measure(&mut self, media: Media) {
        match media {
            Media::Video { width, height, .. } => (self.width, self.height) = (width, height),
            Media::Audio {
                sample_rate,
                channels,
                ..
            } => (self.sample_rate, self.channels) = (sample_rate, channels),
        }
    }
}

fn of_index(opened: &Opened, index: &SampleIndex) -> Report {
    let shown = choose(index).map_or(None, |choice| choice.chosen.iter().map(shown_end).max());
    let declared = index.movie().duration.to_duration(index.movie().timescale.base());
    let duration = shown.or(Some(declared)).filter(|length| !length.is_zero());
    Report {
        container: if opened.is_quicktime() { "mov" } else { "mp4" }.to_owned(),
        duration,
        size: Some(opened.size),
        bit_rate: bits_per_second(opened.size, duration),
        tracks: index.tracks().iter().map(of_track).collect(),
        faststart: is_faststart(opened),
        fragmented: Some(index.is_fragmented()),
        notes: index.notes().iter().map(ToString::to_string).collect(),
    }
}

fn of_track(index: &TrackIndex) -> Track {
    let duration = index.duration().to_duration(index.timescale().base());
    let entry = index.entries().first();
    let mut track = Track {
        kind: index.kind(),
        codec: entry.map_or(index.handler(), |entry| entry.kind).to_string(),
        language: index.language(),
        rotation: index.rotation(),
        bit_rate: bits_per_second(index.media_bytes(), Some(duration)),
        duration: Some(duration),
        ..Track::default()
    };
    if track.kind == Some(Kind::Video) {
        (track.width, track.height) = index.size();
        track.frame_rate =
            (!duration.is_zero()).then(|| f64::from(index.sample_count()) / duration.as_secs_f64());
    }
    if let Some(Ok(known)) = entry.map(|entry| sample_entry::parse(&entry.data)) {
        track.codec = known.codec.to_string();
        track.rfc6381 = Some(known.rfc6381());
        track.measure(known.media);
    }
    track
}

fn bits_per_second(bytes: u64, duration: Option<Duration>) -> Option<u64> {
    let seconds = duration.filter(|length| !length.is_zero())?.as_secs_f64();
    Some((bytes as f64 * 8.0 / seconds) as u64)
}

/// Whether `moov` comes before the first `mdat` or `moof`.
fn is_faststart(opened: &Opened) -> Option<bool> {
    let mut at = 0;
    // Files have a few boxes in front of these; one with thousands is no file for playing.
    for _ in 0..1000 {
        let mut head = [0; BoxHeader::MAX_LEN];
        let read = opened.file.read_full_at(&mut head, at).ok()?;
        let header = BoxHeader::parse(head.get(..read)?, opened.size.checked_sub(at)?).ok()?;
        match header.kind {
            FourCc::MOOV => return Some(true),
            FourCc::MDAT | FourCc::MOOF => return Some(false),
            _ => at = at.checked_add(header.size)?,
        }
    }
    None
}
