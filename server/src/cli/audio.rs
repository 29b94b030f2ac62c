//! `mediastack audio`.

use std::path::PathBuf;

use clap::Args;
use mediacore::Result;
use mediacore::audio::{self, Options};
use serde::Serialize;

use super::answer::Answer;
use super::json::{self, millis, path, seconds};
use super::work;

/// Take the sound out of a media file, copied where the format allows it and transcoded where not
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write; its extension is the format: m4a, mp3, opus, flac or wav
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Bits per second, such as 128k; sound that would be copied is transcoded to it
    #[arg(long, value_name = "RATE", value_parser = bitrate)]
    bitrate: Option<u32>,
    /// Replace a file that exists
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
    path: String,
    codec: String,
    copied: bool,
    duration_s: f64,
    size_bytes: u64,
    notes: Vec<String>,
    elapsed_ms: f64,
    error: Option<json::ErrorView>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Answer> {
    let (report, elapsed) = work::run(json, |interrupt, progress| {
        let options = Options {
            bitrate: arguments.bitrate,
            overwrite: arguments.overwrite,
            interrupt,
            progress: Some(progress),
        };
        audio::extract(&arguments.input, &arguments.output, &options)
    })?;
    let view = View {
        status: "completed",
        path: path(&arguments.output),
        codec: report.codec.clone(),
        copied: report.copied,
        duration_s: seconds(report.duration),
        size_bytes: report.size,
        notes: report.notes.clone(),
        elapsed_ms: millis(elapsed),
        error: None,
    };
    let how = if report.copied { "copied" } else { "transcoded" };
    let text = format!(
        "{}  {}  {}  {} {how}",
        view.path,
        super::duration::clock(report.duration),
        json::size(report.size),
        report.codec
    );
    let answer = Answer::new(&view, text);
    Ok(report.notes.iter().fold(answer, |answer, note| answer.note(note)))
}

/// `128k`, `128000`, `0.5M`; at least 8 kbit/s and at most 1 Mbit/s.
fn bitrate(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |number| (number, 1e6)),
    };
    let rate = number
        .parse::<f64>()
        .map_err(|_| format!("{text:?} is no bit rate such as 128k"))?
        * unit;
    if (8_000.0..=1_000_000.0).contains(&rate) {
        Ok(rate as u32)
    } else {
        Err("a bit rate is between 8k and 1M".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::bitrate;

    #[test]
    fn bit_rates_are_read_as_people_write_them() {
        assert_eq!(bitrate("128k"), Ok(128_000));
        assert_eq!(bitrate("0.5M"), Ok(500_000));
        assert_eq!(bitrate("64000"), Ok(64_000));
        for wrong in ["", "k", "-1k", "5", "9G", "NaN", "2M", "infk"] {
            assert!(bitrate(wrong).is_err(), "{wrong}");
        }
    }
}
