//! Wraps, resets, jumps, back-steps.

use super::*;

fn clean(form: Form, seconds: f64) {
    Stream::new(form).run().sound().lasts(seconds).has(0, 0, 0);
}

#[test]
fn a_clean_stream_keeps_its_times() {
    clean(Form::default(), 20.0);
    clean(Form::flv(), 20.0);
}

#[test]
fn wrap_of_33_bits() {
    let form = Form {
        clock: (1_u64 << 33) as f64 / 90_000.0 - 10.0,
        ..Form::default()
    };
    let run = Stream::new(form).run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert_eq!(run.counters.wraps, 2);
}

#[test]
fn wrap_of_33_bits_inside_a_frame_and_between_the_first_packets() {
    let form = Form {
        clock: (1_u64 << 33) as f64 / 90_000.0 - 0.05,
        gop: &[0, 4, 2, 1, 3],
        ..Form::default()
    };
    let form = Form {
        gop: &[0, 3, 1, 2],
        ..form
    };
    Stream::new(form.clone()).run().sound().has(0, 0, 0);
    let late = Form {
        clock: form.clock + 0.049,
        ..form
    };
    Stream::new(late).run().sound().has(0, 0, 0);
}

#[test]
fn wrap_of_32_bit_milliseconds() {
    let form = Form {
        clock: (1_u64 << 32) as f64 / 1_000.0 - 10.0,
        ..Form::flv()
    };
    clean(form, 20.0);
}

#[test]
fn many_wraps_of_a_short_counter() {
    let form = Form {
        wrap: 20,
        seconds: 60.0,
        ..Form::default()
    };
    clean(form, 60.0);
}

#[test]
fn reset_to_zero_on_both_tracks_at_once() {
    let run = Stream::new(Form::default())
        .shift(VIDEO, 10.0, -110.0)
        .shift(AUDIO, 10.0, -110.0)
        .run();
    run.sound().lasts(20.0).has(0, 1, 0);
}

#[test]
fn reset_to_zero_where_sound_is_late() {
    let run = Stream::new(Form::default())
        .shift(VIDEO, 10.0, -110.0)
        .shift(AUDIO, 10.4, -110.0)
        .run();
    run.sound().lasts(20.0).has(0, 1, 0);
}

#[test]
fn reset_to_zero_where_picture_is_late() {
    let run = Stream::new(Form::flv())
        .shift(VIDEO, 10.4, -110.0)
        .shift(AUDIO, 10.0, -110.0)
        .run();
    run.sound().lasts(20.0).has(0, 1, 0);
}

#[test]
fn reset_event_has_both_times() {
    let run = Stream::new(Form::default())
        .shift(VIDEO, 10.0, -110.0)
        .shift(AUDIO, 10.0, -110.0)
        .run();
    let reset = run.events.iter().find_map(|event| match event {
        Event::ClockReset {
            at,
            from,
            to,
            time_base,
            ..
        } => Some((
            at.as_secs_f64(),
            from.as_seconds(*time_base),
            to.as_seconds(*time_base),
        )),
        _ => None,
    });
    let (at, from, to) = reset.expect("a reset");
    assert!(
        (at - 10.0).abs() < 0.05 && (from - 109.96).abs() < 0.05 && to.abs() < 0.05,
        "{at} {from} {to}"
    );
}

#[test]
fn persistent_jumps_both_ways() {
    for by in [3_600.0, -3_600.0, 30.0, -30.0, 11.0, -11.0, -5.0, -1.5] {
        let form = Form {
            clock: 10_000.0,
            ..Form::default()
        };
        let run = Stream::new(form)
            .shift(VIDEO, 10.0, by)
            .shift(AUDIO, 10.0, by)
            .run();
        run.sound().lasts(20.0).has(0, 1, 0);
    }
}

#[test]
fn a_jump_of_one_track_alone() {
    let form = Form {
        clock: 10_000.0,
        ..Form::default()
    };
    let run = Stream::new(form.clone()).shift(AUDIO, 10.0, 3_600.0).run();
    run.sound().lasts(20.0).has(0, 1, 0);
    let run = Stream::new(form).shift(VIDEO, 10.0, -3_600.0).run();
    run.sound().lasts(20.0).has(0, 1, 0);
}

#[test]
fn a_jump_of_half_a_minute_and_back() {
    let by = 30.0;
    let run = Stream::new(Form::default())
        .shift(VIDEO, 5.0, by)
        .shift(AUDIO, 5.0, by)
        .shift(VIDEO, 12.0, -by)
        .shift(AUDIO, 12.0, -by)
        .run();
    run.sound().lasts(20.0);
    assert_eq!(run.gaps(), []);
}

#[test]
fn one_packet_off_by_anything() {
    for track in [VIDEO, AUDIO] {
        for by in [
            3_600.0, -3_600.0, 20.0, -20.0, 5.0, 1.0, 0.3, -0.3, -0.5, -2.0, 40_000.0,
        ] {
            let form = Form {
                clock: 10_000.0,
                ..Form::default()
            };
            let by = form.ticks(by) + 17;
            let run = Stream::new(form)
                .one(track, 100, |packet| {
                    packet.dts = packet.dts.map(|dts| dts + by);
                    packet.pts = packet.pts.map(|pts| pts + by);
                })
                .run();
            run.sound().lasts(20.0).has(0, 0, 0);
        }
    }
}

#[test]
fn one_picture_back_by_whole_frames_is_kept() {
    let run = Stream::new(Form::default())
        .one(VIDEO, 100, |packet| {
            packet.dts = packet.dts.map(|dts| dts - 36_000);
            packet.pts = packet.dts;
        })
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert_eq!(run.counters.outliers, 1);
}

#[test]
fn two_outliers_in_a_row() {
    let stream = Stream::new(Form::flv());
    let run = stream
        .one(VIDEO, 100, |packet| packet.dts = Some(99_000_000))
        .one(VIDEO, 101, |packet| packet.dts = Some(5))
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert_eq!(run.counters.outliers, 2);
}

#[test]
fn the_first_packet_is_garbage() {
    let run = Stream::new(Form::flv())
        .one(VIDEO, 0, |packet| {
            packet.dts = Some(7_000_000);
            packet.pts = packet.dts;
        })
        .run();
    run.sound().lasts(20.0);
    let run = Stream::new(Form::flv())
        .one(AUDIO, 0, |packet| {
            packet.dts = Some(7_000_000);
            packet.pts = packet.dts;
        })
        .run();
    run.sound().lasts(20.0);
}

#[test]
fn duplicate_dts() {
    let run = Stream::new(Form::flv())
        .one(VIDEO, 100, |packet| {
            packet.dts = packet.dts.map(|dts| dts - 40);
            packet.pts = packet.dts;
        })
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert!(run.counters.nudged >= 1);
}

#[test]
fn jittered_dts_that_step_back() {
    let mut n = 0;
    let run = Stream::new(Form::flv())
        .each(|packet| {
            if packet.track == VIDEO {
                n += 1;
                let jitter = [0, 25, -20, 15, -30][n % 5];
                packet.dts = packet.dts.map(|dts| dts + jitter);
                packet.pts = packet.dts;
            }
        })
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
}

#[test]
fn a_resent_half_second_is_dropped() {
    let mut stream = Stream::new(Form::default());
    let at = stream
        .packets
        .iter()
        .position(|packet| packet.truth >= 10 * SECOND)
        .expect("long");
    let again: Vec<Pkt> = stream.packets[at - 30..at]
        .iter()
        .map(|packet| Pkt {
            spare: true,
            ..packet.clone()
        })
        .collect();
    stream.packets.splice(at..at, again);
    let run = stream.run();
    run.sound().lasts(20.0);
    assert!((24..=30).contains(&run.dropped.len()), "{}", run.dropped.len());
    assert_eq!(run.counters.resets, 0);
}

#[test]
fn dts_after_pts() {
    let run = Stream::new(Form::default())
        .one(VIDEO, 50, |packet| packet.pts = packet.dts.map(|dts| dts - 900))
        .one(VIDEO, 51, |packet| packet.pts = Some(0))
        .run();
    run.sound().lasts(20.0).has(0, 0, 0);
    assert_eq!(run.counters.raised, 2);
}

#[test]
fn nothing_drifts_by_rounding() {
    let form = Form {
        fps: 30_000.0 / 1_001.0,
        seconds: 7_200.0,
        rate: 44_100,
        ..Form::default()
    };
    let run = Stream::new(form).run();
    run.sound().in_sync(3).lasts(7_200.0).has(0, 0, 0);
}

#[test]
fn exact_dts_spacing_is_kept() {
    let form = Form {
        audio: false,
        fps: 50.0,
        ..Form::default()
    };
    let run = Stream::new(form).run();
    assert!(run.samples.iter().all(|(_, sample)| sample.duration.0 == 1_800));
}

#[test]
fn i64_extremes_among_good_packets() {
    for wrap in [0, 33] {
        let mut n = 0;
        let form = Form {
            wrap,
            ..Form::default()
        };
        let run = Stream::new(form)
            .each(|packet| {
                n += 1;
                if n % 50 == 49 {
                    packet.dts = Some(if n % 100 == 49 { i64::MAX } else { i64::MIN });
                    packet.pts = Some(if n % 3 == 0 { i64::MIN } else { i64::MAX });
                    packet.duration = i64::MAX;
                }
            })
            .run();
        run.sound().lasts(20.0).has(0, 0, 0);
    }
}

#[test]
fn sound_that_reaches_a_reset_after_the_seam_is_closed_follows() {
    for late in [11.4, 12.5, 15.0] {
        let run = Stream::new(Form::default())
            .shift(VIDEO, 10.0, -110.0)
            .shift(AUDIO, late, -110.0)
            .run();
        run.sound().lasts(20.0).has(0, 1, 0);
        assert_eq!(run.counters.outliers, 0);
    }
}

#[test]
fn a_reset_where_sound_is_interleaved_late() {
    for lag in [3, 7] {
        let mut stream = Stream::new(Form::default())
            .shift(VIDEO, 10.0, -110.0)
            .shift(AUDIO, 10.0, -110.0);
        for packet in &mut stream.packets {
            packet.at += if packet.track == AUDIO {
                lag * SECOND / 10
            } else {
                0
            };
        }
        stream.packets.sort_by_key(|packet| packet.at);
        let run = stream.run();
        run.sound().lasts(20.0).has(0, 1, 0);
        assert!(run.hole(VIDEO) < 0.05 && run.hole(AUDIO) < 0.05);
    }
}

#[test]
fn a_reset_of_b_frames_without_dts() {
    let form = Form {
        gop: &[0, 4, 2, 1, 3],
        ..Form::default()
    };
    let run = Stream::new(form)
        .shift(VIDEO, 10.08, -110.0)
        .shift(AUDIO, 10.0, -110.0)
        .each(|packet| {
            if packet.track == VIDEO {
                packet.dts = None;
            }
        })
        .run();
    run.sound().has(0, 1, 0);
}
