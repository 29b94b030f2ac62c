//! `mediastack clip`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mediacore::Result;
use mediacore::clip;
use mediacore::remux::Options;

use super::answer::Answer;
use super::{duration, work};

/// Take a span of time out of a media file without re-encoding
///
/// The file plays from exactly `--from` to `--to`; it holds the media from the key frame before.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The file to read
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT.mp4")]
    output: PathBuf,
    /// Where it begins, such as 10s or 1h2m3.5s
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    from: Duration,
    /// Where it ends
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    to: Duration,
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
        clip::clip(
            &arguments.input,
            &arguments.output,
            arguments.from,
            arguments.to,
            &options,
        )
    })?;
    Ok(work::answer(&report, &arguments.output, elapsed))
}
