//! Which samples of which files are in one segment.

use std::ops::Range;
use std::sync::Arc;

use super::frames::{CLOCK, Clock, Frames, Segment, Stream};
use super::name::Name;
use super::options::Options;
use super::pick::{self, File, Open, first_from, in_mask, numbered, selected};
use super::plan::Place;
use super::refusal::{Reason, Refusal};
use super::set::{Clip, Set, Shift, TrackMask};
use super::spans::{Spans, Stretch};
use super::title::{Title, TitleTrack};
use crate::codec::Kind;
use crate::mp4::TrackIndex;
use crate::time::{Millis, Ticks, TimeBase, Timescale};

/// What every part of a segment is made with.
pub(super) struct Selection<'a> {
    pub(super) name: &'a Name,
    pub(super) set: &'a Set,
    pub(super) spans: &'a Spans,
    pub(super) options: &'a Options,
    pub(super) open: &'a dyn Open,
    /// Samples that a cut file no longer has are taken for there.
    pub(super) as_declared: bool,
}

/// A track of one stretch, with the times between which its samples are taken.
struct Candidate {
    title: Arc<Title>,
    track: usize,
    /// Which clip of the timeline.
    clip: u32,
    clip_shift: Shift,
    /// When the clip ends on the timeline that is sent, in 90 kHz.
    clip_end: Option<i64>,
    /// In milliseconds of the file; `to` is `None` for what reaches to the end of the stretch.
    from: Millis,
    to: Option<Millis>,
    /// Where the stretch ends in the file.
    end: Option<Millis>,
    /// Where the stretch starts in the file, and on the timeline that is sent.
    start: Millis,
    base: Millis,
}

/// The samples of segment `number`, which stands at `places`.
///
/// # Errors
/// Those of opening files; `NoStreams` when the selection leaves no track, `BadRequest` when two of a kind are selected,
/// `BadData` when the file was cut and all samples of the segment are missing, `BadRequest` beyond the limits.
pub(super) fn segment(selection: &Selection<'_>, number: u32, places: &[Place]) -> Result<Segment, Refusal> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut origin = None;
    for place in places {
        let Some(span) = selection.spans.clips.get(place.clip) else {
            continue;
        };
        for (at, (candidates, shift_origin)) in stretches(selection, span, place)?.into_iter().enumerate() {
            if at == 0 && origin.is_none() {
                origin = Some(shift_origin);
            }
            add(selection, candidates, &mut streams);
        }
    }
    streams.sort_by_key(Stream::kind);
    if streams.is_empty() {
        return Err(Refusal::new(
            Reason::NoStreams,
            "no track of the media is selected that this can carry",
        ));
    }
    check(&mut streams, number, selection)?;
    let sequence_id = selected(selection.name, selection.set)?
        .first()
        .and_then(|(place, _)| selection.set.sequences.get(*place)?.id.clone());
    Ok(Segment {
        number,
        streams,
        origin: origin.unwrap_or_default().0,
        sequence_id,
    })
}

/// The tracks of each stretch of a place, in the order of time; with each stretch where it is on the set's own timeline.
fn stretches(
    selection: &Selection<'_>,
    span: &super::spans::ClipSpan,
    place: &Place,
) -> Result<Vec<(Vec<Candidate>, Millis)>, Refusal> {
    let mut found: Vec<(Vec<Candidate>, Millis)> = Vec::new();
    for (sequence, mask) in selected(selection.name, selection.set)? {
        let Some(sequence) = selection.set.sequences.get(sequence) else {
            continue;
        };
        let clip = span.clip(sequence)?;
        for (at, stretch) in span.stretches(clip, place.from, place.to).iter().enumerate() {
            let title = match selection.open.open(stretch.path)? {
                File::Title(title) => title,
                File::Captions(_) => continue,
                File::Empty => return Err(pick::empty()),
            };
            let candidates = candidates(
                selection,
                &title,
                clip,
                mask,
                stretch,
                span.base,
                place,
                sequence.language,
            );
            match found.get_mut(at) {
                Some((others, _)) => others.extend(candidates),
                None => found.push((candidates, span.origin.saturating_sub(span.base))),
            }
        }
    }
    for (candidates, _) in &mut found {
        candidates.sort_by_key(Candidate::kind);
        for kind in [Kind::Video, Kind::Audio] {
            if candidates
                .iter()
                .filter(|candidate| candidate.kind() == kind)
                .count()
                > 1
            {
                return Err(Refusal::bad_request(format!("two {kind} tracks are selected")));
            }
        }
    }
    Ok(found)
}

#[expect(clippy::too_many_arguments, reason = "each says one thing about the stretch")]
fn candidates(
    selection: &Selection<'_>,
    title: &Arc<Title>,
    clip: &Clip,
    mask: TrackMask,
    stretch: &Stretch<'_>,
    base: Millis,
    place: &Place,
    language: Option<crate::codec::Language>,
) -> Vec<Candidate> {
    let mask = mask.and(clip.tracks);
    let languages = &selection.name.languages;
    let in_file = |at: Millis| stretch.from.saturating_add(at.saturating_sub(stretch.at));
    let end = stretch.length.map(|length| stretch.from.saturating_add(length));
    let to = place.to.map(in_file).filter(|to| end.is_none_or(|end| *to < end));
    let timed = stretch.length.filter(|_| selection.set.timeline.is_some());
    let clip_end = timed.map(|length| clock(base.saturating_add(stretch.at).saturating_add(length)));
    let tracks = numbered(title, selection.name.what, selection.options);
    let wanted = tracks.filter(|(_, number, track)| {
        let spoken = || {
            language
                .or(track.language())
                .is_some_and(|language| languages.contains(&language))
        };
        in_mask(mask, track.kind(), *number)
            && (track.kind() == Kind::Video || languages.is_empty() || spoken())
            && (stretch.from == Millis::ZERO || track.duration > stretch.from)
    });
    wanted
        .map(|(track, _, _)| Candidate {
            title: Arc::clone(title),
            track,
            clip: u32::try_from(place.clip).unwrap_or(u32::MAX),
            clip_shift: clip.shift,
            clip_end,
            from: in_file(place.from.max(stretch.at)),
            to,
            end,
            start: stretch.from,
            base: base.saturating_add(stretch.at),
        })
        .collect()
}

impl Candidate {
    fn kind(&self) -> Kind {
        self.described().map_or(Kind::Video, TitleTrack::kind)
    }

    fn described(&self) -> Option<&TitleTrack> {
        self.title.tracks().get(self.track)
    }
}

/// One candidate with what is needed of its track at hand.
struct Cut<'a> {
    track: &'a TitleTrack,
    index: &'a TrackIndex,
    delay: Ticks,
    samples: Range<u32>,
    /// The first sample after the stretch.
    limit: u32,
    /// What is taken off every DTS.
    origin: Ticks,
}

/// Cuts the candidates of one stretch and appends what they have to the streams of their kind.
fn add(selection: &Selection<'_>, candidates: Vec<Candidate>, streams: &mut Vec<Stream>) {
    let align = selection.options.segmentation.align;
    let mut leader: Option<(Range<Ticks>, Option<Ticks>, Ticks, TimeBase)> = None;
    for candidate in &candidates {
        let Some(track) = candidate.described() else {
            continue;
        };
        let Some(index) = candidate.title.samples(track) else {
            continue;
        };
        let delay = if selection.options.ignore_edit_list {
            Ticks::ZERO
        } else {
            track.delay
        };
        let ticks = |at: Millis| at.floor_ticks(track.timescale).saturating_sub(delay);
        let limit = candidate
            .end
            .map_or(index.sample_count(), |end| first_from(index, ticks(end)));
        let first = first_from(index, ticks(candidate.from)).min(limit);
        let end = candidate.to.map(|to| first_from(index, ticks(to)).min(limit));
        let mut cut = Cut {
            track,
            index,
            delay,
            samples: first..end.unwrap_or(limit),
            limit,
            origin: origin(index, delay, candidate.start, track.timescale),
        };
        let aligned = align && track.kind() == Kind::Video && !index.all_sync();
        if aligned && leader.is_none() {
            leader = Some(lead(&mut cut, end, candidate));
        } else if let Some((range, until, origin, base)) = &leader {
            follow(&mut cut, range, *until, *origin, *base, candidate);
        }
        push(selection, candidate, &cut, leader.is_some(), streams);
    }
}

/// What is taken off the times of a clip that starts at `start` of its file: each track's first sample is at 0 then.
fn origin(index: &TrackIndex, delay: Ticks, start: Millis, scale: Timescale) -> Ticks {
    if start == Millis::ZERO {
        return Ticks::ZERO;
    }
    let ticks = start.floor_ticks(scale);
    let first = index.sample(first_from(index, ticks.saturating_sub(delay)));
    first.map_or(ticks, |sample| sample.dts.saturating_add(delay))
}

/// Moves the cut of the leading video to sync samples; gives the times that the other tracks follow.
fn lead(
    cut: &mut Cut<'_>,
    end: Option<u32>,
    candidate: &Candidate,
) -> (Range<Ticks>, Option<Ticks>, Ticks, TimeBase) {
    let index = cut.index;
    let sync_from = |number| index.sync_after(number).filter(|number| *number < cut.limit);
    let first = sync_from(cut.samples.start);
    let stop = end.and_then(sync_from);
    cut.samples = first.unwrap_or(cut.limit)..stop.unwrap_or(cut.limit);
    let time = |number: u32| {
        index
            .sample(number)
            .map(|sample| sample.dts.saturating_add(cut.delay))
    };
    let whole = index.end().saturating_add(cut.delay);
    let from = first.and_then(time).unwrap_or(whole);
    let until = stop.and_then(time);
    if candidate.start > Millis::ZERO {
        // A clip starts at a sync sample too.
        let clip = candidate
            .start
            .floor_ticks(cut.track.timescale)
            .saturating_sub(cut.delay);
        let clip = index.sync_after(first_from(index, clip)).and_then(time);
        cut.origin = clip.unwrap_or(cut.origin);
    }
    let range = if first.is_none() {
        Ticks(1)..Ticks(0)
    } else {
        from..until.unwrap_or(whole)
    };
    (range, until, cut.origin, cut.track.timescale.base())
}

/// Takes the samples between the leader's times.
fn follow(
    cut: &mut Cut<'_>,
    range: &Range<Ticks>,
    until: Option<Ticks>,
    origin: Ticks,
    base: TimeBase,
    candidate: &Candidate,
) {
    if range.start > range.end {
        cut.samples = 0..0;
        return;
    }
    let own = cut.track.timescale.base();
    let at = |time: Ticks| {
        first_from(
            cut.index,
            time.saturating_rescale(base, own).saturating_sub(cut.delay),
        )
    };
    cut.samples = at(range.start)..until.map_or(cut.limit, |until| at(until).min(cut.limit));
    if candidate.start > Millis::ZERO {
        let time = origin.saturating_rescale(base, own).saturating_sub(cut.delay);
        let first = cut.index.sample(first_from(cut.index, time));
        cut.origin = first.map_or(cut.origin, |sample| sample.dts.saturating_add(cut.delay));
    }
}

fn push(
    selection: &Selection<'_>,
    candidate: &Candidate,
    cut: &Cut<'_>,
    led: bool,
    streams: &mut Vec<Stream>,
) {
    let track = cut.track;
    let kind = track.kind();
    let shift = match kind {
        Kind::Video => candidate.clip_shift.video,
        Kind::Audio => candidate.clip_shift.audio,
    };
    let shift = clock(shift);
    let clock = Clock {
        scale: track.timescale,
        offset: cut.delay.saturating_sub(cut.origin).0,
        bias: i64::from(track.bias),
        base: clock(candidate.base).saturating_add(shift),
        shift: i64::from(selection.name.pts_delay),
    };
    let samples = cut.samples.start.min(cut.samples.end)..cut.samples.end;
    let frames = Frames {
        title: Arc::clone(&candidate.title),
        track: candidate.track,
        samples,
        clock,
        clip: candidate.clip,
        end: candidate.clip_end,
    };
    let start = match frames.iter().next() {
        Some(frame) => frame.dts,
        None if led && kind == Kind::Video => clock.time(cut.index.end().0),
        None => 0,
    };
    if let Some(stream) = streams.iter_mut().find(|stream| stream.kind() == kind) {
        if stream.is_empty() {
            stream.start = start;
        }
        stream.parts.push(frames);
        return;
    }
    let first = i64::from(track.first_composition).saturating_add(clock.bias);
    streams.push(Stream {
        title: Arc::clone(&candidate.title),
        track: candidate.track,
        initial_delay: clock.rescale(first).saturating_add(shift),
        start,
        parts: vec![frames],
    });
}

/// Milliseconds on the 90 kHz clock.
fn clock(at: Millis) -> i64 {
    at.floor_ticks(CLOCK).0
}

fn check(streams: &mut [Stream], number: u32, selection: &Selection<'_>) -> Result<(), Refusal> {
    let limits = &selection.options.limits;
    let frames: usize = streams.iter().map(Stream::len).sum();
    if frames > usize::try_from(limits.segment_frames).unwrap_or(usize::MAX) {
        let text = format!(
            "{frames} samples in one segment, where {} are allowed",
            limits.segment_frames
        );
        return Err(Refusal::bad_request(text));
    }
    let mut bytes = 0_u64;
    for part in streams.iter_mut().flat_map(|stream| &mut stream.parts) {
        let length = part.title.source().length();
        let Some(index) = part.index() else { continue };
        let cut = !selection.as_declared && index.media_range().end > length;
        let mut end = part.samples.end;
        for sample in index.samples(part.samples.clone()) {
            if cut && sample.end() > length {
                end = sample.number;
                break;
            }
            bytes = bytes.saturating_add(u64::from(sample.size));
        }
        part.samples.end = end;
    }
    if frames > 0 && streams.iter().all(Stream::is_empty) {
        let text = format!(
            "the file was cut: nothing of segment {} is left",
            u64::from(number) + 1
        );
        return Err(Refusal::new(Reason::BadData, text));
    }
    if bytes > limits.segment_bytes {
        let text = format!(
            "{bytes} bytes in one segment, where {} are allowed",
            limits.segment_bytes
        );
        return Err(Refusal::bad_request(text));
    }
    Ok(())
}
