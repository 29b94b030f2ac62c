//! The `mediastack` binary: records live streams to MP4 files that cannot be lost, and works on the files.
#![forbid(unsafe_code)]

mod app;
mod cli;
mod config;
mod domain;
mod fault;
mod http;
mod listen;
mod log;
mod metrics;
mod service;
mod store;
mod vod;
mod worker;

fn main() -> std::process::ExitCode {
    cli::main()
}
