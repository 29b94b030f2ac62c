//! `mediastack serve`, `mediastack config`, `mediastack openapi`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use mediacore::{Error, ErrorKind, Result};
use serde::Serialize;
use tokio::sync::watch;

use super::answer::Answer;
use super::output;
use super::signals::Caught;
use super::vod::raise_file_limit;
use crate::app::App;
use crate::config::{self, Config, Values};
use crate::log::{self, Ring};

/// Where the configuration comes from
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// A TOML file with settings; `mediastack config check` shows them all
    #[arg(long, value_name = "FILE", env = "MEDIASTACK_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of everything that the server keeps [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Run the server: REST API, schedules, library, playback
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Where to listen [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Look at the configuration
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings in effect and where each comes from, secrets as ***; every mistake is reported at once
    Check(Place),
}

#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
}

const DONE: View = View { status: "completed" };

pub(super) fn load(place: &Place, mut flags: Vec<(&'static str, String)>) -> Result<(Config, Values)> {
    if let Some(folder) = &place.data_dir {
        flags.push(("data_dir", folder.to_string_lossy().into_owned()));
    }
    config::load(place.config.as_deref(), &flags)
        .map_err(|mistakes| Error::new(ErrorKind::InvalidInput, mistakes.to_string()))
}

pub(super) fn failed(error: anyhow::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("{error:#}"))
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let workers = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 16);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .thread_name("serve")
        .max_blocking_threads(128)
        .build()
        .map_err(|error| Error::storage("start the server's threads", error))
}

/// Bytes of the newest lines of the log that are kept for the pages.
const KEPT_LOG: usize = 4 << 20;

/// Serves until a signal comes. `level` is what the flag `--log` says.
pub(crate) fn run(arguments: &Arguments, level: Option<String>) -> Result<Answer> {
    let mut flags = Vec::new();
    flags.extend(arguments.listen.map(|address| ("listen", address.to_string())));
    flags.extend(level.map(|level| ("log_level", level)));
    let (config, _) = load(&arguments.place, flags)?;
    let lines = Arc::new(Ring::new(KEPT_LOG));
    let level = Some(config.log_level.as_str()).filter(|level| !level.is_empty());
    log::start(level, config.log_format, Some(&lines), std::io::stderr)?;
    raise_file_limit();
    mediacore::memory::forget_loading();
    mediacore::process::keep_files();
    let (stop, stopped) = watch::channel(false);
    let _watch = Caught::new()?.watch(move || {
        stop.send_replace(true);
    })?;
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let app = App::build(config, lines, stopped).await?;
        app.serve(|address| {
            output::note(&format!("mediastack: listening on http://{address}"));
        })
        .await
    });
    // Reads that hang in a dead disk are left behind.
    runtime.shutdown_background();
    served.map_err(failed)?;
    Ok(Answer::new(&DONE, String::new()))
}

/// `mediastack config check`.
pub(crate) fn config(arguments: &ConfigArguments) -> Result<Answer> {
    let ConfigCommand::Check(place) = &arguments.command;
    let (_, values) = load(place, Vec::new())?;
    Ok(Answer::new(&DONE, values.to_string().trim_end().to_owned()))
}

/// `mediastack openapi`.
pub(crate) fn openapi() -> Result<Answer> {
    let document = crate::http::document();
    let text = document
        .to_pretty_json()
        .map_err(|cause| Error::new(ErrorKind::Internal, "write the document").with_source(cause))?;
    Ok(Answer::new(&document, text))
}
