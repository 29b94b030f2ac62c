//! What holds for any input.

use proptest::prelude::*;

use super::*;

fn time() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        6 => (-1_000_i64..1_000_000).prop_map(Some),
        2 => any::<i64>().prop_map(Some),
        1 => Just(None),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)].prop_map(Some),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Packet {
        track: usize,
        dts: Option<i64>,
        pts: Option<i64>,
        duration: i64,
        frame: Option<i64>,
        wait: u64,
    },
    /// So many packets that follow each other well.
    Run {
        track: usize,
        from: i64,
        step: i64,
        count: i64,
    },
    Session,
    Discontinuity,
    Flush,
    Update {
        track: usize,
        bits: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, time(), time(), time(), time(), 0..20_000_u64).prop_map(
            |(track, dts, pts, duration, frame, wait)| Step::Packet {
                track, dts, pts, duration: duration.unwrap_or(0), frame, wait,
            }
        ),
        6 => (0..3_usize, time(), 0..10_000_i64, 1..40_i64).prop_map(|(track, from, step, count)| Step::Run {
            track, from: from.unwrap_or(0), step, count,
        }),
        1 => Just(Step::Session),
        1 => Just(Step::Discontinuity),
        1 => Just(Step::Flush),
        1 => (0..3_usize, 0..70_u32).prop_map(|(track, bits)| Step::Update { track, bits }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_times_come_out_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60),
        num in 1..=u32::MAX, den in 1..=u32::MAX, scale in 1..=u32::MAX,
        live: bool, keep: bool,
    ) {
        let policy = Policy { live, outage: if keep { Outage::Keep } else { Outage::Close }, ..Policy::default() };
        let mut timeline = Timeline::new(policy);
        let odd = TimeBase::new(i64::from(num), i64::from(den)).expect("not zero");
        let spec = |kind, time_base, timescale| TrackSpec {
            kind, time_base, wrap_bits: 33, timescale, frame: None, reorder: None,
        };
        let specs = [
            spec(Kind::Video, TimeBase::MPEG, Timescale::MPEG),
            spec(Kind::Audio, TimeBase::MILLIS, Timescale::MPEG),
            spec(Kind::Video, odd, Timescale::new(scale).expect("not zero")),
        ];
        let ids: Vec<_> = specs.iter().filter_map(|spec| timeline.add_track(*spec)).collect();
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let mut now = Instant::now();
        let mut sent = [0_u64; 3];
        for step in steps {
            match step {
                Step::Packet { track, dts, pts, duration, frame, wait } => {
                    now += Duration::from_millis(wait);
                    sent[track] += 1;
                    timeline.push(now, Times {
                        track: ids[track], pts: pts.map(Ticks), dts: dts.map(Ticks), duration: Ticks(duration),
                        sync: true, frame: frame.map(Ticks),
                    }, &mut out, &mut events);
                }
                Step::Run { track, from, step, count } => for n in 0..count {
                    now += Duration::from_millis(20);
                    sent[track] += 1;
                    let time = Some(Ticks(from.wrapping_add(step * n)));
                    timeline.push(now, Times {
                        track: ids[track], pts: time, dts: time, duration: Ticks(step), sync: true, frame: None,
                    }, &mut out, &mut events);
                },
                Step::Session => timeline.begin_session(now, None, &mut out, &mut events),
                Step::Discontinuity => timeline.discontinuity(&mut out, &mut events),
                Step::Flush => timeline.flush(&mut out, &mut events),
                Step::Update { track, bits } => {
                    let spec = TrackSpec { wrap_bits: bits, ..specs[track] };
                    timeline.update_track(ids[track], spec, &mut out, &mut events);
                }
            }
            prop_assert!(timeline.held() <= 3 * 160);
        }
        timeline.flush(&mut out, &mut events);
        prop_assert_eq!(timeline.held(), 0);
        let mut seen = [const { Vec::new() }; 3];
        let mut last = [None::<Sample>; 3];
        for placed in &out {
            match placed {
                Placed::Sample(sample) => {
                    let track = sample.track.index();
                    seen[track].push(sample.token);
                    prop_assert!(sample.dts.0 >= 0 && sample.pts >= sample.dts && sample.duration.0 >= 1);
                    if let Some(before) = last[track].replace(*sample) {
                        prop_assert!(sample.dts > before.dts && sample.token > before.token);
                        // After a flush the next sample may leave a hole.
                        prop_assert!(before.dts.0 + before.duration.0 <= sample.dts.0);
                    }
                }
                Placed::Dropped { track, token, .. } => seen[track.index()].push(*token),
            }
        }
        for (track, tokens) in seen.iter_mut().enumerate() {
            tokens.sort_unstable();
            prop_assert!(tokens.iter().copied().eq(0..sent[track]), "track {track}: {tokens:?}");
        }
    }
}
