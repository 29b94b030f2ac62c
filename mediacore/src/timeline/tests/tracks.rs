//! One track freezes, is missing, drifts, comes late; frames without DTS.

use super::*;

#[test]
fn frozen_sound_comes_back_in_sync() {
    let form = Form {
        seconds: 90.0,
        ..Form::default()
    };
    let run = Stream::new(form).lose(AUDIO, 10.0, 70.0).run();
    run.sound().lasts(90.0).has(1, 0, 0);
    let (at, length, track) = run.gaps()[0];
    assert!((at - 10.0).abs() < 0.05 && (length - 60.0).abs() < 0.05 && track == Some(AUDIO));
}

#[test]
fn frozen_picture_comes_back_in_sync() {
    let form = Form {
        seconds: 90.0,
        ..Form::flv()
    };
    Stream::new(form)
        .lose(VIDEO, 10.0, 70.0)
        .run()
        .sound()
        .lasts(90.0)
        .has(1, 0, 0);
}

#[test]
fn frozen_sound_restarts_at_zero() {
    let form = Form {
        seconds: 90.0,
        ..Form::default()
    };
    let run = Stream::new(form)
        .lose(AUDIO, 10.0, 70.0)
        .shift(AUDIO, 70.0, -170.0)
        .run();
    run.sound().lasts(90.0).has(1, 1, 0);
}

#[test]
fn lost_seconds_on_both_tracks_are_one_gap() {
    let run = Stream::new(Form::default())
        .lose(AUDIO, 10.0, 14.0)
        .lose(VIDEO, 10.0, 14.0)
        .run();
    run.sound().lasts(20.0).has(1, 0, 0);
    assert!((run.gaps()[0].1 - 4.0).abs() < 0.1);
    assert!(run.events.iter().any(|event| matches!(
        event,
        Event::Gap {
            cause: Cause::Silence,
            ..
        }
    )));
}

#[test]
fn a_silence_longer_than_a_hole_is_closed() {
    let form = Form {
        seconds: 90.0,
        ..Form::default()
    };
    let run = Stream::new(form)
        .lose(AUDIO, 10.0, 70.0)
        .lose(VIDEO, 10.0, 70.0)
        .run();
    run.sound().lasts(30.0).has(1, 0, 0);
    assert!((run.gaps()[0].1 - 60.0).abs() < 0.2, "{:?}", run.gaps());
}

#[test]
fn a_silence_longer_than_a_hole_is_kept_on_request() {
    let form = Form {
        seconds: 90.0,
        ..Form::default()
    };
    let mut stream = Stream::new(form).lose(AUDIO, 10.0, 70.0).lose(VIDEO, 10.0, 70.0);
    stream.policy.outage = Outage::Keep;
    let run = stream.run();
    run.sound().lasts(90.0).has(1, 0, 0);
}

#[test]
fn missing_sound() {
    let form = Form {
        audio: false,
        ..Form::default()
    };
    let mut stream = Stream::new(form.clone());
    stream.form.audio = true;
    stream.run().sound().lasts(20.0).has(0, 0, 0);
    // Declared but never there: the picture starts after one second of holding.
    let mut timeline = Timeline::new(Policy::default());
    let ids: Vec<_> = form
        .specs()
        .iter()
        .filter_map(|spec| timeline.add_track(*spec))
        .collect();
    let (mut out, mut events) = (Vec::new(), Vec::new());
    let now = Instant::now();
    for n in 0..30 {
        let dts = Some(Ticks(n * 3_600));
        let times = Times {
            track: ids[0],
            pts: dts,
            dts,
            duration: Ticks(0),
            sync: true,
            frame: None,
        };
        let now = now + Duration::from_millis(40 * n as u64);
        timeline.push(now, times, &mut out, &mut events);
    }
    assert!(out.len() >= 25, "{}", out.len());
}

#[test]
fn late_sound_keeps_its_distance() {
    for start in [0.3, 0.7, 2.0, 5.0] {
        let form = Form {
            audio_start: start,
            ..Form::default()
        };
        let run = Stream::new(form).run();
        run.sound().lasts(20.0).has(0, 0, 0);
        let track = run
            .samples
            .iter()
            .find(|(packet, _)| packet.track == AUDIO)
            .expect("sound")
            .1
            .track;
        let first = run.timeline.start(track).expect("started").0;
        assert!((first as f64 / 48_000.0 - start).abs() < 0.001);
    }
}

#[test]
fn sound_that_arrives_late_but_starts_early() {
    let mut stream = Stream::new(Form {
        audio_start: -0.3,
        ..Form::default()
    });
    for packet in &mut stream.packets {
        packet.at += if packet.track == AUDIO { 7 * SECOND / 10 } else { 0 };
    }
    stream.packets.sort_by_key(|packet| packet.at);
    stream.run().sound().lasts(20.3).has(0, 0, 0);
}

#[test]
fn millisecond_aac_is_an_exact_running_sum() {
    for rate in [44_100, 48_000] {
        let form = Form {
            rate,
            seconds: 600.0,
            ..Form::flv()
        };
        let run = Stream::new(form).run();
        run.sound().lasts(600.0).has(0, 0, 0);
        let sound = run.samples.iter().filter(|(packet, _)| packet.track == AUDIO);
        assert!(sound.clone().count() > 25_000);
        assert!(sound.clone().all(|(_, sample)| sample.duration.0 == 1_024));
    }
}

#[test]
fn a_day_of_drift() {
    for ppm in [500.0, -500.0] {
        let form = Form {
            seconds: 86_400.0,
            fps: 1.0,
            rate: 8_000,
            audio_ppm: ppm,
            ..Form::flv()
        };
        let run = Stream::new(form).run();
        run.sound();
        assert_eq!(run.gaps(), []);
        assert_eq!(run.counters.resyncs, 0);
    }
}

#[test]
fn sound_with_network_jitter_is_smoothed() {
    let mut n = 0_i64;
    let run = Stream::new(Form::flv())
        .each(|packet| {
            if packet.track == AUDIO {
                n += 1;
                let jitter = [0, 12, -9, 5, -14, 8, 3][(n % 7) as usize];
                packet.dts = packet.dts.map(|dts| dts + jitter);
                packet.pts = packet.dts;
            }
        })
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    let sound = run.samples.iter().filter(|(packet, _)| packet.track == AUDIO);
    assert!(
        sound
            .clone()
            .all(|(_, sample)| (1_008..=1_040).contains(&sample.duration.0))
    );
}

#[test]
fn lost_sound_packets_stay_lost() {
    let run = Stream::new(Form::flv())
        .lose(AUDIO, 10.0, 10.086)
        .lose(AUDIO, 12.0, 12.3)
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert!(run.hole(AUDIO) > 0.29);
}

#[test]
fn b_frames_with_dts() {
    for gop in [&[0, 2, 1][..], &[0, 4, 2, 1, 3], &[0, 8, 4, 2, 1, 3, 6, 5, 7]] {
        let form = Form {
            gop: gop.to_vec().leak(),
            ..Form::default()
        };
        let run = Stream::new(form).run();
        run.sound().has(0, 0, 0);
        assert_eq!(run.counters.raised + run.counters.nudged, 0);
    }
}

#[test]
fn b_frames_without_dts() {
    for gop in [&[0, 2, 1][..], &[0, 4, 2, 1, 3], &[0, 8, 4, 2, 1, 3, 6, 5, 7]] {
        let form = Form {
            gop: gop.to_vec().leak(),
            ..Form::default()
        };
        let run = Stream::new(form)
            .each(|packet| {
                if packet.track == VIDEO {
                    packet.dts = None;
                }
            })
            .run();
        run.sound().in_sync(3).has(0, 0, 0);
        assert_eq!(run.counters.raised + run.counters.nudged, 0, "{gop:?}");
    }
}

#[test]
fn b_frames_that_begin_later_without_dts() {
    let form = Form {
        gop: &[0, 2, 1],
        ..Form::default()
    };
    let run = Stream::new(form)
        .each(|packet| {
            if packet.track == VIDEO {
                if packet.truth < 10 * SECOND {
                    packet.pts = packet.dts;
                    packet.truth = packet.at;
                }
                packet.dts = None;
            }
        })
        .run();
    run.sound().has(0, 0, 0);
}

#[test]
fn pictures_without_pts_and_packets_without_times() {
    let run = Stream::new(Form::default())
        .each(|packet| {
            if packet.track == VIDEO {
                packet.pts = None;
            }
        })
        .one(VIDEO, 30, |packet| packet.dts = None)
        .one(AUDIO, 30, |packet| (packet.dts, packet.pts) = (None, None))
        .one(AUDIO, 40, |packet| packet.dts = None)
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
}

#[test]
fn variable_frame_rate() {
    let mut n = 0_u32;
    let mut stream = Stream::new(Form {
        fps: 60.0,
        ..Form::flv()
    });
    stream.packets.retain(|packet| {
        n = n.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        packet.track == AUDIO || n >> 16 & 3 == 0
    });
    let run = stream.run();
    run.sound().has(0, 0, 0);
    assert_eq!(run.counters.nudged + run.counters.outliers, 0);
}

#[test]
fn a_slide_show_of_one_picture_in_five_seconds() {
    let form = Form {
        fps: 0.2,
        seconds: 60.0,
        ..Form::default()
    };
    let run = Stream::new(form).run();
    run.sound().lasts(60.0);
    assert_eq!(run.dropped.len(), 0);
    assert_eq!(run.counters.resets, 0);
}

/// The DTS that a track gets for packets with these times, in output ticks.
fn placed(spec: TrackSpec, times: &[(Option<i64>, Option<i64>)], frame: Option<i64>) -> Vec<i64> {
    let mut timeline = Timeline::new(Policy::file());
    let track = timeline.add_track(spec).expect("a place");
    let (mut out, mut events, now) = (Vec::new(), Vec::new(), Instant::now());
    timeline.begin_session(now, None, &mut out, &mut events);
    for (pts, dts) in times {
        let times = Times {
            track,
            pts: pts.map(Ticks),
            dts: dts.map(Ticks),
            duration: Ticks::ZERO,
            sync: true,
            frame: frame.map(Ticks),
        };
        timeline.push(now, times, &mut out, &mut events);
    }
    timeline.flush(&mut out, &mut events);
    out.iter()
        .map(|placed| match placed {
            Placed::Sample(sample) => sample.dts.0,
            Placed::Dropped { reason, .. } => panic!("{reason:?}"),
        })
        .collect()
}

#[test]
fn sound_that_is_timed_once_per_pes_follows_by_its_own_length() {
    let spec = TrackSpec {
        kind: Kind::Audio,
        time_base: TimeBase::MPEG,
        wrap_bits: 33,
        timescale: Timescale::new(48_000).expect("not zero"),
        frame: None,
        reorder: None,
    };
    let time = |n: i64| (n % 10 == 0).then_some(131_310 + n * 1920);
    let times: Vec<_> = (0..900).map(|n| (time(n), time(n))).collect();
    let expected: Vec<_> = (0..900).map(|n| n * 1024).collect();
    assert_eq!(placed(spec, &times, Some(1024)), expected);
}

#[test]
fn one_dts_does_not_hold_the_pictures_after_it() {
    let spec = TrackSpec {
        kind: Kind::Video,
        time_base: TimeBase::MPEG,
        wrap_bits: 0,
        timescale: Timescale::MPEG,
        frame: None,
        reorder: Some(0),
    };
    let times: Vec<_> = (0..100)
        .map(|n| (Some(n * 3600), (n == 0).then_some(0)))
        .collect();
    let expected: Vec<_> = (0..100).map(|n| n * 3600).collect();
    assert_eq!(placed(spec, &times, None), expected);
}
