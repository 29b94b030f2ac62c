//! Any readable file becomes a faststart MP4 in one pass, without a change to its media.
//!
//! MP4 and MOV files are taken apart by their own tables: the new file gets a new `moov` in front, and the media is copied
//! inside the kernel. Everything else goes packet by packet through the same machinery as a recording.

mod aligned;
pub(crate) mod copy;
pub(crate) mod demuxed;
pub(crate) mod fast;
pub(crate) mod open;
mod parts;
pub(crate) mod tables;
pub(crate) mod target;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::record::finish::Method;
use crate::record::{PartReport, TrackReport};
use crate::source::Interrupt;

use open::Opened;

/// How to remux or clip.
#[derive(Clone, Debug)]
pub struct Options {
    /// Replace an output that exists.
    pub overwrite: bool,
    /// Stops the work: `Cancelled`, or `TimedOut` for its deadline; nothing is left behind.
    pub interrupt: Interrupt,
    /// Is told how far it is.
    pub progress: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            overwrite: false,
            interrupt: Interrupt::new(),
            progress: None,
        }
    }
}

/// How far some work is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Bytes of the input that are done.
    pub done: u64,
    /// Bytes to do.
    pub total: u64,
    /// Media that is done, where that is known.
    pub time: Duration,
}

/// Is told of progress some times a second and after each 32 MiB, on the thread that works.
#[derive(Clone)]
pub struct Observer(pub Arc<dyn Fn(Progress) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Which way a file went.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Way {
    /// By the input's own sample tables.
    Fast,
    /// Packet by packet.
    Demuxed,
}

impl Way {
    /// `fast` or `demuxed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Demuxed => "demuxed",
        }
    }
}

/// A track that is not in the output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dropped {
    /// Its codec, or what the input calls it.
    pub codec: String,
    /// Why.
    pub reason: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The files, in order. More than one when codec or resolution change on the way: see [`crate::record::manifest`].
    pub parts: Vec<PartReport>,
    /// The list of the parts, when there is more than one.
    pub manifest: Option<PathBuf>,
    /// Tracks that were left out.
    pub dropped: Vec<Dropped>,
    /// What else someone should know: damage that was found, times that were repaired, audio that was transcoded.
    pub notes: Vec<String>,
    /// How it was done.
    pub way: Way,
}

impl Report {
    /// Length of all parts.
    pub fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    /// Bytes of all parts.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// The tracks of the first part.
    pub fn tracks(&self) -> &[TrackReport] {
        self.parts.first().map_or(&[], |part| &part.tracks)
    }

    /// How the first part's `moov` got to the front.
    pub fn method(&self) -> Option<Method> {
        self.parts.first().and_then(|part| part.method)
    }
}

/// Makes the file `input` into the faststart MP4 `output`.
///
/// The output appears whole or not at all. It holds the first video track and up to eight audio tracks; from MP4 files, all
/// tracks of the codecs that we know. Audio that MP4 does not take is made into AAC.
///
/// # Errors
/// `InvalidInput` when the output exists (unless it may be replaced) or is the input; `NotFound`, `Refused` or `Storage` by the
/// operating system; `Malformed` when nothing can be read; `Unsupported` for containers and video codecs that we don't
/// take, and for encrypted media; `Cancelled` and `TimedOut` by the interrupt.
pub fn remux(input: &Path, output: &Path, options: &Options) -> Result<Report> {
    let opened = Opened::open(input)?;
    target::check(output, options.overwrite, Some(&opened.file))?;
    let report = fast::plan(&opened).and_then(|plan| match plan {
        Some(plan) => plan.write(&opened, output, options),
        None => demuxed::remux(&opened, output, demuxed::Wanted::All, options),
    });
    report.map_err(|error| error.context(format!("remux {}", input.display())))
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
