//! From selectors to tracks.

use std::sync::Arc;

use super::{File, Open, Pick, Picked, PickedCaptions};
use crate::codec::{Codec, Kind, Language};
use crate::hls::language;
use crate::hls::name::{Name, SequenceName, What};
use crate::hls::options::{Container, Options};
use crate::hls::refusal::{Reason, Refusal};
use crate::hls::set::{Sequence, Set, TrackMask};
use crate::hls::spans::{ClipSpan, Spans, Stretch};
use crate::hls::title::{Title, TitleTrack};
use crate::time::Millis;

/// Sequences and the tracks of each that a request selects, before files are opened.
pub(in crate::hls) fn selected(name: &Name, set: &Set) -> Result<Vec<(usize, TrackMask)>, Refusal> {
    let usual = match name.what {
        What::Master => TrackMask::ALL,
        _ => TrackMask::FIRST,
    };
    let mut found: Vec<(usize, TrackMask)> = Vec::new();
    for (place, sequence) in set.sequences.iter().enumerate() {
        let mut mask = None;
        for selector in &name.selectors {
            let named = match &selector.sequence {
                None => true,
                Some(SequenceName::Place(wanted)) => usize::try_from(*wanted) == Ok(place),
                Some(SequenceName::Id(wanted)) => sequence.id.as_ref() == Some(wanted),
            };
            if named {
                let tracks = selector.tracks.unwrap_or(usual);
                mask = Some(mask.map_or(tracks, |before: TrackMask| TrackMask {
                    video: before.video | tracks.video,
                    audio: before.audio | tracks.audio,
                }));
            }
        }
        match mask {
            Some(mask) => found.push((place, mask)),
            // A plain file has no other sequence that could be meant.
            None if name.selectors.is_empty() || set.plain => found.push((place, usual)),
            None => {}
        }
    }
    if found.is_empty() {
        return Err(Refusal::bad_request("no sequence of the set is selected"));
    }
    if found.len() > 2 && name.what == What::Index {
        return Err(too_many(found.len()));
    }
    Ok(found)
}

/// For a file without a byte.
pub(in crate::hls) fn empty() -> Refusal {
    Refusal::bad_request("the file is empty")
}

fn too_many(sequences: usize) -> Refusal {
    Refusal::bad_request(format!("{sequences} sequences where two at most can be combined"))
}

/// Whether a track of `codec` takes part in what is asked for.
fn accepts(codec: Codec, what: What, options: &Options) -> bool {
    match (codec, what) {
        (
            Codec::Av1 | Codec::Flac | Codec::Opus | Codec::Vp9,
            What::Segment {
                container: Container::Ts,
                ..
            },
        ) => false,
        (Codec::Vp9, _) => false,
        (Codec::Opus, _) => options.opus,
        _ => true,
    }
}

/// The tracks of `title` that take part, each with its number of its kind, from 1.
pub(in crate::hls) fn numbered<'a>(
    title: &'a Title,
    what: What,
    options: &'a Options,
) -> impl Iterator<Item = (usize, u32, &'a TitleTrack)> {
    let mut counts = [0_u32; 2];
    title
        .tracks()
        .iter()
        .enumerate()
        .filter_map(move |(place, track)| {
            if !accepts(track.codec(), what, options) {
                return None;
            }
            let [video, audio] = &mut counts;
            let count = if track.kind() == Kind::Video { video } else { audio };
            *count += 1;
            Some((place, *count, track))
        })
}

/// Whether track `number` of `kind` is in the mask.
pub(in crate::hls) fn in_mask(mask: TrackMask, kind: Kind, number: u32) -> bool {
    let bits = if kind == Kind::Video {
        mask.video
    } else {
        mask.audio
    };
    (1..=64).contains(&number) && bits >> (number - 1) & 1 == 1
}

/// Opens the files of the clip `span`, which describes the set, and picks the tracks.
///
/// # Errors
/// Those of `open`; `BadRequest` (`NoStreams` for a segment) when no track is left, `BadRequest` when two of a kind are
/// selected for anything but a multivariant playlist.
pub(in crate::hls) fn pick(
    name: &Name,
    set: &Set,
    spans: &Spans,
    span: ClipSpan,
    options: &Options,
    open: &dyn Open,
) -> Result<Picked, Refusal> {
    let mut picked = Picked {
        sequences: set.sequences.len(),
        ..Picked::default()
    };
    for (place, mask) in selected(name, set)? {
        let Some(sequence) = set.sequences.get(place) else {
            continue;
        };
        let clip = span.clip(sequence)?;
        let stretch = span.described(clip)?;
        match open.open(stretch.path)? {
            File::Empty if name.what == What::Index && options.mirrored.empty_files => return Ok(picked),
            File::Empty => return Err(empty()),
            File::Captions(captions) => {
                let end = captions.length().saturating_sub(stretch.from);
                let language = sequence.language.or(Some(Language::new("eng")));
                if wanted(&name.languages, language) {
                    picked.captions.push(PickedCaptions {
                        sequence: place,
                        language,
                        label: label(sequence, language),
                        from: stretch.from,
                        later: clip.shift.subtitles,
                        duration: stretch.length.map_or(end, |length| end.min(length)),
                        captions,
                    });
                }
            }
            File::Title(title) => {
                let mask = mask.and(clip.tracks);
                let found = tracks(name, place, sequence, mask, &title, &stretch, options);
                picked.tracks.extend(found);
            }
        }
    }
    finish(picked, name, spans)
}

fn tracks(
    name: &Name,
    place: usize,
    sequence: &Sequence,
    mask: TrackMask,
    title: &Arc<Title>,
    stretch: &Stretch<'_>,
    options: &Options,
) -> Vec<Pick> {
    let mut found = Vec::new();
    for (at, number, track) in numbered(title, name.what, options) {
        let kind = track.kind();
        if !in_mask(mask, kind, number) {
            continue;
        }
        let language = sequence.language.or(track.language());
        if kind == Kind::Audio && !wanted(&name.languages, language) {
            continue;
        }
        // A track that ends before the clip starts is not part of it.
        let left = track.duration.saturating_sub(stretch.from);
        if left == Millis::ZERO && stretch.from > Millis::ZERO {
            continue;
        }
        let (bitrate, average) = match kind {
            Kind::Video => (sequence.bitrate.video, sequence.average_bitrate.video),
            Kind::Audio => (sequence.bitrate.audio, sequence.average_bitrate.audio),
        };
        found.push(Pick {
            sequence: place,
            number,
            title: Arc::clone(title),
            track: at,
            duration: stretch.length.map_or(left, |length| left.min(length)),
            language,
            label: label(sequence, language),
            bitrate: bitrate.unwrap_or(track.bitrate),
            average_bitrate: average,
        });
    }
    found.sort_by_key(|pick| pick.kind());
    found
}

fn wanted(languages: &[Language], language: Option<Language>) -> bool {
    languages.is_empty() || language.is_some_and(|language| languages.contains(&language))
}

fn label(sequence: &Sequence, language: Option<Language>) -> Option<String> {
    let native = || language.and_then(language::native_name).map(str::to_owned);
    sequence.label.clone().or_else(native)
}

fn finish(mut picked: Picked, name: &Name, spans: &Spans) -> Result<Picked, Refusal> {
    let captions = matches!(
        name.what,
        What::Segment {
            container: Container::Vtt,
            ..
        }
    );
    let empty = if captions {
        picked.captions.is_empty()
    } else {
        picked.is_empty()
    };
    if empty {
        let text = "no track of the media is selected that this can carry";
        return Err(match name.what {
            What::Segment { .. } => Refusal::new(Reason::NoStreams, text),
            _ => Refusal::bad_request(text),
        });
    }
    if name.what == What::Master && picked.tracks.is_empty() {
        return Err(Refusal::bad_request(
            "subtitles alone make no multivariant playlist",
        ));
    }
    if name.what != What::Master {
        for kind in [Kind::Video, Kind::Audio] {
            if picked.of(kind).count() > 1 {
                return Err(Refusal::bad_request(format!("two {kind} tracks are selected")));
            }
        }
        // Video leads, whichever sequence it comes from.
        picked.tracks.sort_by_key(Pick::kind);
    }
    let media = || picked.tracks.iter().map(|pick| pick.duration);
    let cues = || picked.captions.iter().map(|pick| pick.duration);
    let of_media = !captions && !picked.tracks.is_empty();
    let (longest, shortest) = match of_media {
        true => (
            media().max(),
            media().filter(|length| *length > Millis::ZERO).min(),
        ),
        false => (cues().max(), cues().filter(|length| *length > Millis::ZERO).min()),
    };
    picked.length = longest.unwrap_or_default();
    picked.shortest = shortest.unwrap_or_default();
    if let Some(timeline) = &spans.timeline {
        let whole = timeline
            .durations
            .iter()
            .fold(Millis::ZERO, |sum, clip| sum.saturating_add(*clip));
        (picked.length, picked.shortest) = (whole, whole);
    }
    Ok(picked)
}
