//! Makes the table of faults from the results that the tests left: `fault_table COMMAND` writes it to standard output, and fails when a
//! row has no test that passed.
#![forbid(unsafe_code)]

use std::process::{Command, ExitCode};

use mediastack_tests::faults::table::{self, Place};
use mediastack_tests::faults::{ROWS, results};
use mediastack_tests::process::output_of;

fn main() -> ExitCode {
    let command = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "make faults".to_owned());
    let results = table::read(&results());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let place = Place {
        date: output_of(Command::new("date").args(["-u", "+%Y-%m-%d"]))
            .0
            .trim()
            .to_owned(),
        machine: format!("{cores} cores, Linux {}", kernel.trim()),
        command,
    };
    print!("{}", table::render(&results, &place));
    let missing = table::missing(&results, ROWS);
    for line in &missing {
        eprintln!("row {line}");
    }
    if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
