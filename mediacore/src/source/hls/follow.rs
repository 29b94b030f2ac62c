//! [`Follower`]: which segment of a media playlist comes next, and when to look at the playlist again.
//!
//! Pure: playlists and times go in, steps come out. Waiting, fetching and retrying are the driver's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::limits;
use super::playlist::{Media, Segment};
use crate::source::Loss;

/// What to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Fetch this segment.
    Segment(Segment),
    /// Media is missing here.
    Gap(Loss),
    /// The origin began anew: timestamps and codecs may change.
    Restart,
    /// Read the playlist again, not before this instant.
    Reload(Instant),
    /// Nothing more comes; whether the playlist says so.
    End {
        /// `EXT-X-ENDLIST` was there.
        complete: bool,
    },
}

/// Where a recording begins in a live playlist.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Start {
    /// Three target durations before its end (RFC 8216, 6.3.3).
    #[default]
    Edge,
    /// With the oldest segment that it names.
    Window,
}

/// The state of following one media playlist.
#[derive(Debug)]
pub(crate) struct Follower {
    start: Start,
    target: Duration,
    queue: VecDeque<Queued>,
    /// Number of the first segment that was never queued; `None` before the first playlist.
    next: Option<u64>,
    /// The newest segments that were queued, to tell an old copy of the playlist from a restarted origin.
    seen: VecDeque<(u64, String)>,
    ended: bool,
    reload_at: Instant,
    /// When a segment was last new.
    fresh_at: Instant,
    /// When the playlist was last read: one that can't be read does not stand still.
    read_at: Instant,
}

#[derive(Debug)]
enum Queued {
    Segment(Segment),
    Gap(Loss),
    Restart,
}

/// How many segments are remembered by name.
const SEEN: usize = 64;

impl Follower {
    pub(crate) fn new(start: Start, now: Instant) -> Self {
        Self {
            start,
            target: limits::TARGET.0,
            queue: VecDeque::new(),
            next: None,
            seen: VecDeque::new(),
            ended: false,
            reload_at: now,
            fresh_at: now,
            read_at: now,
        }
    }

    /// The playlist's target duration, clamped.
    pub(crate) fn target(&self) -> Duration {
        self.target
    }

    /// Whether the playlist has not ended.
    pub(crate) fn is_live(&self) -> bool {
        !self.ended
    }

    /// Takes a playlist whose request was sent at `asked`.
    pub(crate) fn update(&mut self, playlist: Media, asked: Instant) {
        self.target = playlist.target;
        self.read_at = asked;
        self.ended = playlist.ended;
        let changed = match self.next {
            None => self.begin(playlist),
            Some(next) => self.advance(playlist, next),
        };
        // RFC 8216bis, 6.3.4: a whole target duration after a change, half of one otherwise.
        self.reload_at = asked + if changed { self.target } else { self.target / 2 };
        if changed {
            self.fresh_at = asked;
        }
    }

    /// The playlist could not be read: look again at `at`.
    pub(crate) fn postpone(&mut self, at: Instant) {
        self.reload_at = at;
    }

    /// What to do at `now`. A reload that is due comes before segments that wait: the window moves on without us.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if !self.ended && now >= self.reload_at {
            return Step::Reload(now);
        }
        match self.queue.pop_front() {
            Some(Queued::Segment(segment)) if segment.gap => Step::Gap(Loss {
                length: Some(segment.length),
                cause: format!("segment {}: missing at the origin (EXT-X-GAP)", segment.sequence),
            }),
            Some(Queued::Segment(segment)) => Step::Segment(segment),
            Some(Queued::Gap(loss)) => Step::Gap(loss),
            Some(Queued::Restart) => Step::Restart,
            None if self.ended => Step::End { complete: true },
            None if self.read_at.saturating_duration_since(self.fresh_at) >= self.stale_after() => {
                Step::End { complete: false }
            }
            None => Step::Reload(self.reload_at),
        }
    }

    fn stale_after(&self) -> Duration {
        (self.target * limits::STALE_TARGETS).max(limits::STALE_MIN)
    }

    fn begin(&mut self, playlist: Media) -> bool {
        let from_end = if playlist.ended || playlist.vod || self.start == Start::Window {
            Duration::MAX
        } else {
            playlist.target * 3
        };
        let mut length = Duration::ZERO;
        let mut take = 0;
        for segment in playlist.segments.iter().rev() {
            if length >= from_end {
                break;
            }
            length = length.saturating_add(segment.length);
            take += 1;
        }
        let skip = playlist.segments.len() - take;
        self.next = Some(playlist.first);
        for (index, mut segment) in playlist.segments.into_iter().enumerate() {
            if index < skip {
                self.remember(&segment);
                continue;
            }
            if index == skip {
                // Nothing is before it that it could be discontinuous with.
                segment.discontinuity = false;
            }
            self.push(segment);
        }
        true
    }

    fn advance(&mut self, playlist: Media, next: u64) -> bool {
        let end = playlist
            .first
            .saturating_add(u64::try_from(playlist.segments.len()).unwrap_or(u64::MAX));
        let known = |segment: &Segment| {
            let name = short_name(&segment.uri);
            self.seen
                .iter()
                .any(|(sequence, seen)| *sequence == segment.sequence && seen == name)
        };
        let same_numbers_other_names = playlist.segments.iter().any(|segment| {
            self.seen
                .iter()
                .any(|(sequence, _)| *sequence == segment.sequence)
                && !known(segment)
        });
        let fell_back = end < next && !playlist.segments.is_empty() && !playlist.segments.iter().any(known);
        if fell_back || (same_numbers_other_names && !playlist.segments.iter().any(known)) {
            return self.restart(playlist, next);
        }
        if playlist.first > next {
            let lost = playlist.first - next;
            self.queue.push_back(Queued::Gap(Loss {
                length: None,
                cause: format!("{lost} segments from {next} on left the playlist before we saw them"),
            }));
        }
        let before = self.next;
        for segment in playlist.segments {
            if segment.sequence >= next {
                self.push(segment);
            }
        }
        self.next != before
    }

    /// The origin counts from another number, or gives other media under the numbers that we had.
    fn restart(&mut self, playlist: Media, next: u64) -> bool {
        let cause = format!("the media sequence went from {next} to {}", playlist.first);
        self.queue.push_back(Queued::Gap(Loss { length: None, cause }));
        self.queue.push_back(Queued::Restart);
        self.seen.clear();
        self.next = Some(playlist.first);
        for segment in playlist.segments {
            self.push(segment);
        }
        true
    }

    fn push(&mut self, segment: Segment) {
        self.remember(&segment);
        self.queue.push_back(Queued::Segment(segment));
    }

    fn remember(&mut self, segment: &Segment) {
        self.next = Some(segment.sequence.saturating_add(1));
        if self.seen.len() >= SEEN {
            self.seen.pop_front();
        }
        self.seen
            .push_back((segment.sequence, short_name(&segment.uri).to_owned()));
    }
}

/// A segment's name without what changes from request to request: host, directories and query.
fn short_name(uri: &str) -> &str {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::playlist::tests::media;
    use super::*;

    fn live(first: u64, names: &[&str]) -> Media {
        let segments: String = names.iter().map(|name| format!("#EXTINF:4,\n{name}\n")).collect();
        media(&format!("#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}"))
    }

    /// Everything that can be done at `now` without a reload.
    fn drain(follower: &mut Follower, now: Instant) -> Vec<String> {
        let mut steps = Vec::new();
        loop {
            match follower.step(now) {
                Step::Segment(segment) => steps.push(format!("{}:{}", segment.sequence, segment.uri)),
                Step::Gap(loss) => steps.push(format!("gap {}", loss.cause)),
                Step::Restart => steps.push("restart".into()),
                Step::Reload(_) => return steps,
                Step::End { complete } => {
                    steps.push(format!("end {complete}"));
                    return steps;
                }
            }
        }
    }

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_live_recording_begins_three_target_durations_from_the_end() {
        let now = Instant::now();
        let mut follower = Follower::new(Start::Edge, now);
        follower.update(live(10, &["a", "b", "c", "d", "e"]), now);
        assert_eq!(drain(&mut follower, now), ["12:c", "13:d", "14:e"]);
        let mut follower = Follower::new(Start::Window, now);
        follower.update(live(10, &["a", "b", "c", "d", "e"]), now);
        assert_eq!(drain(&mut follower, now).len(), 5);
    }

    #[test]
    fn a_playlist_is_read_again_after_a_target_duration_or_half_of_one() {
        let now = Instant::now();
        let mut follower = Follower::new(Start::Edge, now);
        let at = |follower: &mut Follower, now| match follower.step(now) {
            Step::Reload(at) => at,
            other => panic!("{other:?}"),
        };
        follower.update(live(0, &["a"]), now);
        assert_eq!(drain(&mut follower, now), ["0:a"]);
        assert_eq!(at(&mut follower, now), now + 4 * S);
        follower.update(live(0, &["a"]), now + 4 * S);
        assert_eq!(at(&mut follower, now + 4 * S), now + 6 * S);
        follower.update(live(0, &["a", "b"]), now + 6 * S);
        assert_eq!(drain(&mut follower, now + 6 * S), ["1:b"]);
        assert_eq!(at(&mut follower, now + 6 * S), now + 10 * S);
    }

    #[test]
    fn what_left_the_playlist_unseen_is_a_gap() {
        let now = Instant::now();
        let mut follower = Follower::new(Start::Edge, now);
        follower.update(live(0, &["a"]), now);
        follower.update(live(4, &["e"]), now);
        let steps = drain(&mut follower, now);
        assert_eq!(steps.len(), 3, "{steps:?}");
        assert!(steps[1].contains("3 segments from 1 on"), "{steps:?}");
        assert_eq!(steps[2], "4:e");
    }

    #[test]
    fn a_restarted_origin_is_followed_and_an_old_copy_is_not() {
        let now = Instant::now();
        let mut follower = Follower::new(Start::Edge, now);
        follower.update(live(100, &["a100", "a101?t=1"]), now);
        drain(&mut follower, now);
        follower.update(live(99, &["a99", "a100"]), now);
        assert!(drain(&mut follower, now).is_empty());
        follower.update(live(100, &["a100", "https://cdn2/x/a101?t=2", "a102"]), now);
        assert_eq!(drain(&mut follower, now), ["102:a102"]);
        follower.update(live(0, &["b0", "b1"]), now);
        let steps = drain(&mut follower, now);
        assert_eq!(steps[1..], ["restart", "0:b0", "1:b1"]);
        assert!(steps[0].contains("from 103 to 0"));
    }

    #[test]
    fn a_playlist_that_stands_still_ends_incomplete_and_a_closed_one_complete() {
        let now = Instant::now();
        let mut follower = Follower::new(Start::Edge, now);
        follower.update(live(0, &["a"]), now);
        drain(&mut follower, now);
        for seconds in 1..30 {
            let at = now + seconds * S;
            follower.update(live(0, &["a"]), at);
            assert!(drain(&mut follower, at).is_empty(), "{seconds}");
        }
        follower.update(live(0, &["a"]), now + 30 * S);
        assert_eq!(drain(&mut follower, now + 30 * S), ["end false"]);

        let mut follower = Follower::new(Start::Edge, now);
        follower.update(
            media("#EXTINF:4,\na\n#EXT-X-GAP\n#EXTINF:4,\nb\n#EXT-X-ENDLIST\n"),
            now,
        );
        let steps = drain(&mut follower, now + 999 * S);
        assert_eq!((steps[0].as_str(), steps[2].as_str()), ("0:a", "end true"));
        assert!(steps[1].contains("EXT-X-GAP"));
    }

    proptest! {
        /// Whatever playlists come, no segment number is given twice without a restart between, and none goes backwards.
        #[test]
        fn numbers_only_grow(firsts in prop::collection::vec((0u64..30, 0usize..6), 1..20)) {
            let now = Instant::now();
            let mut follower = Follower::new(Start::Window, now);
            let mut last = None;
            for (first, count) in firsts {
                let names: Vec<String> = (0..count).map(|index| format!("s{}", first + index as u64)).collect();
                follower.update(live(first, &names.iter().map(String::as_str).collect::<Vec<_>>()), now);
                loop {
                    match follower.step(now) {
                        Step::Segment(segment) => {
                            prop_assert!(last.is_none_or(|last| segment.sequence > last));
                            last = Some(segment.sequence);
                        }
                        Step::Restart => last = None,
                        Step::Gap(_) => {}
                        Step::Reload(_) | Step::End { .. } => break,
                    }
                }
            }
        }
    }
}
