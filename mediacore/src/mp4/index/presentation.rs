//! Edit lists: when a track's samples are shown on the movie's timeline.

use crate::time::{Ticks, Timescale};

/// One entry of an `elst` (ISO/IEC 14496-12, 8.6.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edit {
    /// How long it lasts, in the movie's ticks; zero in fragmented files means to the end.
    pub duration: Ticks,
    /// The composition time at which it starts, in the track's ticks; `None` for an empty edit, in which nothing is shown.
    pub media_time: Option<Ticks>,
    /// Speed as 16.16 fixed point: `0x0001_0000` is normal, zero is a still picture.
    pub rate: i32,
}

/// The usual edit list (empty edits, then one media edit at normal speed) in the track's ticks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Presentation {
    /// Movie time minus composition time: later when the track starts with silence, earlier for its B-frame delay or
    /// encoder priming.
    pub shift: Ticks,
    /// Samples that end at or before this composition time are decoded, not shown; `None` when nothing is trimmed.
    pub start: Option<Ticks>,
    /// Samples from this composition time on are not shown; `None` when nothing is trimmed.
    pub end: Option<Ticks>,
}

impl Presentation {
    /// The movie time of a composition time, in the track's ticks, pinned to the ends of the range.
    pub fn time(&self, pts: Ticks) -> Ticks {
        pts.saturating_add(self.shift)
    }

    /// Whether any part of a sample is shown.
    pub fn shows(&self, pts: Ticks, duration: Ticks) -> bool {
        self.start
            .is_none_or(|start| pts.saturating_add(duration) > start || pts >= start)
            && self.end.is_none_or(|end| pts < end)
    }

    /// `None` when the list has another form: several media edits, another speed, or nothing but empty edits.
    pub(super) fn of(edits: &[Edit], movie: Timescale, track: Timescale) -> Option<Self> {
        let empty = edits.iter().take_while(|edit| edit.media_time.is_none());
        let media = edits.get(empty.clone().count()..).unwrap_or_default();
        let edit = match media {
            [] if edits.is_empty() => return Some(Self::default()),
            [edit] if edit.rate == 1 << 16 => edit,
            _ => return None,
        };
        let start = edit.media_time?;
        let delay = empty.fold(Ticks::ZERO, |sum, edit| sum.saturating_add(edit.duration));
        let delay = delay.rescale(movie.base(), track.base())?;
        let length = edit.duration.rescale(movie.base(), track.base())?;
        Some(Self {
            shift: delay.checked_sub(start)?,
            start: Some(start),
            end: if length > Ticks::ZERO {
                Some(start.checked_add(length)?)
            } else {
                None
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(duration: i64, media_time: Option<i64>) -> Edit {
        Edit {
            duration: Ticks(duration),
            media_time: media_time.map(Ticks),
            rate: 1 << 16,
        }
    }

    fn of(edits: &[Edit]) -> Option<Presentation> {
        Presentation::of(edits, Timescale::MILLIS, Timescale::MPEG)
    }

    #[test]
    fn a_delay_and_a_trim_become_one_shift() {
        let shown = of(&[edit(500, None), edit(2000, Some(1024))]).unwrap();
        assert_eq!(shown.shift, Ticks(45_000 - 1024));
        assert_eq!(shown.time(Ticks(1024)), Ticks(45_000));
        assert!(!shown.shows(Ticks(0), Ticks(1024)));
        assert!(shown.shows(Ticks(0), Ticks(1025)));
        assert!(shown.shows(Ticks(181_023), Ticks(1024)));
        assert!(!shown.shows(Ticks(181_024), Ticks(1024)));
    }

    #[test]
    fn no_edits_change_nothing_and_a_zero_length_has_no_end() {
        assert_eq!(of(&[]), Some(Presentation::default()));
        assert_eq!(of(&[edit(0, Some(0))]).unwrap().end, None);
    }

    #[test]
    fn other_forms_are_not_guessed() {
        assert_eq!(of(&[edit(1, Some(0)), edit(1, Some(9))]), None);
        assert_eq!(of(&[edit(1, None)]), None);
        let slow = Edit {
            rate: 1 << 15,
            ..edit(1, Some(0))
        };
        assert_eq!(of(&[slow]), None);
        assert_eq!(of(&[edit(i64::MAX, None), edit(1, Some(0))]), None);
    }
}
