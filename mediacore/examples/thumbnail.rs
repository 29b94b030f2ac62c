//! `thumbnail INPUT OUTPUT.{jpg,png}`: one picture of a file.

use std::path::Path;
use std::process::ExitCode;

use mediacore::thumbnail::{Options, thumbnail};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output] = &arguments[..] else {
        eprintln!("usage: thumbnail INPUT OUTPUT.jpg|.png");
        return ExitCode::from(2);
    };
    match thumbnail(Path::new(input), Path::new(output), &Options::default()) {
        Ok(report) => {
            println!("{} bytes", report.size);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}
