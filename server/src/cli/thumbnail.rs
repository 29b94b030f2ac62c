//! `mediastack thumbnail`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mediacore::Result;
use mediacore::thumbnail::{self, Options};
use serde::Serialize;

use super::answer::Answer;
use super::json::{self, millis, path, seconds};
use super::{duration, work};

/// Take one picture out of a media file
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write; its extension is the format: jpg or png
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Which picture, such as 12.5s [default: a tenth into the file, at most 10s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    at: Option<Duration>,
    /// How wide, in pixels; the height follows [default: as coded]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(16..=16_384))]
    width: Option<u32>,
    /// Replace a file that exists
    #[arg(long)]
    overwrite: bool,
}

#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
    path: String,
    at_s: Option<f64>,
    size_bytes: u64,
    elapsed_ms: f64,
    error: Option<json::ErrorView>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Answer> {
    let (report, elapsed) = work::run(json, |interrupt, _| {
        let options = Options {
            at: arguments.at,
            width: arguments.width,
            overwrite: arguments.overwrite,
            interrupt,
        };
        thumbnail::thumbnail(&arguments.input, &arguments.output, &options)
    })?;
    let view = View {
        status: "completed",
        path: path(&arguments.output),
        at_s: report.at.map(seconds),
        size_bytes: report.size,
        elapsed_ms: millis(elapsed),
        error: None,
    };
    let text = format!("{}  {}", view.path, json::size(report.size));
    Ok(Answer::new(&view, text))
}
