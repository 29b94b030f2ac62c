//! The command line: every command is a call into mediacore, an answer, and an exit code.

mod answer;
mod audio;
mod clip;
mod duration;
mod exit;
mod fsck;
mod hooks;
mod import;
mod json;
mod output;
mod probe;
mod progress;
mod record;
mod recover;
mod remux;
mod serve;
mod signals;
mod thumbnail;
mod usage;
mod user;
mod vod;
mod work;

use std::process::ExitCode;

use clap::{ArgAction, FromArgMatches, Parser, Subcommand};
use mediacore::Result;

use crate::log;
use answer::Answer;
pub(crate) use probe::tracks_json;

/// Records live streams to MP4 files that cannot be lost, and works on the files.
#[derive(Debug, Parser)]
#[command(name = "mediastack", disable_version_flag = true, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object on standard output at the end, on failure too
    #[arg(long, global = true)]
    json: bool,
    /// What to log on standard error: error, warn, info, debug, trace or a tracing filter [default: RUST_LOG or warn; serve: log_level]
    #[arg(long, global = true, value_name = "LEVEL", hide_short_help = true)]
    log: Option<String>,
    /// Print the versions of mediastack and of the libav libraries in use
    #[arg(long, short = 'V', action = ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Record(record::Arguments),
    Recover(recover::Arguments),
    Remux(remux::Arguments),
    Clip(clip::Arguments),
    Audio(audio::Arguments),
    Thumbnail(thumbnail::Arguments),
    Probe(probe::Arguments),
    Vod(vod::Arguments),
    Serve(serve::Arguments),
    Config(serve::ConfigArguments),
    User(user::Arguments),
    Import(import::Arguments),
    Fsck(fsck::Arguments),
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// Read media for a server that asks on standard input
    #[command(hide = true)]
    Worker,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    // The text lives as long as the program.
    let version: &'static str = Box::leak(mediacore::version().into_boxed_str());
    let command = <Cli as clap::CommandFactory>::command().version(version);
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let json = cli.json;
    let started = match cli.command {
        // How a server logs is a setting.
        Command::Serve(_) => Ok(()),
        _ => log::start(
            cli.log.as_deref(),
            log::Format::Text,
            None,
            progress::LogWriter::default,
        ),
    };
    let answer = started
        .and_then(|()| mediacore::check_libraries())
        .and_then(|()| run(cli));
    answer.unwrap_or_else(Answer::failed).print(json)
}

fn run(cli: Cli) -> Result<Answer> {
    match cli.command {
        Command::Record(arguments) => record::run(&arguments, cli.json),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Remux(arguments) => remux::run(&arguments, cli.json),
        Command::Clip(arguments) => clip::run(&arguments, cli.json),
        Command::Audio(arguments) => audio::run(&arguments, cli.json),
        Command::Thumbnail(arguments) => thumbnail::run(&arguments, cli.json),
        Command::Probe(arguments) => probe::run(&arguments, cli.json),
        Command::Vod(arguments) => vod::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments, cli.log),
        Command::Config(arguments) => serve::config(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Fsck(arguments) => fsck::run(&arguments),
        Command::Openapi => serve::openapi(),
        Command::Worker => {
            crate::worker::main();
            Ok(Answer::new(&(), String::new()))
        }
    }
}
