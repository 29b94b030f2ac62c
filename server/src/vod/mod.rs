//! `mediastack vod`: a packaging location of its own, in place of nginx with nginx-vod-module.
//!
//! ```text
//! connection ─▶ Service ─▶ Target (path) ─▶ Set (file or mapping) ─▶ Packager ─▶ Layout ─▶ conditions, ranges ─▶ Body
//! ```
//! A service keeps three things: opened files by identity, mappings (those of files while the file is the same, those of an
//! upstream server for five seconds), and the texts of playlists as long as no file or mapping behind them changes. A file
//! that was replaced is noticed at the next request. Segments are never kept; they are cheap to make again.
//!
//! # What differs from nginx-vod-module
//!
//! Under the preset `nginx-vod` playlists, keys and the bytes of clear MPEG-TS are those of the reference, and so are its
//! status codes. `tests/tests/scenarios/hls_reference.rs` asks for 3 600 captured answers and holds this list to account.
//! What differs, and why:
//!
//! | what | the reference | here | why |
//! |---|---|---|---|
//! | fragmented MP4 | 400, 404 | packaged like any other | recordings are fragmented while they run |
//! | a file that was cut (its `moov` is whole, media is missing) | 200 and a body that ends early | what is left is packaged; a segment of which nothing is left is 404; a file that shrinks while it is sent ends the connection | a cache keeps a short 200 as if it were whole |
//! | video alone in fMP4, with B-frames | late by the delay of the B-frames | in time with the audio | the delay is counted twice |
//! | `output_iv` with MPEG-TS and AES-128 | prints an IV of zero that is not the one in use | prints none | the first 16 bytes of every segment decrypt wrong |
//! | audio in several codecs | all variants point at the same playlist | each at its own | the variant plays another codec than it says |
//! | `align_pts` with B-frames | sound before pictures in the first segment, a PCR that wrapped | in order | times below zero are compared as huge ones |
//! | `manifest_duration_policy min` | I-frames beyond the last segment | none | the segment does not hold them |
//! | `master.m3u8` of the location itself | the worker crashes | 403 | |
//! | several ranges of a segment | a body that is short or broken | `multipart/byteranges` as RFC 9110 has it | |
//! | `ETag` | date and length, or length alone | of the files' identities, the request and the options | other content of the same length looked unchanged |
//! | `If-Modified-Since` | must be the very date | that date or a later one | RFC 9110 |
//! | `Range` on HEAD | a part | the whole | RFC 9110: a range is for GET |
//! | bodies of errors | HTML | `application/problem+json` with the reason | |
//! | live and event sets, playback rate, filters that encode | served | 400 with the reason | not built |
//! | remote media, `sample-aes-cenc`, DRM, `vod_fallback_upstream_location` | served | an error at start | not built |

pub(crate) mod answer;
mod body;
pub(crate) mod condition;
mod directives;
pub(crate) mod files;
mod library;
mod mappings;
mod problem;
mod range;
mod responses;
mod service;
mod target;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use mediacore::hls::{self, Refusal};
use mediacore::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) use directives::Settings;

use crate::listen::{self, Limits};

use library::Library;
use mappings::Mappings;
use service::Cors;

pub(crate) use body::Body;
pub(crate) use service::Service;

/// Threads that may wait for a disk or an upstream server.
const BLOCKING_THREADS: usize = 64;

/// Bytes of the longest manifest of a recording's parts.
const MAX_MANIFEST: u64 = 4 << 20;

/// What a server is started with.
#[derive(Debug)]
pub(crate) struct Options {
    /// The directory of the media, or of the mappings.
    pub(crate) root: PathBuf,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// What URLs start with.
    pub(crate) location: String,
    /// Mappings are looked up.
    pub(crate) mapped: bool,
    /// Mappings come from this address instead of `root`.
    pub(crate) mapping_upstream: Option<String>,
    /// The directory of the media of mappings; `root` when not given.
    pub(crate) media_root: Option<PathBuf>,
    /// How it packages.
    pub(crate) settings: Settings,
    /// Who may read answers from scripts of other sites: an origin, or `*`.
    pub(crate) cors: Option<String>,
    /// Threads that serve connections.
    pub(crate) workers: usize,
    /// What connections may cost.
    pub(crate) limits: Limits,
}

/// Serves until `stop` is told so; `started` hears the address.
///
/// # Errors
/// When the address can't be listened on, a directory is not there, or an option makes no sense.
pub(crate) fn run(
    options: Options,
    stop: watch::Receiver<bool>,
    started: impl FnOnce(SocketAddr),
) -> Result<()> {
    let mut builder = if options.workers > 1 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(options.workers);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder
        .enable_all()
        .thread_name("vod")
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| Error::storage("start the server's threads", error))?;
    let (listen, limits) = (options.listen, options.limits.clone());
    let service = Arc::new(service(options)?);
    let served = runtime.block_on(async move {
        let failed = |error| {
            let what = format!("listen on {listen}");
            Error::new(ErrorKind::InvalidInput, what).with_source(error)
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        started(listener.local_addr().map_err(failed)?);
        // On a worker, not on this thread, which only waits.
        tokio::spawn(listen::serve(listener, service, limits, stop))
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "the server ended").with_source(error))
    });
    // Reads that hang in a dead disk are left behind.
    runtime.shutdown_background();
    served
}

fn service(options: Options) -> Result<Service> {
    let Settings {
        options: packaging,
        headers,
        mapped,
        ..
    } = options.settings;
    let invalid = |text: &str| Error::new(ErrorKind::InvalidInput, text);
    if mapped.is_some_and(|mapped| mapped != options.mapped) {
        return Err(invalid("--option vod_mode says something else than --mapped"));
    }
    if !options.mapped && (options.mapping_upstream.is_some() || options.media_root.is_some()) {
        return Err(invalid("--mapping-upstream and --media-root need --mapped"));
    }
    let location = location(&options.location)?;
    let (library, mappings) = if options.mapped {
        let limit = packaging.limits.mapping;
        let mappings = match &options.mapping_upstream {
            Some(base) => Mappings::of_upstream(base, limit)?,
            None => Mappings::of_files(&options.root, limit)?,
        };
        let media = options.media_root.as_deref().unwrap_or(&options.root);
        (Library::of_mappings(media)?, mappings)
    } else {
        let manifests = Mappings::of_files(&options.root, MAX_MANIFEST)?;
        (Library::of_location(&options.root, &location)?, manifests)
    };
    let cors = match options.cors.as_deref() {
        None => None,
        Some("*") => Some(Cors::Any),
        Some(origin) => {
            Some(Cors::Origin(HeaderValue::from_str(origin).map_err(|_| {
                invalid("--cors is an origin, https://example.com, or *")
            })?))
        }
    };
    Ok(Service::new(
        packaging,
        headers,
        location,
        library,
        mappings,
        options.mapped,
        cors,
    ))
}

/// The packaging location of a server that has others beside it: the files of `root` under our own preset, readable by pages of any site.
///
/// # Errors
/// When there is no such directory.
pub(crate) fn location_of(root: &Path, prefix: &str) -> Result<Service> {
    let settings = Settings::mediastack();
    Ok(Service::new(
        settings.options,
        settings.headers,
        prefix.to_owned(),
        Library::of_location(root, prefix)?,
        Mappings::of_files(root, MAX_MANIFEST)?,
        false,
        Some(Cors::Any),
    ))
}

/// The files that a request's path names, relative to the directory of the location `prefix`.
///
/// # Errors
/// When the path can't be read or is not of the location.
pub(crate) fn files_of(path: &str, prefix: &str) -> std::result::Result<Vec<String>, Refusal> {
    let target = target::Target::parse(path, prefix, &hls::Options::mediastack())?;
    let names = target
        .mapping_paths()
        .map(|path| path.trim_start_matches('/').to_owned());
    Ok(names.collect())
}

/// A URL prefix with a leading and no trailing slash; empty for the root.
fn location(text: &str) -> Result<String> {
    let inner = text.trim_matches('/');
    if inner.split('/').any(|part| part == ".." || part == ".") || inner.contains(['?', '#', '%', '\0']) {
        let text = format!("{text:?} is no URL prefix");
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    Ok(if inner.is_empty() {
        String::new()
    } else {
        format!("/{inner}")
    })
}
