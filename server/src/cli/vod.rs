//! `mediastack vod`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mediacore::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::sync::watch;

use super::answer::Answer;
use super::output;
use super::signals::Caught;
use crate::listen::Limits;
use crate::vod::{self, Settings};

/// Package MP4 files as HLS on request, as nginx with nginx-vod-module does
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of the media; with --mapped that of the mappings
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What URLs start with, as nginx's location
    #[arg(long, value_name = "/PREFIX", default_value = "/")]
    location: String,
    /// The path names a mapping (JSON) that names the media
    #[arg(long)]
    mapped: bool,
    /// Get mappings from this address instead of --root; the path is appended
    #[arg(long, value_name = "URL")]
    mapping_upstream: Option<String>,
    /// The directory of the media that mappings name [default: --root]
    #[arg(long, value_name = "DIR")]
    media_root: Option<PathBuf>,
    /// The defaults: of nginx-vod-module, or ours
    #[arg(long, value_name = "PRESET", default_value = "nginx-vod")]
    preset: Preset,
    /// A directive of nginx-vod-module, such as vod_segment_duration=4000; can be repeated
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Let scripts of this origin, or of all with *, read the answers
    #[arg(long, value_name = "ORIGIN")]
    cors: Option<String>,
    /// Threads that serve [default: one for each processor]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Connections at a time; more wait
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), hide_short_help = true)]
    max_connections: u32,
    /// Seconds for a request's headers, also the longest pause between two requests of a connection
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), hide_short_help = true)]
    header_timeout: u64,
    /// Seconds without a byte taken by the client
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400), hide_short_help = true)]
    send_timeout: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// What nginx-vod-module does by default
    NginxVod,
    /// Cut at sync samples, true durations, nothing obsolete
    Mediastack,
}

#[derive(Debug, Serialize)]
struct View {
    status: &'static str,
}

/// Serves until a signal comes.
pub(crate) fn run(arguments: &Arguments) -> Result<Answer> {
    let mut settings = match arguments.preset {
        Preset::NginxVod => Settings::nginx_vod(),
        Preset::Mediastack => Settings::mediastack(),
    };
    for directive in &arguments.options {
        settings.set(directive)?;
    }
    for name in &settings.idle {
        output::note(&format!("mediastack: --option {name} has no effect here"));
    }
    raise_file_limit();
    let workers = match arguments.workers {
        Some(workers) => usize::from(workers),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let options = vod::Options {
        root: arguments.root.clone(),
        listen: arguments.listen,
        location: arguments.location.clone(),
        mapped: arguments.mapped,
        mapping_upstream: arguments.mapping_upstream.clone(),
        media_root: arguments.media_root.clone(),
        settings,
        cors: arguments.cors.clone(),
        workers,
        limits: Limits {
            connections: usize::try_from(arguments.max_connections).unwrap_or(usize::MAX),
            headers: Duration::from_secs(arguments.header_timeout),
            stalled: Duration::from_secs(arguments.send_timeout),
            ..Limits::default()
        },
    };
    let (stop, stopped) = watch::channel(false);
    let _watch = Caught::new()?.watch(move || {
        stop.send_replace(true);
    })?;
    vod::run(options, stopped, |address| {
        output::note(&format!("mediastack: listening on http://{address}"));
    })?;
    Ok(Answer::new(&View { status: "completed" }, String::new()))
}

/// Every connection and every opened file is a descriptor; the usual limit is meant for programs with few.
pub(super) fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Then the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, raised);
}
