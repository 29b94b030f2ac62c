//! Which stretch of which file stands where on a set's timeline.

use super::refusal::{Reason, Refusal};
use super::set::{Clip, ClipSource, Sequence, Set, Timeline};
use crate::time::Millis;

/// A set's clips, cut to the span that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    /// One for each clip that is left; exactly one without a timeline.
    pub(super) clips: Vec<ClipSpan>,
    /// The lengths of what is left, when the set says lengths.
    pub(super) timeline: Option<Timeline>,
}

/// What is left of one clip.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClipSpan {
    /// Which of the sequence's clips.
    pub(super) clip: usize,
    /// How much of its beginning is cut off.
    pub(super) from: Millis,
    /// How long the rest is; `None` to the end of the media.
    pub(super) length: Option<Millis>,
    /// Where it starts on the timeline that is sent.
    pub(super) base: Millis,
    /// Where it starts on the timeline of the whole set.
    pub(super) origin: Millis,
}

/// A stretch of one file within a clip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'a> {
    /// The file.
    pub(super) path: &'a str,
    /// Where in the file the stretch starts.
    pub(super) from: Millis,
    /// Where it starts within what is left of the clip.
    pub(super) at: Millis,
    /// How long it is; `None` to the end of the file.
    pub(super) length: Option<Millis>,
}

impl Spans {
    /// Cuts the clips of `set`.
    ///
    /// # Errors
    /// `BadRequest` when nothing is left.
    pub(super) fn of(set: &Set) -> Result<Self, Refusal> {
        let (from, to) = (set.span.from, set.span.to);
        if to.is_some_and(|to| to <= from) {
            return Err(Refusal::bad_request(format!(
                "a clip from {} ms that ends before",
                from.0
            )));
        }
        let Some(timeline) = &set.timeline else {
            let length = to.map(|to| to.saturating_sub(from));
            let clip = ClipSpan {
                clip: 0,
                from,
                length,
                base: Millis::ZERO,
                origin: Millis::ZERO,
            };
            return Ok(Self {
                clips: vec![clip],
                timeline: None,
            });
        };
        let mut clips = Vec::with_capacity(timeline.durations.len());
        let mut durations = Vec::with_capacity(timeline.durations.len());
        let (mut at, mut base) = (Millis::ZERO, Millis::ZERO);
        for (clip, duration) in timeline.durations.iter().enumerate() {
            let end = at.saturating_add(*duration);
            let start = at.max(from);
            let length = end.min(to.unwrap_or(end)).saturating_sub(start);
            if length > Millis::ZERO {
                clips.push(ClipSpan {
                    clip,
                    from: start.saturating_sub(at),
                    length: Some(length),
                    base,
                    origin: start,
                });
                durations.push(length);
                base = base.saturating_add(length);
            }
            at = end;
        }
        if clips.is_empty() {
            let text = format!("a clip from {} ms of a timeline of {} ms", from.0, at.0);
            return Err(Refusal::bad_request(text));
        }
        let discontinuity = timeline.discontinuity;
        Ok(Self {
            clips,
            timeline: Some(Timeline {
                durations,
                discontinuity,
            }),
        })
    }

    /// The clip whose files describe the whole.
    pub(super) fn reference(&self, set: &Set) -> Result<ClipSpan, Refusal> {
        let wanted = set
            .reference_clip
            .and_then(|wanted| self.clips.iter().find(|span| span.clip == wanted));
        wanted
            .or(self.clips.last())
            .copied()
            .ok_or_else(|| Refusal::bad_request("a set without clips"))
    }
}

impl ClipSpan {
    /// This clip of `sequence`.
    pub(super) fn clip<'a>(&self, sequence: &'a Sequence) -> Result<&'a Clip, Refusal> {
        // A single clip without a timeline stands for each of them.
        let clip = sequence.clips.get(self.clip).or(match &sequence.clips[..] {
            [only] => Some(only),
            _ => None,
        });
        clip.ok_or_else(|| {
            Refusal::new(
                Reason::BadMapping,
                format!("a sequence without clip {}", self.clip + 1),
            )
        })
    }

    /// The stretches of files that make up the part `from..to` of what is left of `clip`.
    pub(super) fn stretches<'a>(&self, clip: &'a Clip, from: Millis, to: Option<Millis>) -> Vec<Stretch<'a>> {
        let skip = self.from.saturating_add(clip.from);
        match &clip.source {
            ClipSource::File(path) => vec![Stretch {
                path,
                from: skip,
                at: Millis::ZERO,
                length: self.length,
            }],
            ClipSource::Concat {
                paths,
                durations,
                offset,
            } => {
                let mut found = Vec::new();
                // Positions on the concatenation's own timeline, of which the clip starts at `skip`.
                let mut at = *offset;
                let count = paths.len().min(durations.len());
                for (number, (path, duration)) in (1..).zip(paths.iter().zip(durations)) {
                    let end = at.saturating_add(*duration);
                    let start = at.max(skip);
                    let stop = self
                        .length
                        .map_or(end, |length| end.min(skip.saturating_add(length)));
                    // The file in which the clip ends has no end of its own: segments may reach to its next sync sample.
                    let last = stop < end || number == count;
                    let place = start.saturating_sub(skip);
                    let length = stop.saturating_sub(start);
                    let reaches = length > Millis::ZERO && place.saturating_add(length) > from;
                    if reaches && to.is_none_or(|to| place < to) {
                        found.push(Stretch {
                            path,
                            from: start.saturating_sub(at),
                            at: place,
                            length: (!last).then_some(length),
                        });
                    }
                    at = end;
                }
                found
            }
        }
    }

    /// The file that describes `clip` in manifests: the last one that is played.
    pub(super) fn described<'a>(&self, clip: &'a Clip) -> Result<Stretch<'a>, Refusal> {
        let last = self.stretches(clip, Millis::ZERO, None).pop();
        last.ok_or_else(|| Refusal::bad_request("nothing is left of the clip"))
    }
}
