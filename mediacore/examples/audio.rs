//! `audio INPUT OUTPUT.{m4a,mp3,opus,flac,wav}`: the sound of a file alone.

use std::path::Path;
use std::process::ExitCode;

use mediacore::audio::{Options, extract};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output] = &arguments[..] else {
        eprintln!("usage: audio INPUT OUTPUT.m4a|.mp3|.opus|.flac|.wav");
        return ExitCode::from(2);
    };
    match extract(Path::new(input), Path::new(output), &Options::default()) {
        Ok(report) => {
            let how = if report.copied { "copied" } else { "transcoded" };
            println!(
                "{:.3} s of {}, {how}",
                report.duration.as_secs_f64(),
                report.codec
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}
