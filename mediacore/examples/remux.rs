//! `remux INPUT OUTPUT.mp4`: any readable file becomes a faststart MP4.

use std::path::Path;
use std::process::ExitCode;

use mediacore::remux::{Options, remux};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output] = &arguments[..] else {
        eprintln!("usage: remux INPUT OUTPUT.mp4");
        return ExitCode::from(2);
    };
    match remux(Path::new(input), Path::new(output), &Options::default()) {
        Ok(report) => {
            let (length, size) = (report.duration().as_secs_f64(), report.size());
            println!("{length:.3} s, {size} bytes, {}", report.way.as_str());
            for note in &report.notes {
                println!("note: {note}");
            }
            for dropped in &report.dropped {
                println!("left out: {}: {}", dropped.codec, dropped.reason);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}
