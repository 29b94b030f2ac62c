//! The shapes of `--json`, shared by the commands. Times are seconds with at most six decimals.

use std::path::Path;
use std::time::Duration;

use mediacore::Error;
use mediacore::codec::Media;
use mediacore::record::{Gap, PartReport, TrackReport};
use serde::Serialize;

use super::duration;

/// Why something failed.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorView {
    kind: &'static str,
    message: String,
}

/// One track of a file.
#[derive(Debug, Serialize)]
pub(crate) struct TrackView {
    kind: &'static str,
    codec: &'static str,
    codec_string: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_rate: Option<u32>,
    language: String,
    bit_rate: u64,
    duration_s: f64,
}

/// One file of several.
#[derive(Debug, Serialize)]
pub(crate) struct PartView {
    path: String,
    at_s: f64,
    duration_s: f64,
    size_bytes: u64,
    finish_method: Option<&'static str>,
    tracks: Vec<TrackView>,
}

/// Media that is missing.
#[derive(Debug, Serialize)]
pub(crate) struct GapView {
    pub(crate) at_s: f64,
    pub(crate) length_s: f64,
    pub(crate) cause: String,
    kind: Option<&'static str>,
}

impl ErrorView {
    pub(crate) fn of(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: error.report(),
        }
    }
}

impl TrackView {
    pub(crate) fn of(report: &TrackReport) -> Self {
        let track = &report.track;
        let mut view = Self {
            kind: track.kind().as_str(),
            codec: track.codec.as_str(),
            codec_string: track.rfc6381(),
            width: None,
            height: None,
            fps: None,
            channels: None,
            sample_rate: None,
            language: track.language.as_str().to_owned(),
            bit_rate: bit_rate(report.bytes, report.duration),
            duration_s: seconds(report.duration),
        };
        match track.media {
            Media::Video { width, height, .. } => {
                view.width = Some(width);
                view.height = Some(height);
                view.fps = Some((report.frame_rate * 1e3).round() / 1e3);
            }
            Media::Audio {
                sample_rate,
                channels,
                ..
            } => {
                view.channels = Some(channels);
                view.sample_rate = Some(sample_rate);
            }
        }
        view
    }

    /// `h264 1280x720 25 fps`, `aac 48000 Hz 2 ch`.
    pub(crate) fn words(&self) -> String {
        let mut words = self.codec.to_owned();
        if let (Some(width), Some(height), Some(fps)) = (self.width, self.height, self.fps) {
            words += &format!(" {width}x{height} {fps} fps");
        }
        if let (Some(rate), Some(channels)) = (self.sample_rate, self.channels) {
            words += &format!(" {rate} Hz {channels} ch");
        }
        words
    }
}

impl PartView {
    pub(crate) fn of(part: &PartReport) -> Self {
        Self {
            path: path(&part.path),
            at_s: seconds(part.at),
            duration_s: seconds(part.duration),
            size_bytes: part.size,
            finish_method: part.method.map(|method| method.as_str()),
            tracks: tracks(part),
        }
    }
}

/// The tracks of one file.
pub(crate) fn tracks(part: &PartReport) -> Vec<TrackView> {
    part.tracks.iter().map(TrackView::of).collect()
}

/// What was written, for people: `a.mp4: 01:02, 3.4 MB (62.040 s)`, then the tracks of each part.
pub(crate) fn summary(path: &str, duration_s: f64, size_bytes: u64, parts: &[PartView]) -> Vec<String> {
    let length = Duration::try_from_secs_f64(duration_s).unwrap_or_default();
    let mut lines = vec![format!(
        "{path}: {}, {} ({duration_s:.3} s)",
        duration::clock(length),
        size(size_bytes)
    )];
    for part in parts {
        let tracks: Vec<String> = part.tracks.iter().map(TrackView::words).collect();
        let name = match parts.len() {
            1 => String::new(),
            _ => format!("{}: ", part.path),
        };
        lines.push(format!("  {name}{}", tracks.join(", ")));
    }
    lines
}

impl GapView {
    pub(crate) fn of(gap: &Gap) -> Self {
        Self {
            at_s: seconds(gap.at),
            length_s: seconds(gap.length),
            cause: gap.cause.clone(),
            kind: gap.kind.map(|kind| kind.as_str()),
        }
    }
}

/// Seconds with six decimals.
pub(crate) fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e6
}

/// Milliseconds with three decimals.
pub(crate) fn millis(length: Duration) -> f64 {
    (length.as_secs_f64() * 1e6).round() / 1e3
}

/// Bits per second.
pub(crate) fn bit_rate(bytes: u64, length: Duration) -> u64 {
    let micros = length.as_micros();
    if micros == 0 {
        return 0;
    }
    u64::try_from(u128::from(bytes) * 8_000_000 / micros).unwrap_or(u64::MAX)
}

/// A path as text.
pub(crate) fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A size as people read it: `1.5 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.95 {
            return match unit {
                "B" => format!("{bytes} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people_and_programs() {
        assert_eq!(seconds(Duration::from_nanos(1_234_567_890)), 1.234_568);
        assert_eq!(bit_rate(1000, Duration::from_secs(2)), 4000);
        assert_eq!(bit_rate(1000, Duration::ZERO), 0);
        assert_eq!(
            [0, 999, 1000, 1_500_000, 999_960_000, 5_000_000_000_000].map(size),
            ["0 B", "999 B", "1.0 kB", "1.5 MB", "1.0 GB", "5.0 TB"]
        );
    }
}
