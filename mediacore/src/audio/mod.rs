//! The sound of a file alone: copied where the codec fits, otherwise transcoded.

mod sink;

use std::path::Path;
use std::time::Duration;

use crate::codec::Codec;
use crate::error::{Error, ErrorKind, Result};
use crate::remux::copy::Extents;
use crate::remux::demuxed::{self, Wanted};
use crate::remux::fast::{self, Plan};
use crate::remux::open::{LOOK, Opened};
use crate::remux::tables::choose;
use crate::remux::target::{Target, check};
use crate::remux::{self, Observer, Progress};
use crate::source::{Interrupt, libav, stopped};
use crate::time::{Ticks, TimeBase, Timescale};

use sink::Sink;

/// How to extract sound.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bits per second of lossy formats; `None` copies where that is possible, and takes 64 000 for each channel elsewhere.
    pub bitrate: Option<u32>,
    /// Replace an output that exists.
    pub overwrite: bool,
    /// Stops the work; nothing is left behind.
    pub interrupt: Interrupt,
    /// Is told how far it is.
    pub progress: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bitrate: None,
            overwrite: false,
            interrupt: Interrupt::new(),
            progress: None,
        }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The codec of the output by libav's name.
    pub codec: String,
    /// Whether the packets are the input's own.
    pub copied: bool,
    /// Length of the sound.
    pub duration: Duration,
    /// Bytes of the file.
    pub size: u64,
    /// What else someone should know.
    pub notes: Vec<String>,
}

/// Audio files that can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    M4a,
    Mp3,
    Opus,
    Flac,
    Wav,
}

/// Bit rates that some encoder can do.
const BIT_RATES: std::ops::RangeInclusive<u32> = 8_000..=1_024_000;

/// Writes the first audio track of `input` to `output`, whose extension says what it becomes: `m4a`, `mp3`, `opus`, `flac` or
/// `wav`.
///
/// # Errors
/// `InvalidInput` for another extension, a bit rate that no encoder can do, or an output that exists; `NotFound` without
/// audio; otherwise as [`remux::remux`].
pub fn extract(input: &Path, output: &Path, options: &Options) -> Result<Report> {
    let format = Format::of(output)?;
    if let Some(rate) = options.bitrate.filter(|rate| !BIT_RATES.contains(rate)) {
        let text = format!(
            "{rate} bits per second: {} to {} can be done",
            BIT_RATES.start(),
            BIT_RATES.end()
        );
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let opened = Opened::open(input)?;
    check(output, options.overwrite, Some(&opened.file))?;
    let failed = |error: Error| error.context(format!("extract the sound of {}", input.display()));
    if format == Format::M4a
        && options.bitrate.is_none()
        && let Some(report) = copy_by_tables(&opened, output, options).map_err(failed)?
    {
        return Ok(report);
    }
    by_packets(&opened, output, format, options).map_err(failed)
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let extension = path
            .extension()
            .map(|text| text.to_string_lossy().to_ascii_lowercase());
        Ok(match extension.as_deref() {
            Some("m4a") => Self::M4a,
            Some("mp3") => Self::Mp3,
            Some("opus") => Self::Opus,
            Some("flac") => Self::Flac,
            Some("wav") => Self::Wav,
            _ => {
                let text = format!(
                    "{}: sound is extracted to .m4a, .mp3, .opus, .flac or .wav",
                    path.display()
                );
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
        })
    }

    /// The codec that is copied into it.
    const fn codec(self) -> &'static str {
        match self {
            Self::M4a => "aac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Wav => "pcm_s16le",
        }
    }

    const fn encoder(self) -> &'static str {
        match self {
            Self::M4a => "aac",
            Self::Mp3 => "libmp3lame",
            Self::Opus => "libopus",
            Self::Flac => "flac",
            Self::Wav => "pcm_s16le",
        }
    }
}

impl Options {
    fn for_remux(&self) -> remux::Options {
        remux::Options {
            overwrite: self.overwrite,
            interrupt: self.interrupt.clone(),
            progress: self.progress.clone(),
        }
    }

    fn tell(&self, done: u64, total: u64, time: Duration) {
        if let Some(observer) = &self.progress {
            let done = done.min(total);
            (observer.0)(Progress { done, total, time });
        }
    }
}

impl From<remux::Report> for Report {
    fn from(report: remux::Report) -> Self {
        Self {
            codec: "aac".to_owned(),
            copied: true,
            duration: report.duration(),
            size: report.size(),
            notes: report.notes,
        }
    }
}

/// AAC of an MP4; `None` when it is none, or has another codec.
fn copy_by_tables(opened: &Opened, output: &Path, options: &Options) -> Result<Option<Report>> {
    let Some(index) = fast::index(opened)? else {
        return Ok(None);
    };
    let choice = choose(&index)?;
    let first = index
        .tracks()
        .iter()
        .find(|track| track.kind() == Some(crate::codec::Kind::Audio));
    let Some(first) = first else {
        return Err(no_audio());
    };
    let chosen = choice
        .chosen
        .iter()
        .find(|chosen| chosen.index.id() == first.id());
    let Some(chosen) = chosen.filter(|chosen| chosen.track.codec == Codec::Aac) else {
        return Ok(None);
    };
    let mut ranges = Vec::new();
    let mut tables = chosen.tables(0..first.sample_count(), &mut ranges);
    // A sound alone begins with its first sample that is heard.
    if let Some((from, _)) = tables.tables.span() {
        tables.start = tables.first.map_or(from.0, |first| first.max(from.0));
    }
    let plan = Plan {
        tracks: vec![(chosen.track.clone(), tables)],
        extents: Extents::of(ranges),
        dropped: Vec::new(),
        notes: index.notes().iter().map(ToString::to_string).collect(),
    };
    plan.write(opened, output, &options.for_remux())
        .map(|report| Some(report.into()))
}

/// Everything else: packets by libav.
fn by_packets(opened: &Opened, output: &Path, format: Format, options: &Options) -> Result<Report> {
    let (mut input, position) = opened.demux(&options.interrupt)?;
    input.find_stream_info(LOOK).map_err(libav::error)?;
    let streams = input.streams();
    let stream = streams
        .iter()
        .find(|stream| stream.kind == av::StreamKind::Audio)
        .ok_or_else(no_audio)?;
    let copies = stream.codec == format.codec() && options.bitrate.is_none();
    if copies && format == Format::M4a {
        drop(input);
        return demuxed::remux(opened, output, Wanted::Audio, &options.for_remux()).map(Report::from);
    }
    let (num, den) = stream.time_base;
    let base = TimeBase::new(num.into(), den.into()).unwrap_or(TimeBase::MPEG);
    let rate = if copies && format == Format::Opus {
        48_000
    } else {
        stream.sample_rate
    };
    let ticks = Timescale::new(rate).ok_or_else(|| {
        Error::new(
            ErrorKind::Malformed,
            format!("the sample rate of {} is unknown", stream.codec),
        )
    })?;
    for other in streams.iter().filter(|other| other.index != stream.index) {
        input.discard(other.index);
    }
    let target = Target::create(output, options.overwrite)?;
    let mut work = if copies {
        Work::Copy(Sink::copy(&target, format, stream)?)
    } else {
        let to = av::TargetAudio {
            codec: format.encoder().to_owned(),
            bit_rate: options.bitrate,
            ..av::TargetAudio::default()
        };
        let transcoder =
            av::Transcoder::new(&av::AudioParameters::from(stream), &to).map_err(libav::error)?;
        let sink = Sink::encoded(&target, format, &transcoder, stream)?;
        Work::Transcode(Box::new(transcoder), sink)
    };
    let mut first = None;
    let mut notes = Vec::new();
    let mut told = 0;
    loop {
        let packet = match input.read() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(cause) if first.is_some() && cause.kind == av::ErrorKind::Malformed => {
                notes.push(format!("it can't be read to its end: {}", cause.message));
                break;
            }
            Err(cause) => return Err(libav::error(cause)),
        };
        if packet.stream() != stream.index {
            continue;
        }
        let to_ticks = |time: i64| Ticks(time).saturating_rescale(base, ticks.base());
        let time = packet.pts().or(packet.dts()).map(to_ticks);
        // The times before zero of an MP4 are the encoder's priming.
        let zero = *first.get_or_insert(time.unwrap_or_default().max(Ticks::ZERO));
        let time = time.map(|time| time.saturating_sub(zero).0);
        let length = to_ticks(packet.duration()).0;
        work.push(time, length, packet)?;
        if position.bytes().saturating_sub(told) >= 1 << 20 {
            told = position.bytes();
            options.tell(told, opened.size, work.sink().duration());
            stopped(&options.interrupt, || "extract the sound".to_owned())?;
        }
    }
    let (sink, skipped) = work.finish()?;
    if skipped > 0 {
        notes.push(format!("{skipped} packets could not be decoded"));
    }
    let duration = sink.duration();
    if duration.is_zero() {
        return Err(Error::new(
            ErrorKind::Malformed,
            "there is no sound in it that can be read",
        ));
    }
    sink.finish(&target)?;
    let size = std::fs::metadata(target.temporary())
        .map_err(|e| target.failed(e))?
        .len();
    target.publish()?;
    options.tell(opened.size, opened.size, duration);
    Ok(Report {
        codec: format.codec().to_owned(),
        copied: copies,
        duration,
        size,
        notes,
    })
}

enum Work {
    Copy(Sink),
    Transcode(Box<av::Transcoder>, Sink),
}

impl Work {
    fn sink(&self) -> &Sink {
        match self {
            Self::Copy(sink) | Self::Transcode(_, sink) => sink,
        }
    }

    /// Takes one packet; times in ticks of the input's sample rate.
    fn push(&mut self, time: Option<i64>, length: i64, packet: av::Packet) -> Result<()> {
        match self {
            Self::Copy(sink) => sink.write(&av::EncodedPacket {
                pts: time.unwrap_or_else(|| sink.end()).max(sink.end()),
                duration: length.max(1),
                new_extradata: packet.new_extradata(),
                data: packet.into_bytes(),
            }),
            Self::Transcode(transcoder, sink) => {
                let coded = transcoder.push(packet.data(), time).map_err(libav::error)?;
                coded.iter().try_for_each(|packet| sink.write(packet))
            }
        }
    }

    fn finish(self) -> Result<(Sink, u64)> {
        match self {
            Self::Copy(sink) => Ok((sink, 0)),
            Self::Transcode(mut transcoder, mut sink) => {
                let coded = transcoder.flush().map_err(libav::error)?;
                coded.iter().try_for_each(|packet| sink.write(packet))?;
                Ok((sink, transcoder.skipped()))
            }
        }
    }
}

fn no_audio() -> Error {
    Error::new(ErrorKind::NotFound, "there is no audio track in it")
}
