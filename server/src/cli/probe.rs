//! `mediastack probe`.

use std::path::Path;

use clap::{Args, ValueEnum};
use mediacore::Result;
use mediacore::clock::SystemClock;
use mediacore::codec::Rotation;
use mediacore::probe::{self, Report, Track};
use mediacore::source::{self, RtspTransport, SourceUrl};
use serde::Serialize;

use super::answer::Answer;
use super::json::{self, millis, seconds};
use super::work;

/// Say what a media file or a live source contains
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A file, or an address (rtmp, rtmps, rtsp, rtsps, http, https)
    #[arg(value_name = "FILE|URL")]
    input: String,
    /// How RTSP media comes [default: tcp, or udp if the server wants that]
    #[arg(long, value_name = "TRANSPORT")]
    rtsp_transport: Option<Transport>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Transport {
    Tcp,
    Udp,
}

#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
    input: String,
    container: String,
    duration_s: Option<f64>,
    size_bytes: Option<u64>,
    bit_rate: Option<u64>,
    faststart: Option<bool>,
    fragmented: Option<bool>,
    tracks: Vec<TrackView>,
    notes: Vec<String>,
    elapsed_ms: f64,
    error: Option<json::ErrorView>,
}

#[derive(Debug, Serialize)]
struct TrackView {
    kind: &'static str,
    codec: String,
    codec_string: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    width: u32,
    #[serde(skip_serializing_if = "is_zero")]
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<f64>,
    #[serde(skip_serializing_if = "is_zero")]
    channels: u32,
    #[serde(skip_serializing_if = "is_zero")]
    sample_rate: u32,
    language: String,
    #[serde(skip_serializing_if = "is_zero")]
    rotation: u32,
    bit_rate: Option<u64>,
    duration_s: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl TrackView {
    fn of(track: &Track) -> Self {
        Self {
            kind: track.kind.map_or("other", |kind| kind.as_str()),
            codec: track.codec.clone(),
            codec_string: track.rfc6381.clone(),
            width: track.width,
            height: track.height,
            fps: track.frame_rate.map(|rate| (rate * 1000.0).round() / 1000.0),
            channels: track.channels,
            sample_rate: track.sample_rate,
            language: track.language.as_str().to_owned(),
            rotation: match track.rotation {
                Rotation::None => 0,
                Rotation::Clockwise90 => 90,
                Rotation::Half => 180,
                Rotation::Clockwise270 => 270,
            },
            bit_rate: track.bit_rate,
            duration_s: track.duration.map(seconds),
        }
    }

    fn words(&self) -> String {
        let mut words = format!(
            "{} {}",
            self.kind,
            self.codec_string.as_deref().unwrap_or(&self.codec)
        );
        if self.width > 0 {
            words += &format!(" {}x{}", self.width, self.height);
        }
        if let Some(fps) = self.fps {
            words += &format!(" {fps} fps");
        }
        if self.sample_rate > 0 {
            words += &format!(" {} Hz", self.sample_rate);
        }
        if self.channels > 0 {
            words += &format!(" {} channel(s)", self.channels);
        }
        if self.language != "und" {
            words += &format!(" {}", self.language);
        }
        if let Some(rate) = self.bit_rate.filter(|rate| *rate > 0) {
            words += &format!(" {} kbit/s", rate / 1000);
        }
        words
    }
}

/// The tracks of a file as JSON, as `--json` has them.
pub(crate) fn tracks_json(report: &Report) -> String {
    let tracks: Vec<TrackView> = report.tracks.iter().map(TrackView::of).collect();
    serde_json::to_string(&tracks).unwrap_or_else(|_| "[]".to_owned())
}

/// Runs the command. Whatever looks like an address is one: a file of such a name is reached as `./name`.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Answer> {
    let is_address = arguments
        .input
        .split_once("://")
        .is_some_and(|(scheme, _)| !scheme.contains('/'));
    let ((name, report), elapsed) = work::run(json, |interrupt, _| {
        if is_address {
            let url = SourceUrl::parse(&arguments.input)?;
            let options = source::Options {
                rtsp_transport: match arguments.rtsp_transport {
                    None => RtspTransport::Auto,
                    Some(Transport::Tcp) => RtspTransport::Tcp,
                    Some(Transport::Udp) => RtspTransport::Udp,
                },
                ..source::Options::default()
            };
            let opener = source::opener(&url, &options, &SystemClock::shared());
            Ok((url.to_string(), probe::probe_live(opener, &interrupt)?))
        } else {
            let path = Path::new(&arguments.input);
            Ok((arguments.input.clone(), probe::probe(path, &interrupt)?))
        }
    })?;
    let Report {
        container,
        duration,
        size,
        bit_rate,
        tracks,
        faststart,
        fragmented,
        notes,
    } = report;
    let view = View {
        status: "completed",
        input: name,
        container,
        duration_s: duration.map(seconds),
        size_bytes: size,
        bit_rate,
        faststart,
        fragmented,
        tracks: tracks.iter().map(TrackView::of).collect(),
        notes: notes.clone(),
        elapsed_ms: millis(elapsed),
        error: None,
    };
    let mut lines = vec![format!("{}  {}", view.input, view.container)];
    if let Some(duration) = duration {
        lines[0] += &format!("  {}", super::duration::clock(duration));
    }
    if let Some(size) = size {
        lines[0] += &format!("  {}", json::size(size));
    }
    lines.extend(view.tracks.iter().map(|track| format!("  {}", track.words())));
    let answer = Answer::new(&view, lines.join("\n"));
    Ok(notes.iter().fold(answer, |answer, note| answer.note(note)))
}
