//! An uploaded file in another container becomes a faststart MP4, which can be played while it loads and packaged.

use std::path::Path;

use mediacore::probe::{Report, probe};
use mediacore::remux::{self, remux};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Failure;
use super::run::{Done, Run};
use super::source::{describe, file_type, path_of, to_bytes, to_micros};
use crate::domain::status::FileType;
use crate::domain::time::Micros;
use crate::store::effects::{Effect, Media};

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
    let (look, interrupt) = (input.clone(), run.interrupt.clone());
    let is_good =
        tokio::task::spawn_blocking(move || Ok::<_, Failure>(is_good(&probe(&look, &interrupt)?))).await??;
    if is_good {
        return Ok(Done::with(json!({})));
    }
    let gaps = video.gaps.clone();
    let here = run.clone();
    let (media, report) = tokio::task::spawn_blocking(move || {
        let report = remux(&input, &here.storage().join(&output), &here.options(0, 990))?;
        let media = media(&here, &output, &report, gaps)?;
        Ok::<_, Failure>((media, report))
    })
    .await??;
    let dropped: Vec<String> = report
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
        result: json!({ "file": media.file_name, "dropped": dropped, "notes": report.notes }),
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
fn media(run: &Run, output: &str, report: &remux::Report, gaps: String) -> Result<Media, Failure> {
    let Some(manifest) = &report.manifest else {
        return describe(run.storage(), output, gaps, &run.interrupt);
    };
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let first = describe(run.storage(), output, gaps, &run.interrupt)?;
    let parts = report
        .parts
        .iter()
        .map(|part| (name(&part.path), to_bytes(part.size), to_micros(part.duration)));
    Ok(Media {
        file_name: name(manifest),
        file_size: to_bytes(report.size()),
        duration_us: to_micros(report.duration()),
        parts: parts.collect(),
        ..first
    })
}
