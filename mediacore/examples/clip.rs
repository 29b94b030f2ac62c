//! `clip INPUT OUTPUT.mp4 FROM TO`: the span between two times in seconds, without encoding.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use mediacore::clip::clip;
use mediacore::remux::Options;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [input, output, from, to] = &arguments[..] else {
        return usage();
    };
    let time = |text: &str| Duration::try_from_secs_f64(text.parse().ok()?).ok();
    let (Some(from), Some(to)) = (time(from), time(to)) else {
        return usage();
    };
    match clip(Path::new(input), Path::new(output), from, to, &Options::default()) {
        Ok(report) => {
            println!(
                "{:.3} s, {} bytes",
                report.duration().as_secs_f64(),
                report.size()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: clip INPUT OUTPUT.mp4 FROM TO");
    ExitCode::from(2)
}
