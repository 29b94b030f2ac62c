//! `mediastack remux`.

use std::path::PathBuf;

use clap::Args;
use mediacore::Result;
use mediacore::remux::{self, Options};

use super::answer::Answer;
use super::work;

/// Turn a media file into a faststart MP4 file without touching its media
///
/// Reads MP4 and MOV, MPEG-TS, FLV, Matroska, WebM and more. The output appears whole or not at all.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT.mp4")]
    output: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Answer> {
    let (report, elapsed) = work::run(json, |interrupt, progress| {
        let options = Options {
            overwrite: arguments.overwrite,
            interrupt,
            progress: Some(progress),
        };
        remux::remux(&arguments.input, &arguments.output, &options)
    })?;
    Ok(work::answer(&report, &arguments.output, elapsed))
}
