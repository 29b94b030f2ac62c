//! Everything that is no MP4: packet by packet through libav, the timeline and the cutter.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::codec::{Codec, Kind};
use crate::error::{Error, ErrorKind, Result};
use crate::record::cutter::Limits;
use crate::record::intake::{Intake, Options as IntakeOptions, Output};
use crate::record::{AudioPolicy, Notice};
use crate::source::libav::{self, LibavInput};
use crate::source::{Input, InputEvent, TrackInfo};
use crate::timeline;

use super::open::{LOOK, Opened};
use super::parts::Parts;
use super::{Dropped, Options, Progress, Report, Way};

/// More of these would say the same.
const MAX_NOTES: usize = 64;

/// A file of less than this holds nothing that anyone could see or hear.
const LEAST: Duration = Duration::from_millis(1);

/// Which tracks are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    All,
    /// The first audio track.
    Audio,
}

pub(crate) fn remux(opened: &Opened, output: &Path, wanted: Wanted, options: &Options) -> Result<Report> {
    let (mut input, position) = opened.demux(&options.interrupt)?;
    let format = Format::of(&input);
    if !format.describes_itself(&input) {
        input.find_stream_info(LOOK).map_err(libav::error)?;
    }
    let mut input = LibavInput::new(input, || true);
    let mut intake = Intake::new(IntakeOptions {
        audio: AudioPolicy::Auto,
        timeline: format.policy(),
        limits: Limits::FILE,
        start_wait: Duration::from_secs(3),
        duration: None,
        early_audio: true,
    });
    let mut sorted = Sorted {
        parts: Parts::new(output, options.overwrite),
        dropped: Vec::new(),
        notes: Vec::new(),
        begun: false,
    };
    // A file has no time of arrival.
    let now = Instant::now();
    let mut outputs = Vec::new();
    intake.connect(now, None, &mut outputs);
    let (mut tracks, mut packets) = (0, 0_u64);
    loop {
        let event = input.read();
        if input.tracks().len() > tracks {
            tracks = input.tracks().len();
            intake.tracks(&wanted.of(input.tracks()), &mut outputs);
        }
        match event {
            Ok(InputEvent::Packet(mut packet)) => {
                packets += 1;
                let is_video = input.tracks().get(packet.track).is_some_and(is_video);
                if format == Format::Matroska && is_video && packet.pts.is_some() {
                    // It has composition times only; without decoders libav guesses the others wrong.
                    packet.dts = None;
                }
                intake.push(now, packet, &mut outputs);
            }
            Ok(InputEvent::End { .. }) => break,
            Ok(_) => {}
            Err(error) if packets > 0 && error.kind() == ErrorKind::Malformed => {
                sorted
                    .notes
                    .push(format!("it can't be read to its end: {}", error.report()));
                break;
            }
            Err(error) => return Err(error),
        }
        sorted.parts.room = room_for(input.duration(), opened.size);
        if !outputs.is_empty() && sorted.take(&mut outputs)? {
            tell(options, position.bytes(), opened.size, intake.position());
        }
    }
    intake.finish(now, &mut outputs);
    sorted.take(&mut outputs)?;
    tell(options, opened.size, opened.size, intake.position());
    sorted.check(&wanted.of(input.tracks()))?;
    let (parts, manifest) = sorted.parts.finish(LEAST)?;
    Ok(Report {
        parts,
        manifest,
        dropped: sorted.dropped,
        notes: sorted.notes,
        way: Way::Demuxed,
    })
}

impl Wanted {
    /// The tracks, those that are not wanted as neither video nor audio.
    fn of(self, tracks: &[TrackInfo]) -> Vec<TrackInfo> {
        let mut tracks = tracks.to_vec();
        if self == Self::Audio {
            let first = tracks.iter().position(|track| track.kind == Some(Kind::Audio));
            for (index, track) in tracks.iter_mut().enumerate() {
                if Some(index) != first {
                    track.kind = None;
                }
            }
        }
        tracks
    }
}

fn tell(options: &Options, done: u64, total: u64, time: Duration) {
    if let Some(observer) = &options.progress {
        (observer.0)(Progress {
            done: done.min(total),
            total,
            time,
        });
    }
}

fn is_video(track: &TrackInfo) -> bool {
    track.kind == Some(Kind::Video)
}

/// Containers that need to be treated differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Flv,
    Matroska,
    MpegTs,
    Other,
}

impl Format {
    fn of(input: &av::Input) -> Self {
        match input.format_name().as_str() {
            "flv" | "live_flv" => Self::Flv,
            "matroska,webm" => Self::Matroska,
            "mpegts" => Self::MpegTs,
            _ => Self::Other,
        }
    }

    /// Whether the packets tell all that is needed. Otherwise libav has to look at the first seconds with decoders.
    fn describes_itself(self, input: &av::Input) -> bool {
        let streams = input.streams();
        let known = |stream: &av::StreamInfo| match stream.kind {
            av::StreamKind::Other => true,
            av::StreamKind::Audio if Codec::from_name(&stream.codec).is_none() => stream.sample_rate > 0,
            _ => true,
        };
        match self {
            Self::Flv => true,
            Self::Matroska => streams.iter().all(known),
            // Libav gives only the first of the sounds in a PES packet a time unless it has looked at them.
            Self::MpegTs | Self::Other => false,
        }
    }

    /// How times are judged. MPEG-TS is cut and joined by everyone, so that a jump is a new clock; the others mean the time
    /// that they tell.
    fn policy(self) -> timeline::Policy {
        let policy = timeline::Policy::file();
        match self {
            Self::MpegTs => policy,
            _ => timeline::Policy {
                max_hole: Duration::from_secs(24 * 3600),
                ..policy
            },
        }
    }
}

/// Bytes of `moov` to expect: 900 for each second, or by experience a small part of the file.
fn room_for(duration: Option<Duration>, size: u64) -> u64 {
    let by_size = size / 128;
    let by_time = duration.map_or(u64::MAX, |length| length.as_secs().saturating_mul(900));
    by_size.min(by_time).saturating_add(8 << 10)
}

/// What the intake gave, by where it goes.
struct Sorted<'a> {
    parts: Parts<'a>,
    dropped: Vec<Dropped>,
    notes: Vec<String>,
    begun: bool,
}

impl Sorted<'_> {
    /// Whether media was among it.
    fn take(&mut self, outputs: &mut Vec<Output>) -> Result<bool> {
        let mut media = false;
        for output in outputs.drain(..) {
            match output {
                Output::Part { tracks, at } => {
                    self.begun = true;
                    self.parts.begin(tracks, at)?;
                }
                Output::Track(track) => self.parts.add_track(track),
                Output::Fragment(cut) => {
                    media = true;
                    self.parts.write(cut)?;
                }
                Output::Gap {
                    at,
                    length,
                    cause,
                    kind,
                } => {
                    let of = kind.map_or("media", Kind::as_str);
                    let (at, length) = (at.as_secs_f64(), length.as_secs_f64());
                    self.note(format!("{length:.3} s of {of} missing at {at:.3} s: {cause}"));
                }
                Output::Notice(notice) => self.notice(notice),
            }
        }
        Ok(media)
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::TrackDropped { codec, reason } => self.dropped.push(Dropped { codec, reason }),
            Notice::TrackMissing { codec } => self.dropped.push(Dropped {
                codec,
                reason: "nothing that can be decoded was found in it at the start".to_owned(),
            }),
            Notice::TrackTranscoded { codec } => self.note(format!("audio {codec} was transcoded to AAC")),
            Notice::ClockReset { at, from, to } => self.note(format!(
                "timestamps jump from {:.3} s to {:.3} s at {:.3} s",
                from.as_secs_f64(),
                to.as_secs_f64(),
                at.as_secs_f64()
            )),
            Notice::PacketsDropped { reason, count } => {
                self.note(format!("{count} packets left out: {reason}"))
            }
            other => self.note(format!("{other:?}")),
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    /// Whether there is something to keep, and the picture with it if there is one.
    fn check(&self, tracks: &[TrackInfo]) -> Result<()> {
        let lost = tracks
            .iter()
            .find(|track| is_video(track) && Codec::from_name(&track.codec).is_none());
        let kept = tracks
            .iter()
            .any(|track| is_video(track) && Codec::from_name(&track.codec).is_some());
        let reason = |codec: &str| {
            let found = self.dropped.iter().find(|dropped| dropped.codec == codec);
            found.map_or_else(String::new, |dropped| dropped.reason.clone())
        };
        match lost {
            Some(lost) if !kept => Err(super::unsupported(reason(&lost.codec))),
            _ if self.begun => Ok(()),
            _ if self.dropped.is_empty() => {
                let text = "there is no video or audio in it that can be read";
                Err(Error::new(ErrorKind::Malformed, text))
            }
            _ => {
                let reasons: Vec<_> = self
                    .dropped
                    .iter()
                    .map(|dropped| format!("{}: {}", dropped.codec, dropped.reason))
                    .collect();
                Err(super::unsupported(format!(
                    "no track of it can be kept ({})",
                    reasons.join("; ")
                )))
            }
        }
    }
}
