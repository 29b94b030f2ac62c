//! Several connections on one timeline.

use super::*;

/// Ten seconds, an outage of five, ten seconds with the second clock.
fn twice(second: Form) -> Stream {
    Stream::new(Form {
        seconds: 10.0,
        ..Form::default()
    })
    .then(Form {
        start: 15.0,
        seconds: 10.0,
        session: 1,
        ..second
    })
}

fn gap(run: &Run, at: f64, length: f64) {
    let gaps = run.gaps();
    assert!(
        gaps.iter()
            .any(|gap| (gap.0 - at).abs() < 0.1 && (gap.1 - length).abs() < 0.15),
        "{gaps:?}"
    );
}

#[test]
fn timestamps_start_at_zero_again() {
    // The source time of content time 15 is zero.
    let run = twice(Form {
        clock: -15.0,
        ..Form::default()
    })
    .run();
    run.sound().lasts(20.0).has(1, 0, 0);
    gap(&run, 10.0, 5.0);
}

#[test]
fn timestamps_start_at_zero_again_and_the_outage_is_kept() {
    let mut stream = twice(Form {
        clock: -15.0,
        ..Form::default()
    });
    stream.policy.outage = Outage::Keep;
    let run = stream.run();
    run.sound().lasts(25.0).has(1, 0, 0);
    gap(&run, 10.0, 5.0);
}

#[test]
fn both_sessions_start_at_zero() {
    let first = Form {
        clock: 0.0,
        seconds: 10.0,
        ..Form::flv()
    };
    let stream = Stream::new(first).then(Form {
        clock: -15.0,
        start: 15.0,
        seconds: 10.0,
        session: 1,
        ..Form::flv()
    });
    stream.run().sound().lasts(20.0).has(1, 0, 0);
}

#[test]
fn both_sessions_start_at_the_same_high_time() {
    let run = twice(Form {
        clock: 85.0,
        ..Form::default()
    })
    .run();
    run.sound().lasts(20.0).has(1, 0, 0);
}

#[test]
fn the_clock_continues() {
    let run = twice(Form::default()).run();
    run.sound().lasts(20.0).has(1, 0, 0);
    gap(&run, 10.0, 5.0);
    let mut stream = twice(Form::default());
    stream.policy.outage = Outage::Keep;
    let run = stream.run();
    run.sound().lasts(25.0).has(1, 0, 0);
    gap(&run, 10.0, 5.0);
}

/// A window of `behind` seconds is replayed in a burst when the second connection begins at 15 s.
fn replayed(behind: f64) -> Stream {
    let mut stream = Stream::new(Form {
        seconds: 10.0,
        clock: 1_000.0,
        ..Form::default()
    });
    let form = Form {
        start: 15.0 - behind,
        seconds: 10.0 + behind,
        session: 1,
        clock: 1_000.0,
        ..Form::default()
    };
    for mut packet in form.packets() {
        packet.spare = packet.truth < 10 * SECOND - SECOND / 100;
        packet.at = packet.at.max(15 * SECOND + packet.at / 100);
        stream.packets.push(packet);
    }
    stream.form.clock = 1_000.0;
    stream
}

#[test]
fn a_replayed_window_heals_the_outage() {
    for behind in [7.0, 12.0] {
        let stream = replayed(behind);
        let spare = stream.packets.iter().filter(|packet| packet.spare).count();
        let run = stream.run();
        run.sound().lasts(25.0);
        assert_eq!(run.gaps(), []);
        assert!(
            run.dropped.len().abs_diff(spare) <= 2,
            "{} of {spare}",
            run.dropped.len()
        );
        assert!(run.dropped.iter().all(|(_, reason)| *reason == Reason::Duplicate));
        assert!(run.hole(VIDEO) < 0.05 && run.hole(AUDIO) < 0.05);
    }
}

#[test]
fn a_gop_cache_that_does_not_reach_back_shortens_the_gap() {
    let run = replayed(2.0).run();
    run.sound().lasts(22.0).has(1, 0, 0);
    gap(&run, 10.0, 3.0);
}

#[test]
fn a_restart_in_the_window_is_unmasked_when_it_does_not_catch_up() {
    // The source restarted and we came 8 s late: its clock maps to what we have, but runs in real time.
    let first = Form {
        seconds: 10.0,
        clock: 40.0,
        ..Form::default()
    };
    let mut stream = Stream::new(first).then(Form {
        start: 15.0,
        seconds: 20.0,
        clock: -3.0,
        session: 1,
        ..Form::default()
    });
    for packet in &mut stream.packets {
        packet.spare = packet.session == 1 && packet.truth < 18 * SECOND + SECOND / 5;
    }
    let run = stream.run();
    run.sound();
    let end = run.timeline.frontier().as_secs_f64();
    assert!(end > 26.5, "{end}");
}

#[test]
fn three_reconnects_of_all_kinds() {
    let form = Form {
        seconds: 10.0,
        ..Form::default()
    };
    let next = |n: usize, clock: f64| Form {
        start: 15.0 * n as f64,
        session: n,
        clock,
        ..form.clone()
    };
    let run = Stream::new(form.clone())
        .then(next(1, -15.0))
        .then(next(2, 70_000.0))
        .then(next(3, 70_000.0))
        .run();
    run.sound().lasts(40.0).has(3, 0, 0);
    for at in [10.0, 20.0, 30.0] {
        gap(&run, at, 5.0);
    }
}

#[test]
fn sound_ahead_of_the_picture_loses_nothing_at_the_splice() {
    let mut stream = twice(Form {
        clock: -15.0,
        ..Form::default()
    });
    stream.packets.retain(|packet| {
        packet.session == 1 || packet.track == AUDIO || packet.truth < 9 * SECOND + 7 * SECOND / 10
    });
    let run = stream.run();
    run.sound().lasts(20.0).has(1, 0, 0);
    assert!(run.hole(AUDIO) < 0.04 && run.hole(VIDEO) < 0.36);
}

#[test]
fn the_source_form_changes_at_a_reconnect() {
    let (mut out, mut events) = (Vec::new(), Vec::new());
    let mut timeline = Timeline::new(Policy::default());
    let spec = Form::default().specs()[0];
    let track = timeline.add_track(spec).expect("room");
    let start = Instant::now();
    let mut push = |timeline: &mut Timeline, at: u64, dts: i64, out: &mut Vec<Placed>| {
        let dts = Some(Ticks(dts));
        let times = Times {
            track,
            pts: dts,
            dts,
            duration: Ticks(0),
            sync: true,
            frame: None,
        };
        timeline.push(start + Duration::from_millis(at), times, out, &mut events);
    };
    for n in 0..100 {
        push(&mut timeline, 40 * n, 3_600 * n as i64, &mut out);
    }
    let mut told = Vec::new();
    let later = start + Duration::from_millis(9_000);
    timeline.begin_session(later, Some(Cause::Connection("gone".into())), &mut out, &mut told);
    let flv = TrackSpec {
        time_base: TimeBase::MILLIS,
        wrap_bits: 32,
        ..spec
    };
    timeline.update_track(track, flv, &mut out, &mut told);
    for n in 0..100 {
        push(&mut timeline, 9_000 + 40 * n, 40 * n as i64, &mut out);
    }
    timeline.flush(&mut out, &mut events);
    assert_eq!(out.len(), 200);
    assert_eq!(timeline.end(track), Ticks(200 * 3_600));
}

#[test]
fn an_announced_discontinuity_has_no_gap_and_no_reset() {
    let (mut out, mut events) = (Vec::new(), Vec::new());
    let mut timeline = Timeline::new(Policy::default());
    let track = timeline.add_track(Form::default().specs()[0]).expect("room");
    let start = Instant::now();
    for (n, dts) in [0, 3_600, 7_200, 400_000, 403_600, 0, 3_600]
        .into_iter()
        .enumerate()
    {
        if n == 3 || n == 5 {
            timeline.discontinuity(&mut out, &mut events);
        }
        let dts = Some(Ticks(dts));
        let times = Times {
            track,
            pts: dts,
            dts,
            duration: Ticks(0),
            sync: true,
            frame: None,
        };
        timeline.push(
            start + Duration::from_millis(40 * n as u64),
            times,
            &mut out,
            &mut events,
        );
    }
    timeline.flush(&mut out, &mut events);
    assert_eq!(events, []);
    assert_eq!(timeline.end(track), Ticks(7 * 3_600));
}

#[test]
fn a_file_has_no_wall_clock() {
    let mut stream = Stream::new(Form {
        seconds: 60.0,
        ..Form::default()
    })
    .lose(AUDIO, 10.0, 14.0);
    stream.policy = Policy::file();
    let run = stream.each(|packet| packet.at = 0).run();
    run.sound().lasts(60.0).has(1, 0, 0);
}

#[test]
fn a_loss_that_the_source_tells_is_listed_with_its_words() {
    for (length, closed) in [(4, false), (18, true)] {
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let mut timeline = Timeline::new(Policy::default());
        let track = timeline.add_track(Form::default().specs()[0]).expect("room");
        let now = Instant::now();
        for n in 0..20_i64 {
            if n == 10 {
                timeline.lost("segment 42: HTTP status 404".into());
            }
            let dts = Some(Ticks(3_600 * n + if n < 10 { 0 } else { length * 90_000 }));
            let times = Times {
                track,
                pts: dts,
                dts,
                duration: Ticks(0),
                sync: true,
                frame: None,
            };
            timeline.push(now, times, &mut out, &mut events);
        }
        timeline.flush(&mut out, &mut events);
        let [
            Event::Gap {
                length: listed,
                cause: Cause::Source(words),
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(words, "segment 42: HTTP status 404");
        assert_eq!(listed.as_secs(), length as u64);
        let end = 20 * 3_600 + if closed { 0 } else { length * 90_000 };
        assert_eq!(timeline.end(track), Ticks(end));
    }
}

#[test]
fn drops_are_told_once_in_ten_seconds() {
    let run = replayed(12.0).run();
    let told: Vec<u64> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Dropped { count, .. } => Some(*count),
            _ => None,
        })
        .collect();
    assert!(told.len() <= 3, "{told:?}");
    assert_eq!(told.iter().sum::<u64>(), run.dropped.len() as u64);
}

#[test]
fn a_session_without_packets_adds_to_the_outage() {
    let (mut out, mut events) = (Vec::new(), Vec::new());
    let mut timeline = Timeline::new(Policy::default());
    let track = timeline.add_track(Form::default().specs()[0]).expect("room");
    let now = Instant::now();
    for n in 0..50_i64 {
        let at = now + Duration::from_millis(40 * n as u64 + if n < 25 { 0 } else { 9_000 });
        if n == 25 {
            for seconds in [3, 6, 9] {
                let again = now + Duration::from_secs(seconds);
                let cause = Cause::Connection("refused".into());
                timeline.begin_session(again, Some(cause), &mut out, &mut events);
                timeline.discontinuity(&mut out, &mut events);
            }
        }
        let dts = Some(Ticks(3_600 * (n % 25)));
        let times = Times {
            track,
            pts: dts,
            dts,
            duration: Ticks(0),
            sync: true,
            frame: None,
        };
        timeline.push(at, times, &mut out, &mut events);
    }
    timeline.flush(&mut out, &mut events);
    let [Event::Gap { at, length, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((at.as_millis(), length.as_millis()), (1_000, 9_040));
    assert_eq!(timeline.end(track), Ticks(50 * 3_600));
}
