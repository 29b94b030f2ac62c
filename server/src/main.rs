//! The `mediastack` binary: records live streams to MP4 files that cannot be lost, and works on the files.
#![forbid(unsafe_code)]

mod cli;
mod vod;

fn main() -> std::process::ExitCode {
    cli::main()
}
