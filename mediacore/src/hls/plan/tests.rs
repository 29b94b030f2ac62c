//! Counts, durations and places: cases that the reference was seen to answer, and laws.

use proptest::prelude::*;

use super::*;
use crate::codec::fixtures;
use crate::hls::options::CountPolicy::{self, LastLong, LastRounded, LastShort};
use crate::hls::plan::synthetic::{Tables, title};
use crate::hls::refusal::Reason;
use crate::hls::set::{KeyFrames, Timeline};

fn segmentation(duration: u64, bootstrap: &[u64], count: CountPolicy) -> Segmentation {
    let mut segmentation = Options::nginx_vod().segmentation;
    segmentation.duration = Millis(duration);
    segmentation.bootstrap = bootstrap.iter().copied().map(Millis).collect();
    segmentation.count = count;
    segmentation
}

fn timeline(durations: &[u64], discontinuity: bool) -> Timeline {
    Timeline {
        durations: durations.iter().copied().map(Millis).collect(),
        discontinuity,
    }
}

/// Number (from 1, as URLs have it) and duration of each entry; a minus before the number where a discontinuity is.
fn listed(segments: &Segments) -> Vec<(i64, u64)> {
    let entries = segments.entries.iter();
    let entries = entries.map(|entry| {
        let number = i64::from(entry.number) + 1;
        let sign = if entry.discontinuity { -1 } else { 1 };
        (sign * number, segments.millis(entry).0)
    });
    entries.collect()
}

fn estimated(timeline: Option<&Timeline>, length: u64, segmentation: &Segmentation) -> Vec<(i64, u64)> {
    listed(&estimate(timeline, Millis(length), segmentation, &[], 100_000).unwrap())
}

#[test]
fn the_rest_at_the_end_is_counted_as_the_policy_says() {
    let boot = &[2_000, 2_000, 4_000][..];
    let cases: &[(u64, &[u64], u64, [u32; 3])] = &[
        // length, bootstrap, segment duration; count with last_short, last_long, last_rounded
        (33_021, &[], 10_000, [4, 3, 3]),
        (38_021, &[], 10_000, [4, 3, 4]),
        (25_021, &[], 5_000, [6, 5, 5]),
        (30_000, &[], 10_000, [3, 3, 3]),
        (521, &[], 10_000, [1, 1, 1]),
        (0, &[], 10_000, [0, 0, 0]),
        (0, boot, 10_000, [0, 0, 0]),
        (1, boot, 10_000, [1, 1, 1]),
        (2_000, boot, 10_000, [1, 1, 1]),
        (2_001, boot, 10_000, [2, 1, 1]),
        (3_000, boot, 10_000, [2, 1, 2]),
        (4_000, boot, 10_000, [2, 2, 2]),
        (5_999, boot, 10_000, [3, 2, 2]),
        (6_000, boot, 10_000, [3, 2, 3]),
        (8_000, boot, 10_000, [3, 3, 3]),
        (8_001, boot, 10_000, [4, 3, 3]),
        (13_000, boot, 10_000, [4, 3, 4]),
        (25_021, boot, 10_000, [5, 4, 5]),
        (u64::MAX, boot, 1, [u32::MAX; 3]),
    ];
    for (length, bootstrap, duration, expected) in cases {
        for (policy, count) in [LastShort, LastLong, LastRounded].into_iter().zip(expected) {
            let segmentation = segmentation(*duration, bootstrap, policy);
            let got = Grid::new(&segmentation).count(Millis(*length));
            assert_eq!(
                got, *count,
                "{length} ms, {bootstrap:?} then {duration}, {policy:?}"
            );
        }
    }
}

#[test]
fn nominal_durations_leave_the_rest_to_the_last() {
    let boot = &[2_000, 2_000, 4_000];
    let cases: [(u64, Segmentation, &[u64]); 6] = [
        (
            25_021,
            segmentation(10_000, &[], LastShort),
            &[10_000, 10_000, 5_021],
        ),
        (
            20_021,
            segmentation(5_000, &[], LastShort),
            &[5_000, 5_000, 5_000, 5_000, 21],
        ),
        (25_021, segmentation(10_000, &[], LastLong), &[10_000, 15_021]),
        (
            38_021,
            segmentation(10_000, &[], LastRounded),
            &[10_000, 10_000, 10_000, 8_021],
        ),
        (
            33_021,
            segmentation(10_000, &[], LastRounded),
            &[10_000, 10_000, 13_021],
        ),
        (
            25_021,
            segmentation(10_000, boot, LastShort),
            &[2_000, 2_000, 4_000, 10_000, 7_021],
        ),
    ];
    for (length, segmentation, expected) in cases {
        let got = estimated(None, length, &segmentation);
        assert_eq!(got, (1..).zip(expected.iter().copied()).collect::<Vec<_>>());
    }
    let tiny = segmentation(1, &[], LastShort);
    let refusal = estimate(None, Millis(100_001), &tiny, &[], 100_000).unwrap_err();
    assert_eq!(refusal.reason, Reason::BadRequest);
}

#[test]
fn clips_are_cut_one_by_one_or_as_one_run() {
    let ten = segmentation(10_000, &[], LastShort);
    let cut = timeline(&[13_500, 15_000], true);
    let got = estimated(Some(&cut), 0, &ten);
    assert_eq!(got, [(1, 10_000), (2, 3_500), (-3, 10_000), (4, 5_000)]);
    let run = timeline(&[13_500, 15_000], false);
    assert_eq!(
        estimated(Some(&run), 0, &ten),
        [(1, 10_000), (2, 10_000), (3, 8_500)]
    );
    // A clip that is shorter than half a segment has one of its own all the same.
    let long = segmentation(10_000, &[], LastLong);
    let short = timeline(&[13_500, 400], true);
    assert_eq!(estimated(Some(&short), 0, &long), [(1, 13_500), (-2, 400)]);
}

#[test]
fn a_segment_stands_for_its_part_of_each_clip() {
    let ten = segmentation(10_000, &[], LastShort);
    let part = |clip, from, to: Option<u64>| Place {
        clip,
        from: Millis(from),
        to: to.map(Millis),
    };
    let at = |number, timeline: Option<&Timeline>| place(number, timeline, Millis(25_021), &ten);
    assert_eq!(at(1, None).unwrap(), [part(0, 10_000, Some(20_000))]);
    assert_eq!(at(2, None).unwrap(), [part(0, 20_000, None)]);
    assert_eq!(at(3, None).unwrap_err().reason, Reason::NoStreams);

    let cut = timeline(&[20_000, 15_000], true);
    assert_eq!(at(1, Some(&cut)).unwrap(), [part(0, 10_000, Some(20_000))]);
    assert_eq!(at(3, Some(&cut)).unwrap(), [part(1, 10_000, Some(15_000))]);
    assert_eq!(at(4, Some(&cut)).unwrap_err().reason, Reason::BadRequest);

    let run = timeline(&[25_000, 38_000], false);
    let crossing = [part(0, 20_000, Some(25_000)), part(1, 0, Some(5_000))];
    assert_eq!(at(2, Some(&run)).unwrap(), crossing);
    assert_eq!(at(6, Some(&run)).unwrap(), [part(1, 35_000, Some(38_000))]);
    assert_eq!(at(7, Some(&run)).unwrap_err().reason, Reason::NoStreams);
}

#[test]
fn told_key_frames_move_the_cuts() {
    let ten = segmentation(10_000, &[], LastShort);
    let keys = KeyFrames {
        first: 0,
        durations: [1_200, 3_600, 4_600, 2_300, 8_300, 3_600, 7_600, 1_800]
            .map(Millis)
            .to_vec(),
    };
    let keys = [Some(Cuts::Told(&keys))];
    let segments = estimate(None, Millis(33_000), &ten, &keys, 10).unwrap();
    let expected = [(1, 11_700), (2, 8_300), (3, 11_200), (4, 1_800)];
    assert_eq!(listed(&segments), expected);
    let third = place_at_keys(2, None, Millis(33_000), &ten, &keys).unwrap();
    assert_eq!(
        (third[0].from, third[0].to),
        (Millis(20_000), Some(Millis(31_200)))
    );
    // Two cuts at one key frame: nothing is between them to be listed.
    let five = segmentation(5_000, &[], LastShort);
    let segments = estimate(None, Millis(33_000), &five, &keys, 10).unwrap();
    let expected = [(1, 9_400), (2, 2_300), (3, 8_300), (5, 11_200), (7, 1_800)];
    assert_eq!(listed(&segments), expected);
}

/// A video whose key frames are at these times in ms, and its plan.
fn accurately(keys: &[u32], pictures: u32, longest: u64, segmentation: &Segmentation) -> Vec<(i64, u64)> {
    let mut tables = Tables::video(&fixtures::H264, pictures, 1);
    tables.syncs = Some(keys.iter().map(|ms| ms / 40).collect());
    let title = title(&[tables]);
    let track = &title.tracks()[0];
    let index = title.samples(track).unwrap();
    let main = Main::new(
        index,
        Ticks::ZERO,
        Millis::ZERO,
        None,
        track.duration,
        segmentation.align,
    );
    let length = Millis(longest);
    listed(&accurate(&main, length, length, segmentation, 100_000).unwrap())
}

#[test]
fn true_durations_follow_the_samples() {
    // Seen on the reference: an irregular GOP.
    let keys = [
        0, 1_200, 4_800, 9_400, 11_720, 13_040, 19_960, 20_000, 23_600, 31_200,
    ];
    let mut ten = segmentation(10_000, &[], LastShort);
    let mut four = segmentation(4_000, &[], LastLong);
    let mut boot = segmentation(10_000, &[2_000, 2_000, 4_000], LastShort);
    let plain = [(1, 10_000), (2, 10_000), (3, 10_000), (4, 3_021)];
    assert_eq!(accurately(&keys, 825, 33_021, &ten), plain);
    (ten.align, four.align, boot.align) = (true, true, true);
    let aligned = [(1, 11_720), (2, 8_280), (3, 11_200), (4, 1_800)];
    assert_eq!(accurately(&keys, 825, 33_021, &ten), aligned);
    let aligned = [
        (1, 4_800),
        (2, 4_600),
        (3, 3_640),
        (4, 6_920),
        (5, 40),
        (6, 11_200),
        (8, 1_800),
    ];
    assert_eq!(accurately(&keys, 825, 33_021, &four), aligned);
    let aligned = [(1, 4_800), (3, 4_600), (4, 10_560), (5, 11_240), (6, 1_800)];
    assert_eq!(accurately(&keys, 825, 33_021, &boot), aligned);
}

#[test]
fn where_the_video_ends_first_the_audio_goes_on_unless_aligned() {
    let mut ten = segmentation(10_000, &[], LastShort);
    let plain = [(1, 10_000), (2, 10_000), (3, 5_021)];
    assert_eq!(accurately(&[0], 200, 25_021, &ten), plain);
    ten.align = true;
    assert_eq!(accurately(&[0], 200, 25_021, &ten), [(1, 8_000)]);
    assert_eq!(accurately(&[0], 950, 38_021, &ten), [(1, 38_000)]);
}

#[test]
fn a_shorter_list_than_there_are_segments_ends_at_a_cut() {
    let title = title(&[Tables::video(&fixtures::H264, 1_000, 50)]);
    let track = &title.tracks()[0];
    let index = title.samples(track).unwrap();
    let main = Main::new(index, Ticks::ZERO, Millis::ZERO, None, track.duration, false);
    let ten = segmentation(10_000, &[], LastShort);
    let segments = accurate(&main, Millis(15_000), Millis(40_000), &ten, 10).unwrap();
    assert_eq!(listed(&segments), [(1, 10_000), (2, 10_000)]);
}

/// The reference's rule, sample by sample: durations in ticks, zeros too.
fn walk(main: &Main<'_>, length: u64, segmentation: &Segmentation) -> Vec<u64> {
    let grid = Grid::new(segmentation);
    let count = grid.count(Millis(length)) as usize;
    let scale = u64::from(main.index.timescale().get());
    let ticks = |ms: u64| (ms * scale + 500) / 1000;
    let mut durations: Vec<u64> = Vec::new();
    let (mut t, mut start) = (0_u64, 0_u64);
    for sample in main.index.samples(main.samples.clone()) {
        while durations.len() + 1 < count
            && t >= ticks(grid.end(durations.len() as u32).0)
            && (!main.aligned || sample.sync)
        {
            durations.push(t - start);
            start = t;
        }
        t += sample.duration.0 as u64;
    }
    if !main.aligned && main.duration.0 < length {
        while durations.len() + 1 < count {
            let end = ticks(grid.end(durations.len() as u32).0).min(ticks(length));
            durations.push(end - start);
            start = end;
        }
        t = ticks(length);
    }
    durations.push(t.saturating_sub(start));
    durations.resize(count, 0);
    durations
}

fn any_segmentation() -> impl Strategy<Value = Segmentation> {
    let policies = prop::sample::select(vec![LastShort, LastLong, LastRounded]);
    (
        500_u64..9_000,
        prop::collection::vec(500_u64..5_000, 0..4),
        policies,
    )
        .prop_map(|(duration, bootstrap, policy)| segmentation(duration, &bootstrap, policy))
}

proptest! {
    /// Segments cover what they are cut from, each millisecond once, and last as long as they stand for.
    #[test]
    fn segments_cover_the_whole_without_gap_or_overlap(
        segmentation in any_segmentation(),
        lengths in prop::collection::vec(1_u64..40_000, 1..5),
        clips in prop::option::of(any::<bool>()),
        keys in prop::option::of((-2_000_i64..3_000, prop::collection::vec(1_u64..7_000, 0..12))),
    ) {
        let timeline = clips.map(|discontinuity| timeline(&lengths, discontinuity));
        let length = Millis(lengths[0]);
        let keys = keys.map(|(first, durations)| KeyFrames {
            first,
            durations: durations.into_iter().map(Millis).collect(),
        });
        let keys: Vec<_> = keys.iter().flat_map(|keys| vec![Some(Cuts::Told(keys)); lengths.len()]).collect();
        let timeline = timeline.as_ref();
        let segments = estimate(timeline, length, &segmentation, &keys, 100_000).unwrap();
        let mut entries = segments.entries.iter().peekable();
        let (mut clip, mut at) = (0, Millis::ZERO);
        let mut last = None;
        for number in 0.. {
            let Ok(parts) = place_at_keys(number, timeline, length, &segmentation, &keys) else { break };
            let mut duration = 0;
            for part in &parts {
                let end = part.to.unwrap_or(length.max(part.from));
                if part.clip == clip + 1 {
                    prop_assert_eq!(at, Millis(lengths[clip]));
                    (clip, at) = (part.clip, Millis::ZERO);
                }
                prop_assert_eq!((part.clip, part.from), (clip, at));
                at = end;
                duration += end.0 - part.from.0;
            }
            match entries.next_if(|entry| entry.number == number) {
                Some(entry) => {
                    prop_assert_eq!(entry.duration, duration);
                    let cut = timeline.is_some_and(|timeline| timeline.discontinuity);
                    prop_assert_eq!(entry.discontinuity, cut && last.is_some_and(|last| last != clip));
                    prop_assert_eq!(entry.clip as usize, if cut { clip } else { 0 });
                    last = Some(clip);
                }
                None => prop_assert_eq!(duration, 0),
            }
        }
        prop_assert!(entries.next().is_none());
        let clips = if timeline.is_some() { lengths.len() } else { 1 };
        prop_assert_eq!((clip, at), (clips - 1, Millis(lengths[clips - 1])));
    }

    /// Lookups find what a walk over all samples finds.
    #[test]
    fn true_durations_are_those_of_a_walk(
        mut segmentation in any_segmentation(),
        align in any::<bool>(),
        runs in prop::collection::vec((1_u32..60, 0_u32..9_000), 1..12),
        dense in any::<bool>(),
        even in any::<bool>(),
        gops in prop::collection::vec(1_u32..80, 1..30),
        more in prop::option::of(0_u64..20_000),
        scale in prop::sample::select(vec![1_000_u32, 12_800, 30_000, 44_100, 90_000]),
        from in prop::option::of(0_u64..8_000),
    ) {
        segmentation.align = align;
        if even {
            // Samples start where segments are meant to.
            let bootstrap = segmentation.bootstrap.iter_mut();
            bootstrap.chain([&mut segmentation.duration]).for_each(|length| length.0 -= length.0 % 100);
        }
        let step = |delta: u32| if even { delta % 3 * (scale / 10) } else { delta };
        let runs = runs.into_iter().map(|(count, delta)| (count, step(delta)));
        let mut tables = Tables::video(&fixtures::H264, 1, 1);
        tables.scale = scale;
        tables.runs = match dense {
            false => runs.collect(),
            true => {
                let uneven = move |n: u32| if even { 0 } else { n % 7 };
                let each = |(count, delta)| (0..count).map(move |n| (1, delta / 2 + uneven(n)));
                runs.flat_map(each).collect()
            }
        };
        let samples: u32 = tables.runs.iter().map(|run| run.0).sum();
        let syncs = gops.iter().scan(0, |at, gop| { let sync = *at; *at += gop; Some(sync) });
        tables.syncs = Some(syncs.filter(|sync| *sync < samples).collect());
        let title = title(&[tables]);
        let track = &title.tracks()[0];
        let index = title.samples(track).unwrap();
        let from = Millis(from.unwrap_or(0));
        let duration = track.duration.saturating_sub(from);
        let main = Main::new(index, Ticks::ZERO, from, None, duration, align);
        let length = Millis(duration.0 + more.unwrap_or(0));
        let expected: Vec<_> = walk(&main, length.0, &segmentation)
            .into_iter()
            .enumerate()
            .filter(|(_, duration)| *duration > 0)
            .take(if length == Millis::ZERO { 0 } else { usize::MAX })
            .collect();
        let segments = accurate(&main, length, length, &segmentation, 100_000).unwrap();
        let got: Vec<_> = segments.entries.iter().map(|entry| (entry.number as usize, entry.duration)).collect();
        prop_assert_eq!(got, expected);
    }
}
