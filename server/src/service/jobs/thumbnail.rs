//! The picture of a video: from its middle.

use std::time::Duration;

use mediacore::ErrorKind;
use mediacore::codec::Kind;
use serde::Deserialize;
use serde_json::json;

use super::Failure;
use super::run::{Done, Run};
use super::source::Pieces;
use crate::domain::status::FileType;
use crate::service::pictures;
use crate::store::effects::Effect;

/// Pixels of the widest picture: what a page of many shows.
const WIDTH: u32 = 1280;

/// What is asked for.
#[derive(Default, Deserialize)]
struct Payload {
    /// The video shows something else now: a picture that it has is one of what it showed.
    #[serde(default)]
    anew: bool,
}

/// Makes it. Sound alone has none, and that is no failure. One that a person chose stays.
pub(super) async fn perform(run: &Run) -> Result<Done, Failure> {
    let id = run.job.video_id.unwrap_or_default();
    let found = Pieces::of(&run.jobs.0.store, run.storage(), id).await?;
    let asked: Payload = serde_json::from_str(&run.job.payload).unwrap_or_default();
    if found.video.file_type == FileType::Audio || (found.video.thumbnail.is_some() && !asked.anew) {
        return Ok(without());
    }
    let length: Duration = found.pieces.iter().filter_map(|piece| piece.length).sum();
    let half = match (found.pieces.as_slice(), length.is_zero()) {
        (_, false) => found.span(length / 2, length).into_iter().next(),
        (pieces, true) => pieces.first().cloned(),
    };
    let Some(piece) = half else {
        return Ok(without());
    };
    let folder = run.storage().join("thumbnails");
    let name = format!("thumb_{}.jpg", uuid::Uuid::now_v7());
    let output = folder.join(&name);
    let here = run.clone();
    let made = tokio::task::spawn_blocking(move || {
        let (workers, interrupt) = (here.workers(), &here.interrupt);
        let report = workers.probe(&piece.path, interrupt)?;
        let pictures = report.tracks.iter().find(|track| track.kind == Some(Kind::Video));
        let Some(pictures) = pictures else {
            return Ok(false);
        };
        let middle = match piece.length {
            Some(_) => Some(piece.from),
            None => report.duration.map(|length| length / 2),
        };
        let width = (pictures.width > WIDTH).then_some(WIDTH);
        let picture = match workers.thumbnail(&piece.path, middle, width, interrupt) {
            // The middle may be damaged, or beyond what the container calls its end.
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::InvalidInput) => {
                workers.thumbnail(&piece.path, None, width, interrupt)?
            }
            done => done?,
        };
        pictures::write(&output, &picture)?;
        Ok::<_, Failure>(true)
    })
    .await??;
    if !made {
        return Ok(without());
    }
    let before = found.video.thumbnail;
    Ok(Done {
        result: json!({ "thumbnail": name }),
        made: vec![format!("thumbnails/{name}")],
        effect: Effect::Thumbnail {
            video: id,
            before: before.clone(),
            name,
        },
        old: Vec::new(),
        useless: before
            .map(|name| format!("thumbnails/{name}"))
            .into_iter()
            .collect(),
    })
}

fn without() -> Done {
    Done::with(json!({}))
}
