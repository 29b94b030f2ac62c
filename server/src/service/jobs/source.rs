//! The files behind a video, and the file that a job reads.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use mediacore::codec::Kind;
use mediacore::probe::Report;

use super::Failure;
use super::run::Run;
use crate::domain::status::FileType;
use crate::store::Store;
use crate::store::effects::Media;
use crate::store::videos::Video;

/// A file, or a span of one, that is a piece of a video.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Piece {
    pub(crate) path: PathBuf,
    /// Where it begins in the file.
    pub(crate) from: Duration,
    /// How long it is; `None` for all of the file.
    pub(crate) length: Option<Duration>,
}

/// The pieces of a video in order, and its files relative to the storage folder.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    pub(crate) video: Video,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) files: Vec<String>,
}

/// The path of a name that the database has.
pub(crate) fn path_of(storage: &Path, name: &str) -> Option<PathBuf> {
    let inner = Path::new(name);
    let plain = inner
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (plain && !name.is_empty()).then(|| storage.join(inner))
}

impl Pieces {
    /// Those of a video. A span of another one is read out of that one's files.
    pub(super) async fn of(store: &Store, storage: &Path, id: i64) -> Result<Self, Failure> {
        let gone = || Failure::Final("Video not found".to_owned());
        let video = store.video(id).await?.ok_or_else(gone)?;
        let (owner, from, to) = match video.clip_of {
            Some(of) => (
                store.video(of).await?.ok_or_else(gone)?,
                micros(video.clip_from_us),
                Some(micros(video.clip_to_us)),
            ),
            None => (video.clone(), Duration::ZERO, None),
        };
        let parts = store.video_parts(owner.id).await?;
        let mut files = vec![owner.file_name.clone()];
        files.extend(parts.iter().map(|(name, ..)| name.clone()));
        let missing = |name: &str| Failure::Final(format!("Video file not found: {name}"));
        let path = |name: &str| path_of(storage, name).ok_or_else(|| missing(name));
        let mut pieces = Vec::new();
        if parts.is_empty() {
            pieces.push(Piece {
                path: path(&owner.file_name)?,
                from,
                length: to.map(|to| to.saturating_sub(from)),
            });
        } else {
            let mut at = Duration::ZERO;
            for (name, _, length) in &parts {
                let whole = Piece {
                    path: path(name)?,
                    from: Duration::ZERO,
                    length: Some(micros(Some(*length))),
                };
                let end = at + micros(Some(*length));
                pieces.extend(whole.cut(at, from, to.unwrap_or(end)));
                at = end;
            }
        }
        for piece in &pieces {
            if !tokio::fs::try_exists(&piece.path).await? {
                let name = piece.path.file_name().unwrap_or_default().to_string_lossy();
                return Err(missing(&name));
            }
        }
        Ok(Self { video, pieces, files })
    }

    /// The span of the video's own timeline from `from` to `to`.
    pub(super) fn span(&self, from: Duration, to: Duration) -> Vec<Piece> {
        let mut at = Duration::ZERO;
        let mut pieces = Vec::new();
        for piece in &self.pieces {
            pieces.extend(piece.cut(at, from, to));
            at += piece.length.unwrap_or_default();
        }
        pieces
    }
}

impl Piece {
    /// What of it lies between `from` and `to` on a timeline where it begins at `at`.
    fn cut(&self, at: Duration, from: Duration, to: Duration) -> Option<Self> {
        let start = from.saturating_sub(at);
        let end = match self.length {
            Some(length) => to.saturating_sub(at).min(length),
            None => to.saturating_sub(at),
        };
        (start < end).then(|| Self {
            path: self.path.clone(),
            from: self.from + start,
            length: Some(end - start),
        })
    }
}

/// A length that the database has.
pub(super) fn micros(value: Option<i64>) -> Duration {
    Duration::from_micros(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
}

/// A length as the database has it.
pub(crate) fn to_micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

/// A size as the database has it.
pub(crate) fn to_bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Whether a file shows pictures. Those inside of sound files are covers.
pub(crate) fn file_type(report: &Report) -> FileType {
    let sound = matches!(report.container.as_str(), "mp3" | "flac" | "wav" | "w64" | "aac");
    let pictures = report.tracks.iter().any(|track| track.kind == Some(Kind::Video));
    if pictures && !sound {
        FileType::Video
    } else {
        FileType::Audio
    }
}

/// What one finished file is.
pub(super) fn describe(run: &Run, name: &str, gaps: String) -> Result<Media, Failure> {
    let report = run.workers().probe(&run.storage().join(name), &run.interrupt)?;
    Ok(Media {
        file_name: name.to_owned(),
        file_size: to_bytes(report.size.unwrap_or(0)),
        duration_us: to_micros(report.duration.unwrap_or_default()),
        file_type: file_type(&report),
        tracks: crate::cli::tracks_json(&report),
        gaps,
        parts: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_several_files_is_cut_at_their_borders() {
        let s = Duration::from_secs;
        let piece = |from, length| Piece {
            path: "a".into(),
            from: s(from),
            length: Some(s(length)),
        };
        let whole = piece(10, 20);
        assert_eq!(whole.cut(s(0), s(5), s(8)), Some(piece(15, 3)));
        assert_eq!(whole.cut(s(100), s(90), s(110)), Some(piece(10, 10)));
        assert_eq!(whole.cut(s(100), s(110), s(200)), Some(piece(20, 10)));
        assert_eq!(whole.cut(s(100), s(0), s(100)), None);
        assert_eq!(whole.cut(s(100), s(120), s(130)), None);
    }

    #[test]
    fn names_stay_in_the_folder() {
        let storage = Path::new("/s");
        assert_eq!(path_of(storage, "a/b.mp4"), Some("/s/a/b.mp4".into()));
        for bad in ["", "../a", "/etc/passwd", "a/../../b", "."] {
            assert_eq!(path_of(storage, bad), None, "{bad}");
        }
    }
}
