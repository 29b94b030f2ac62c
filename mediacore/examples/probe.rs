//! `probe INPUT`: what a file contains.

use std::path::Path;
use std::process::ExitCode;

use mediacore::probe::probe;
use mediacore::source::Interrupt;

fn main() -> ExitCode {
    let Some(input) = std::env::args_os().nth(1) else {
        eprintln!("usage: probe INPUT");
        return ExitCode::from(2);
    };
    match probe(Path::new(&input), &Interrupt::new()) {
        Ok(report) => {
            println!("{report:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}
