//! An uploaded file in another container becomes a faststart MP4, which can be played while it loads and packaged.

use std::path::Path;

use mediacore::probe::Report;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Failure;
use super::run::{Done, Run};
use super::source::{describe, file_type, path_of, to_bytes, to_micros};
use crate::domain::status::FileType;
use crate::domain::time::Micros;
use crate::store::effects::{Effect, Media};
use crate::worker::Made;

/// What is to be made.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ImportPayload {
    /// The new file's name in the storage folder.
    pub(crate) output: String,
}

/// Remuxes the file and puts the new one into its place.
pub(super) async fn perform(run: &Run) -> Result<Done, Failure> {
    let payload: ImportPayload = run.payload()?;
    let id = run.job.video_id.unwrap_or_default();
    let video = run.jobs.0.store.video(id).await?;
    let video = video.ok_or_else(|| Failure::Final("Video not found".to_owned()))?;
    let missing = || Failure::Final(format!("Video file not found: {}", video.file_name));
    let input = path_of(run.storage(), &video.file_name).ok_or_else(missing)?;
    let output = payload.output;
    let (look, here) = (input.clone(), run.clone());
    let probe = move || here.workers().probe(&look, &here.interrupt);
    let is_good = is_good(&tokio::task::spawn_blocking(probe).await??);
    if is_good {
        return Ok(Done::with(json!({})));
    }
    let gaps = video.gaps.clone();
    let here = run.clone();
    let (media, made) = tokio::task::spawn_blocking(move || {
        let to = here.storage().join(&output);
        let made = here.workers().remux(&input, &to, &here.watch(0, 990))?;
        let media = media(&here, &output, &made, gaps)?;
        Ok::<_, Failure>((media, made))
    })
    .await??;
    let dropped: Vec<String> = made
        .dropped
        .iter()
        .map(|dropped| format!("{}: {}", dropped.codec, dropped.reason))
        .collect();
    // What the new file lacks may be wanted back.
    let keep = if dropped.is_empty() {
        std::time::Duration::ZERO
    } else {
        run.jobs.0.trash_life
    };
    let old = vec![video.file_name.clone()];
    Ok(Done {
        result: json!({ "file": media.file_name, "dropped": dropped, "notes": made.notes }),
        made: names(&media),
        effect: Effect::Replace {
            video: id,
            before: video.file_name,
            media,
            review: false,
            audio: None,
            old: old.clone(),
            purge_at: Micros::now().after(keep),
        },
        old,
        useless: Vec::new(),
    })
}

/// Whether a file can stay as it is: pictures in an MP4 that plays while it loads, or sound in a file of sound.
pub(crate) fn is_good(report: &Report) -> bool {
    match (file_type(report), report.container.as_str()) {
        (_, "mp4") => report.faststart == Some(true) && report.fragmented != Some(true),
        (FileType::Audio, "mp3" | "wav" | "aac" | "flac") => true,
        _ => false,
    }
}

/// All files of it, relative to the storage folder.
pub(super) fn names(media: &Media) -> Vec<String> {
    let mut names = vec![media.file_name.clone()];
    names.extend(media.parts.iter().map(|(name, ..)| name.clone()));
    names
}

/// What was written as `output`, which is one file or a manifest with several.
fn media(run: &Run, output: &str, made: &Made, gaps: String) -> Result<Media, Failure> {
    let Some(manifest) = &made.manifest else {
        return describe(run, output, gaps);
    };
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let first = describe(run, output, gaps)?;
    let parts = made
        .files
        .iter()
        .map(|file| (name(&file.path), to_bytes(file.size), to_micros(file.length)));
    Ok(Media {
        file_name: name(manifest),
        file_size: to_bytes(made.size()),
        duration_us: to_micros(made.length()),
        parts: parts.collect(),
        ..first
    })
}
