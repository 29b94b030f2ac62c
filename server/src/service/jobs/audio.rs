//! The sound of a video as a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Failure;
use super::run::{Done, Run};
use super::source::{Piece, Pieces, to_bytes};
use crate::worker::Watch;

/// What is to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct AudioPayload {
    /// `mp3`, `m4a`, `opus`, `flac` or `wav`.
    pub(crate) format: String,
    /// `128k`.
    pub(crate) bitrate: String,
    /// The file, relative to the storage folder.
    pub(crate) output: String,
}

/// What was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct AudioResult {
    /// The file, relative to the storage folder.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) size: i64,
}

impl AudioPayload {
    /// Sound in `format` at `bitrate`, in a file that nobody has.
    pub(crate) fn new(format: &str, bitrate: &str) -> Self {
        Self {
            format: format.to_owned(),
            bitrate: bitrate.to_owned(),
            output: format!("audio/{}.{format}", uuid::Uuid::now_v7()),
        }
    }

    /// Bits per second; formats without loss have none.
    fn rate(&self) -> Option<u32> {
        let rate = self.bitrate.strip_suffix('k')?.parse::<u32>().ok()?;
        (!matches!(self.format.as_str(), "flac" | "wav")).then(|| rate.saturating_mul(1000))
    }
}

/// Makes it.
pub(super) async fn perform(run: &Run) -> Result<Done, Failure> {
    let payload: AudioPayload = run.payload()?;
    let id = run.job.video_id.unwrap_or_default();
    let found = Pieces::of(&run.jobs.0.store, run.storage(), id).await?;
    let here = run.clone();
    let made =
        tokio::task::spawn_blocking(move || extract(&here, &found.pieces, &payload, 0, 1000)).await??;
    Ok(Done {
        made: vec![made.path.clone()],
        ..Done::with(json!(made))
    })
}

/// Writes the sound of `pieces`; progress goes from `from` to `to` of 1000.
pub(super) fn extract(
    run: &Run,
    pieces: &[Piece],
    payload: &AudioPayload,
    from: i64,
    to: i64,
) -> Result<AudioResult, Failure> {
    let output = run.storage().join(&payload.output);
    let watch = run.watch(from, to);
    let sound = |input: &Path| run.workers().audio(input, &output, payload.rate(), &watch);
    let size = match pieces {
        [
            Piece {
                path, length: None, ..
            },
        ] => sound(path)?.size(),
        [piece] => {
            let scratch = Scratch(output.with_extension("span.mp4"));
            span(run, piece, &scratch.0)?;
            sound(&scratch.0)?.size()
        }
        _ if payload.format == "mp3" => joined(run, pieces, &output, payload.rate(), &watch)?,
        _ => {
            return Err(Failure::Final(
                "the sound of a recording in several files can be extracted as mp3 only".to_owned(),
            ));
        }
    };
    Ok(AudioResult {
        path: payload.output.clone(),
        size: to_bytes(size),
    })
}

/// The frames of several MP3 files one after the other, in a file with a new header.
fn joined(
    run: &Run,
    pieces: &[Piece],
    output: &Path,
    rate: Option<u32>,
    watch: &Watch,
) -> Result<u64, Failure> {
    let all = Scratch(output.with_extension("all.mp3"));
    let mut file = fs::File::create(&all.0)?;
    for piece in pieces {
        let (part, cut) = (
            Scratch(output.with_extension("part.mp3")),
            Scratch(output.with_extension("span.mp4")),
        );
        span(run, piece, &cut.0)?;
        run.workers().audio(&cut.0, &part.0, rate, watch)?;
        std::io::copy(&mut fs::File::open(&part.0)?, &mut file)?;
    }
    drop(file);
    // Without a rate it is copied.
    Ok(run.workers().audio(&all.0, output, None, watch)?.size())
}

fn span(run: &Run, piece: &Piece, output: &Path) -> Result<(), Failure> {
    let end = piece.from + piece.length.unwrap_or_default();
    let watch = Watch {
        progress: None,
        ..run.watch(0, 0)
    };
    run.workers().clip(&piece.path, output, piece.from, end, &watch)?;
    Ok(())
}

/// A file on the way, removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
