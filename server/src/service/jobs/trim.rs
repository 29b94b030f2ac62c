//! A span of a video: in place of it, beside it, or as a clip that costs no copy.

use std::path::Path;
use std::time::Duration;

use mediacore::record::manifest::{Manifest, part_path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Failure;
use super::audio::{AudioPayload, extract};
use super::import::names;
use super::run::{Done, Run};
use super::source::{Piece, Pieces, describe, micros, to_bytes, to_micros};
use crate::domain::time::Micros;
use crate::store::effects::{Effect, Media, Span};

/// What is to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrimPayload {
    /// Seconds.
    pub(crate) start: f64,
    /// Seconds.
    pub(crate) end: f64,
    /// The sound is made into a file, too.
    pub(crate) extract_audio: bool,
    /// A new video beside the old one.
    pub(crate) keep_original: bool,
    /// A new video that is a span of the old one's file.
    pub(crate) is_virtual: bool,
    /// `128k`.
    pub(crate) audio_bitrate: String,
    /// The new file's name in the storage folder.
    pub(crate) output: String,
    /// Where the sound goes.
    pub(crate) audio: Option<AudioPayload>,
}

/// What was made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct TrimResult {
    /// The file, relative to the storage folder.
    pub(crate) path: Option<String>,
    /// The sound, relative to the storage folder.
    pub(crate) audio_path: Option<String>,
    /// The video that shows the span.
    pub(crate) video_id: Option<i64>,
}

/// Makes it.
pub(super) async fn perform(run: &Run) -> Result<Done, Failure> {
    let payload: TrimPayload = run.payload()?;
    let id = run.job.video_id.unwrap_or_default();
    let store = &run.jobs.0.store;
    let found = Pieces::of(store, run.storage(), id).await?;
    let seconds = |value: f64| Duration::try_from_secs_f64(value).unwrap_or_default();
    let (from, to) = (seconds(payload.start), seconds(payload.end));
    if !payload.is_virtual && !payload.keep_original && store.clips_of(id).await? > 0 {
        return Err(Failure::Final(
            "Clips are cut from this video; keep the original".to_owned(),
        ));
    }
    let pieces = found.span(from, to);
    if pieces.is_empty() {
        return Err(Failure::Final("nothing is shown in this span".to_owned()));
    }
    let (here, plan, gaps) = (
        run.clone(),
        payload.clone(),
        cut_gaps(&found.video.gaps, from, to),
    );
    let video = found.video.clone();
    let (media, sound) = tokio::task::spawn_blocking(move || {
        let media = if plan.is_virtual {
            Media {
                file_name: video.file_name,
                file_size: 0,
                duration_us: to_micros(to - from),
                file_type: video.file_type,
                tracks: video.tracks,
                gaps,
                parts: Vec::new(),
            }
        } else {
            cut(&here, &pieces, &plan.output, gaps)?
        };
        let sound = match &plan.audio {
            Some(audio) => Some(extract(&here, &pieces, audio, 700, 990)?),
            None => None,
        };
        Ok::<_, Failure>((media, sound))
    })
    .await??;
    let result = TrimResult {
        path: (!payload.is_virtual).then(|| media.file_name.clone()),
        audio_path: sound.as_ref().map(|sound| sound.path.clone()),
        video_id: None,
    };
    let mut made = if payload.is_virtual {
        Vec::new()
    } else {
        names(&media)
    };
    made.extend(sound.iter().map(|sound| sound.path.clone()));
    let audio = payload
        .audio
        .as_ref()
        .zip(sound)
        .map(|(asked, sound)| (json!(asked), json!(sound)));
    let done = Done {
        made,
        ..Done::with(json!(result))
    };
    if payload.is_virtual || payload.keep_original {
        let base = micros(found.video.clip_from_us);
        let span = payload.is_virtual.then(|| Span {
            of: found.video.clip_of.unwrap_or(id),
            from_us: to_micros(base + from),
            to_us: to_micros(base + to),
        });
        let title = format!("{} (trimmed)", found.video.title);
        let effect = Effect::Add {
            like: id,
            title,
            media,
            span,
            audio,
        };
        return Ok(Done { effect, ..done });
    }
    replace(run, found, media, audio, done).await
}

/// The new file in place of the old one, which goes to the trash.
async fn replace(
    run: &Run,
    found: Pieces,
    media: Media,
    audio: Option<(Value, Value)>,
    done: Done,
) -> Result<Done, Failure> {
    let id = found.video.id;
    // A span of another video's file leaves that file alone.
    let mut old = match found.video.clip_of {
        Some(_) => Vec::new(),
        None => found.files,
    };
    old.extend(run.jobs.sound_files(id).await?);
    let effect = Effect::Replace {
        video: id,
        before: found.video.file_name,
        media,
        review: true,
        audio,
        old: old.clone(),
        purge_at: Micros::now().after(run.jobs.0.trash_life),
    };
    Ok(Done { effect, old, ..done })
}

/// Writes `pieces` as the file `output`, or as several with a manifest.
fn cut(run: &Run, pieces: &[Piece], output: &str, gaps: String) -> Result<Media, Failure> {
    let path = run.storage().join(output);
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut parts = Vec::new();
    let mut manifest = Manifest::default();
    let mut at = Duration::ZERO;
    for (piece, number) in pieces.iter().zip(1_u32..) {
        let to = part_path(&path, number);
        let end = piece.from + piece.length.unwrap_or_default();
        let share = 700 / i64::try_from(pieces.len()).unwrap_or(1).max(1);
        let before = share * i64::from(number - 1);
        let watch = run.watch(before, before + share);
        let made = run.workers().clip(&piece.path, &to, piece.from, end, &watch)?;
        manifest.push(&to, at, Some(made.length()));
        at += made.length();
        parts.push((name(&to), to_bytes(made.size()), to_micros(made.length())));
    }
    let first = describe(run, output, gaps)?;
    if parts.len() == 1 {
        return Ok(first);
    }
    let list = Manifest::path_for(&path);
    manifest.write(&list)?;
    Ok(Media {
        file_name: name(&list),
        file_size: parts.iter().map(|(_, size, _)| size).sum(),
        duration_us: to_micros(at),
        parts,
        ..first
    })
}

/// The gaps of a span, on its own timeline.
fn cut_gaps(gaps: &str, from: Duration, to: Duration) -> String {
    let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
    let mut kept = Vec::new();
    for mut gap in serde_json::from_str::<Vec<Value>>(gaps).unwrap_or_default() {
        let Some(at) = gap.get("at_s").and_then(Value::as_f64) else {
            continue;
        };
        if (from..to).contains(&at)
            && let Some(place) = gap.get_mut("at_s")
        {
            *place = json!(((at - from) * 1e6).round() / 1e6);
            kept.push(gap);
        }
    }
    Value::Array(kept).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_a_span_move_with_it() {
        let gaps = r#"[{"at_s":1.0,"length_s":2.0,"cause":"a"},{"at_s":5.5,"length_s":1.0,"cause":"b"}]"#;
        let s = Duration::from_secs;
        assert_eq!(
            cut_gaps(gaps, s(5), s(10)),
            r#"[{"at_s":0.5,"cause":"b","length_s":1.0}]"#
        );
        assert_eq!(cut_gaps("what?", s(0), s(1)), "[]");
    }
}
