//! What server and worker say to each other: one JSON object in a line each.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mediacore::probe::Report;
use mediacore::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use crate::config::Sandbox;

/// The first line that a worker reads, and the only one but for [`Work::Pictures`].
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Request {
    /// The process that waits for the answer.
    pub(super) parent: u32,
    pub(super) sandbox: Sandbox,
    pub(super) limits: Limits,
    pub(super) work: Work,
}

/// What a worker is to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work {
    /// Only to confine itself.
    Nothing,
    /// To say what a file is.
    Probe { input: Place },
    /// To give what a file shows at a moment as JPEG.
    Thumbnail {
        input: Place,
        at: Option<Duration>,
        width: Option<u32>,
    },
    /// To give what films show as JPEG, one after the other: each is a line with a [`Frame`] and its bytes.
    Pictures,
    /// To make a faststart MP4 of a file.
    Remux { input: Place, output: Place },
    /// To cut a span out of a file.
    Clip {
        input: Place,
        output: Place,
        from: Duration,
        to: Duration,
    },
    /// To make a sound file of a file.
    Audio {
        input: Place,
        output: Place,
        bitrate: Option<u32>,
    },
}

impl Work {
    /// The file that it reads and the one that it writes.
    pub(super) fn paths(&self) -> (Option<&Path>, Option<&Path>) {
        match self {
            Self::Nothing | Self::Pictures => (None, None),
            Self::Probe { input } | Self::Thumbnail { input, .. } => (Some(&input.0), None),
            Self::Remux { input, output }
            | Self::Clip { input, output, .. }
            | Self::Audio { input, output, .. } => (Some(&input.0), Some(&output.0)),
        }
    }

    /// What it is, for people.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Probe { .. } => "probe",
            Self::Thumbnail { .. } => "thumbnail",
            Self::Pictures => "picture",
            Self::Remux { .. } => "remux",
            Self::Clip { .. } => "clip",
            Self::Audio { .. } => "audio",
        }
    }
}

/// A film of one key frame that a picture is to be made of.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Frame {
    /// Bytes of the film, which follow.
    pub(super) bytes: usize,
    /// Pixels of the picture.
    pub(super) width: u32,
}

/// A path, which need not be text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub(super) struct Place(pub(super) PathBuf);

impl From<Vec<u8>> for Place {
    fn from(bytes: Vec<u8>) -> Self {
        Self(OsString::from_vec(bytes).into())
    }
}

impl From<Place> for Vec<u8> {
    fn from(place: Place) -> Self {
        place.0.into_os_string().into_vec()
    }
}

/// A line of a worker: how it is confined, how far it is any number of times, and how it ended.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// It did not read a byte of media yet.
    Confined(Confined),
    /// Bytes of the input that are done, bytes to do, and media that is done.
    Progress(u64, u64, Duration),
    /// A good end.
    Done(Done),
    /// A bad end.
    Failed(Failed),
}

/// What holds a worker.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Confined {
    /// It can make only the system calls of its list.
    pub(super) calls: bool,
    /// It can open only its input and its folder.
    pub(super) files: bool,
}

/// What came of the work.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Done {
    /// The worker ends, and takes no more.
    Nothing,
    Probed(Report),
    /// JPEG, in base64.
    Picture(String),
    Written(Written),
}

/// What was written. The files have the names that belong to the output's, and nobody takes a name from a worker.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Written {
    /// Where each file begins on the timeline of all, and how long it is.
    pub(super) files: Vec<(Duration, Duration)>,
    /// Codec and reason of tracks that are left out.
    pub(super) dropped: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

/// An error, with all its levels.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Failed {
    kind: ErrorKind,
    /// From the outermost to the first cause.
    levels: Vec<String>,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let mut levels = vec![error.to_string()];
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            levels.push(cause.to_string());
            next = cause.source();
        }
        Self {
            kind: error.kind(),
            levels,
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let mut levels = failed.levels.into_iter().rev();
        let first = Self::new(failed.kind, levels.next().unwrap_or_default());
        levels.fold(first, Self::context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_same_on_the_other_side() {
        let cause = std::io::Error::from_raw_os_error(28);
        let error = Error::storage("write a.mp4", cause).context("remux a.ts");
        let line = serde_json::to_string(&Reply::Failed(Failed::from(&error))).unwrap();
        let Reply::Failed(failed) = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        let told = Error::from(failed);
        assert_eq!(
            (told.kind(), told.to_string(), told.report()),
            (error.kind(), error.to_string(), error.report())
        );
    }

    #[test]
    fn a_path_that_is_no_text_arrives() {
        let place = Place("/a/b".into());
        let odd = Place::from(b"/a/\xff.ts".to_vec());
        for place in [place, odd] {
            let line = serde_json::to_string(&place).unwrap();
            let told: Place = serde_json::from_str(&line).unwrap();
            assert_eq!(told.0, place.0);
        }
    }
}
