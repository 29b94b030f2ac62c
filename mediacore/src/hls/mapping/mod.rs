//! The mapping JSON of nginx-vod-module as a [`Set`].
//!
//! Unknown keys are left alone. What is known and can't be what it says is a `BadMapping`; what the reference could do and
//! this packager does not (filters that encode anew, live sets, encrypted sources) is a `BadRequest` that says so.

mod clip;
mod json;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::language;
use super::refusal::{Reason, Refusal};
use super::set::{
    Bitrates, ClipSource, ClosedCaptions, MAX_CLIPS, MAX_SEQUENCES, Sequence, Set, Span, Timeline, TrackMask,
};
use crate::time::Millis;

use json::{array, boolean, length, millis, number, object, text};

/// The longest clip: 25 hours.
const MAX_CLIP: u64 = 90_000_000;

/// The longest timeline: ten days.
const MAX_TIMELINE: u64 = 864_000_000;

/// The shortest and the longest segment.
const SEGMENT: std::ops::RangeInclusive<u64> = 500..=600_000;

fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadMapping, detail)
}

impl Set {
    /// Reads a mapping.
    ///
    /// # Errors
    /// `EmptyMapping` for no bytes and for an empty path, `BadMapping` for what is no mapping or contradicts itself,
    /// `BadRequest` for clips that this packager can't play.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::new(Reason::EmptyMapping, "the mapping is empty"));
        }
        let root: Value =
            serde_json::from_slice(json).map_err(|error| bad(format!("the mapping is no JSON: {error}")))?;
        let Value::Object(root) = root else {
            return Err(bad("the mapping is no JSON object"));
        };
        let timeline = timeline(&root)?;
        let clips = timeline.as_ref().map_or(1, |timeline| timeline.durations.len());
        let sequences = array(&root, "sequences")?.ok_or_else(|| bad("the mapping has no sequences"))?;
        if sequences.is_empty() || sequences.len() > MAX_SEQUENCES {
            return Err(bad(format!(
                "{} sequences, where 1 to {MAX_SEQUENCES} can be",
                sequences.len()
            )));
        }
        let sequences = sequences.iter().enumerate();
        let sequences = sequences.map(|(place, value)| sequence(place, value, clips, timeline.is_some()));
        let segment_duration = length(&root, "segmentDuration")?;
        if let Some(duration) = segment_duration.filter(|duration| !SEGMENT.contains(&duration.0)) {
            return Err(bad(format!(
                "a segmentDuration of {} ms, where 500 to 600000 can be",
                duration.0
            )));
        }
        let mut set = Self {
            id: text(&root, "id")?.map(str::to_owned),
            sequences: sequences.collect::<Result<_, _>>()?,
            timeline,
            plain: false,
            segment_duration,
            span: Span {
                from: length(&root, "clipFrom")?.unwrap_or_default(),
                to: length(&root, "clipTo")?,
            },
            closed_captions: closed_captions(&root)?,
            reference_clip: match number(&root, "referenceClipIndex")? {
                Some(index) => usize::try_from(index).ok().and_then(|index| index.checked_sub(1)),
                None => None,
            },
        };
        set.plain = set.is_one_file();
        Ok(set)
    }

    /// Whether it says no more than where one file is.
    fn is_one_file(&self) -> bool {
        let [sequence] = &self.sequences[..] else {
            return false;
        };
        let [clip] = &sequence.clips[..] else { return false };
        let only = Sequence {
            clips: vec![clip.clone()],
            ..Sequence::default()
        };
        let file = matches!(&clip.source, ClipSource::File(_)) && clip.tracks == TrackMask::ALL;
        file && *sequence == only
            && clip.from == Millis::ZERO
            && clip.key_frames.is_none()
            && self.timeline.is_none()
            && self.span == Span::default()
            && self.closed_captions.is_none()
            && self.segment_duration.is_none()
    }
}

fn timeline(root: &Map<String, Value>) -> Result<Option<Timeline>, Refusal> {
    let Some(durations) = array(root, "durations")? else {
        return Ok(None);
    };
    match text(root, "playlistType")? {
        None | Some("vod") => {}
        Some(kind @ ("live" | "event")) => {
            return Err(Refusal::bad_request(format!(
                "live sets (playlistType {kind}) are not supported"
            )));
        }
        Some(kind) => return Err(bad(format!("the playlistType {kind:?} is none"))),
    }
    if durations.is_empty() || durations.len() > MAX_CLIPS {
        return Err(bad(format!(
            "{} durations, where 1 to {MAX_CLIPS} can be",
            durations.len()
        )));
    }
    let each = durations.iter().map(|value| match value.as_u64() {
        Some(ms @ 1..=MAX_CLIP) => Ok(Millis(ms)),
        _ => Err(bad(format!(
            "a duration of {value}, where 1 to {MAX_CLIP} ms can be"
        ))),
    });
    let durations: Vec<Millis> = each.collect::<Result<_, _>>()?;
    let whole = durations
        .iter()
        .fold(0_u64, |sum, clip| sum.saturating_add(clip.0));
    if whole > MAX_TIMELINE {
        return Err(bad(format!(
            "durations of {whole} ms in all, where {MAX_TIMELINE} can be"
        )));
    }
    let discontinuity = boolean(root, "discontinuity")?.unwrap_or(true);
    Ok(Some(Timeline {
        durations,
        discontinuity,
    }))
}

fn sequence(place: usize, value: &Value, clips: usize, timed: bool) -> Result<Sequence, Refusal> {
    let named = |refusal: Refusal| {
        Refusal::new(
            refusal.reason,
            format!("sequence {}: {}", place + 1, refusal.detail),
        )
    };
    read_sequence(value, clips, timed).map_err(named)
}

fn read_sequence(value: &Value, clips: usize, timed: bool) -> Result<Sequence, Refusal> {
    let Value::Object(sequence) = value else {
        return Err(bad("it is no object"));
    };
    let list = array(sequence, "clips")?.ok_or_else(|| bad("it has no clips"))?;
    if list.len() != clips && (list.len() != 1 || timed) {
        return Err(bad(format!("{} clips, where the set has {clips}", list.len())));
    }
    let language = match text(sequence, "language")? {
        Some(code) => language::known(code),
        None => None,
    };
    let numbered = list.iter().enumerate();
    let read = numbered.map(|(place, value)| {
        clip::read(value).map_err(|refusal| {
            Refusal::new(refusal.reason, format!("clip {}: {}", place + 1, refusal.detail))
        })
    });
    Ok(Sequence {
        uri: String::new(),
        id: text(sequence, "id")?.map(str::to_owned),
        language,
        label: text(sequence, "label")?.map(str::to_owned),
        default: boolean(sequence, "default")?,
        bitrate: bitrates(sequence, "bitrate")?,
        average_bitrate: bitrates(sequence, "avg_bitrate")?,
        clips: read.collect::<Result<_, _>>()?,
    })
}

fn bitrates(sequence: &Map<String, Value>, key: &str) -> Result<Bitrates, Refusal> {
    let Some(rates) = object(sequence, key)? else {
        return Ok(Bitrates::default());
    };
    let rate = |kind| number(rates, kind).map(|rate| rate.filter(|rate| *rate > 0));
    Ok(Bitrates {
        video: rate("v")?,
        audio: rate("a")?,
    })
}

fn closed_captions(root: &Map<String, Value>) -> Result<Option<Vec<ClosedCaptions>>, Refusal> {
    let Some(list) = array(root, "closedCaptions")? else {
        return Ok(None);
    };
    let each = list.iter().map(|value| {
        let Value::Object(entry) = value else {
            return Err(bad("closedCaptions holds something that is no object"));
        };
        let need = |key| text(entry, key)?.ok_or_else(|| bad(format!("closed captions without {key}")));
        Ok(ClosedCaptions {
            id: need("id")?.to_owned(),
            label: need("label")?.to_owned(),
            language: text(entry, "language")?.and_then(language::known),
            default: boolean(entry, "default")?,
        })
    });
    each.collect::<Result<_, _>>().map(Some)
}

/// A list of lengths of clips, key frames among them.
fn lengths(map: &Map<String, Value>, key: &str) -> Result<Option<Vec<Millis>>, Refusal> {
    let Some(list) = array(map, key)? else {
        return Ok(None);
    };
    let each = list.iter().map(|value| {
        millis(value)
            .filter(|ms| ms.0 <= MAX_CLIP)
            .ok_or_else(|| bad(format!("{key} holds {value}, which is no time in ms")))
    });
    each.collect::<Result<_, _>>().map(Some)
}
