//! One clip of a sequence.

use serde_json::{Map, Value};

use super::json::{array, length, signed, text};
use super::{MAX_TIMELINE, bad, lengths};
use crate::hls::refusal::{Reason, Refusal};
use crate::hls::set::{Clip, ClipSource, KeyFrames, MAX_CLIPS, Shift, TrackMask};
use crate::time::Millis;

pub(super) fn read(value: &Value) -> Result<Clip, Refusal> {
    let Value::Object(clip) = value else {
        return Err(bad("it is no object"));
    };
    let kind = text(clip, "type")?.ok_or_else(|| bad("it has no type"))?;
    let source = match kind {
        "source" => file(clip)?,
        "concat" => concat(clip)?,
        "rateFilter" | "gainFilter" | "mixFilter" | "silence" => {
            let text = format!("{kind} would need the media to be encoded anew, which is not supported");
            return Err(Refusal::bad_request(text));
        }
        "dynamic" => return Err(Refusal::bad_request("dynamic clips are not supported")),
        other => return Err(Refusal::bad_request(format!("{other:?} is no type of clip"))),
    };
    for key in ["encryptionKey", "encryptionIv", "encryptionScheme"] {
        if text(clip, key)?.is_some() {
            return Err(Refusal::bad_request("encrypted source files are not supported"));
        }
    }
    let tracks = match text(clip, "tracks")? {
        None => TrackMask::ALL,
        Some(list) => TrackMask::parse(list).ok_or_else(|| bad(format!("tracks can't be {list:?}")))?,
    };
    let first = signed(clip, "firstKeyFrameOffset")?.unwrap_or(0);
    let durations = lengths(clip, "keyFrameDurations")?;
    Ok(Clip {
        source,
        tracks,
        from: length(clip, "clipFrom")?.unwrap_or_default(),
        shift: Shift::default(),
        key_frames: durations.map(|durations| KeyFrames { first, durations }),
    })
}

fn file(clip: &Map<String, Value>) -> Result<ClipSource, Refusal> {
    match text(clip, "path")? {
        None => Err(bad("it has no path")),
        Some("") => Err(Refusal::new(Reason::EmptyMapping, "its path is empty")),
        Some(path) => Ok(ClipSource::File(path.to_owned())),
    }
}

fn concat(clip: &Map<String, Value>) -> Result<ClipSource, Refusal> {
    if array(clip, "clipIds")?.is_some() {
        return Err(Refusal::bad_request("concat by clipIds is not supported"));
    }
    let paths = array(clip, "paths")?.ok_or_else(|| bad("a concat without paths"))?;
    let durations = lengths(clip, "durations")?.ok_or_else(|| bad("a concat without durations"))?;
    if paths.is_empty() || paths.len() > MAX_CLIPS || paths.len() != durations.len() {
        return Err(bad(format!(
            "{} paths with {} durations",
            paths.len(),
            durations.len()
        )));
    }
    let base = text(clip, "basePath")?.unwrap_or_default();
    let each = paths.iter().map(|path| match path.as_str() {
        None => Err(bad(format!("the path {path} is no text"))),
        Some("") => Err(Refusal::new(Reason::EmptyMapping, "a path is empty")),
        Some(path) => Ok([base, path].concat()),
    });
    Ok(ClipSource::Concat {
        paths: each.collect::<Result<_, _>>()?,
        durations,
        offset: Millis(
            length(clip, "offset")?
                .unwrap_or(Millis::ZERO)
                .0
                .min(MAX_TIMELINE),
        ),
    })
}
