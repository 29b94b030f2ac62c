//! Rows 5 to 9, 11 and 12 as streams with wrong times: sound and picture stay within 40 ms, the file is as long as what was sent within a
//! frame, decoding times increase, and nothing that can be shown is lost.

use std::process::Command;
use std::sync::OnceLock;

use mediastack_tests::faults::{Fault, Size, pick, size};
use mediastack_tests::flv::Kind;
use mediastack_tests::process::output_of;
use tempfile::TempDir;

use crate::hostile::{Sent, Stream, run};
use crate::hostile_ts;

const LIVE: &str = "live_360p.flv";
/// With B-frames.
const FILM: &str = "av_h264_aac.flv";
const HOUR: i64 = 3_600_000;
const AUDIO: Option<Kind> = Some(Kind::Audio);
/// Where things go wrong: in the middle, and in the middle of a group of pictures.
const THEN: i64 = 4200;

/// Runs the streams of a row, in a sample the first `few` of them.
fn row(mut fault: Fault, few: usize, mut streams: Vec<Stream>) {
    let all = streams.len();
    streams.truncate(pick(few, all));
    let names: Vec<&str> = streams.iter().map(|stream| stream.name).collect();
    let names = names.join(", ");
    let seen = run(streams);
    fault
        .seen(format!(
            "{names}: A/V within {:.0} ms, length within {:.0} ms, {:.0} MiB at most",
            seen.apart * 1e3,
            seen.off * 1e3,
            seen.peak
        ))
        .lost(seen.lost);
}

#[test]
fn a_clock_that_begins_anew_is_rebased() {
    let fault = Fault::new(
        5,
        "camera reboots, timestamps restart at 0",
        "rebased; no jump in the output; A/V within 40 ms",
    );
    let day = 24 * HOUR;
    let late = |name, kind, to_zero: i64| {
        // One track reaches the new clock half a second after the other.
        Stream::of(name, LIVE)
            .shift(None, i64::MIN, day)
            .each(move |_, sent| {
                if sent.truth >= THEN {
                    sent.tag.time += to_zero;
                    if sent.tag.kind == kind {
                        sent.at += 0.5;
                    }
                }
            })
            .in_order()
    };
    row(
        fault,
        3,
        vec![
            Stream::of("reset_to_zero", LIVE)
                .shift(None, i64::MIN, day)
                .shift(None, THEN, -day - THEN),
            late("reset_where_sound_is_late", Kind::Audio, -day - THEN),
            Stream::of("reset_with_b_frames", FILM)
                .shift(None, i64::MIN, day)
                .shift(None, THEN, -day - THEN),
            late("reset_where_picture_is_late", Kind::Video, -day - THEN),
            Stream::of("reset_to_a_day", LIVE).shift(None, THEN, day),
            Stream::of("two_resets", LIVE)
                .shift(None, 2000, day)
                .shift(None, 5000, -day - 5000),
        ],
    );
}

#[test]
fn a_counter_of_32_bits_that_wraps_goes_on() {
    let fault = Fault::new(
        6,
        "33-bit PTS wrap (TS, 26.5 h), 32-bit RTMP wrap (49.7 d)",
        "continuous timeline; correct duration",
    );
    let end = 1_i64 << 32;
    row(
        fault,
        3,
        vec![
            Stream::of("wrap_of_32_bits", LIVE).shift(None, i64::MIN, end - THEN),
            Stream::of("wrap_of_32_bits_with_b_frames", FILM).shift(None, i64::MIN, end - THEN - 20),
            Stream::of("wrap_of_24_bits", LIVE).each(|_, sent| {
                // An encoder that leaves the fourth byte out: after 4.66 h it begins anew.
                sent.tag.time = (sent.tag.time + (1 << 24) - THEN) & 0xff_ffff;
            }),
            Stream::of("past_31_bits", LIVE).shift(None, i64::MIN, (1 << 31) - THEN),
            Stream::of("wrap_at_the_start", LIVE).shift(None, i64::MIN, end - 30),
            Stream::of("a_month_in", LIVE).shift(None, i64::MIN, 30 * 24 * HOUR),
        ],
    );
}

#[test]
fn a_counter_of_33_bits_that_wraps_goes_on() {
    let mut fault = Fault::new(
        6,
        "33-bit PTS wrap (TS, 26.5 h), 32-bit RTMP wrap (49.7 d)",
        "continuous timeline; correct duration",
    );
    let all = hostile_ts::wraps();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let packets = hostile_ts::run(&all);
    fault
        .seen(format!(
            "{}: the same {packets} packets at the same times",
            names.join(", ")
        ))
        .lost(0.0);
}

#[test]
fn packets_out_of_order_come_out_in_order() {
    let fault = Fault::new(
        7,
        "backward DTS, duplicate DTS, DTS after PTS",
        "increasing output; at most the bad packets are dropped, counted; little log",
    );
    row(
        fault,
        4,
        vec![
            Stream::of("duplicate_dts_of_pictures", LIVE).each(|count, sent| {
                sent.tag.time -= if sent.is(Kind::Video) && count % 10 == 5 {
                    40
                } else {
                    0
                };
            }),
            Stream::of("backward_dts_of_pictures", LIVE)
                // The pictures themselves say that they belong so much earlier.
                .expect(|expect| expect.apart = 0.065)
                .each(|count, sent| {
                    sent.tag.time -= if sent.is(Kind::Video) && count % 7 == 5 {
                        60
                    } else {
                        0
                    };
                }),
            Stream::of("dts_after_pts", LIVE).each(|count, sent| {
                if sent.is(Kind::Video) && count % 9 == 4 {
                    sent.tag.set_composition(-40);
                }
            }),
            {
                // The last half second comes once more, at the times that it had.
                let mut stream = Stream::of("half_a_second_again", LIVE);
                let again: Vec<_> = stream
                    .sent
                    .iter()
                    .filter(|sent| !sent.tag.is_setup() && (THEN - 500..THEN).contains(&sent.truth))
                    .cloned()
                    .collect();
                let place = stream
                    .sent
                    .iter()
                    .position(|sent| sent.truth >= THEN)
                    .unwrap_or(0);
                stream.sent.splice(place..place, again);
                stream
            },
            Stream::of("duplicate_dts_of_sound", LIVE).each(|count, sent| {
                sent.tag.time -= if sent.is(Kind::Audio) && count % 10 == 5 {
                    21
                } else {
                    0
                };
            }),
            Stream::of("backward_dts_with_b_frames", FILM).each(|count, sent| {
                sent.tag.time -= if sent.is(Kind::Video) && count % 11 == 5 {
                    50
                } else {
                    0
                };
            }),
            Stream::of("composition_of_an_hour", LIVE).each(|count, sent| {
                if sent.is(Kind::Video) && count == 110 {
                    sent.tag.set_composition(3_600_000);
                }
            }),
            Stream::of("jitter_of_15_ms", LIVE).each(|count, sent| {
                if !sent.tag.is_setup() {
                    sent.tag.time += [0, 15, -9, 6, -15, 11, -3][count % 7];
                }
            }),
            Stream::of("sound_in_bursts_of_four", LIVE).each(|count, sent| {
                // Four packets with the time of the first, as muxers do that fill one message.
                if sent.is(Kind::Audio) {
                    sent.tag.time -= (count % 4) as i64 * 21;
                }
            }),
        ],
    );
}

#[test]
fn a_jump_of_an_hour_changes_no_duration() {
    let fault = Fault::new(
        8,
        "timestamps jump by an hour in one packet, or for good",
        "duration unaffected; no split",
    );
    row(
        fault,
        4,
        vec![
            Stream::of("one_picture_an_hour_ahead", LIVE).one(Kind::Video, 105, HOUR),
            Stream::of("one_picture_an_hour_back", LIVE)
                .shift(None, i64::MIN, 2 * HOUR)
                .one(Kind::Video, 105, -HOUR),
            Stream::of("one_sound_an_hour_ahead", LIVE).one(Kind::Audio, 197, HOUR),
            Stream::of("an_hour_ahead_for_good", LIVE).shift(None, THEN, HOUR),
            Stream::of("an_hour_back_for_good", LIVE)
                .shift(None, i64::MIN, 2 * HOUR)
                .shift(None, THEN, -HOUR),
            Stream::of("one_sound_an_hour_back", LIVE)
                .shift(None, i64::MIN, 2 * HOUR)
                .one(Kind::Audio, 197, -HOUR),
            Stream::of("two_pictures_in_a_row", LIVE)
                .one(Kind::Video, 105, HOUR)
                .one(Kind::Video, 106, -30_000),
            Stream::of("ahead_and_back_after_two_seconds", LIVE)
                .shift(None, 3000, 30_000)
                .shift(None, 5000, -30_000),
            Stream::of("the_first_picture_is_an_hour_off", LIVE).one(Kind::Video, 0, HOUR),
            Stream::of("the_first_sound_is_an_hour_off", LIVE).one(Kind::Audio, 0, HOUR),
        ],
    );
}

#[test]
fn a_track_that_pauses_comes_back_where_it_belongs() {
    let fault = Fault::new(
        9,
        "the audio track freezes for 60 s, then resumes",
        "video goes on; audio realigned; memory bounded",
    );
    let frozen = |name, kind| {
        Stream::of(name, LIVE).without(move |sent| sent.is(kind) && (3000..6000).contains(&sent.truth))
    };
    let mut streams = vec![
        frozen("sound_pauses_for_three_seconds", Kind::Audio).expect(|expect| expect.gaps = 1),
        frozen("picture_pauses_for_three_seconds", Kind::Video)
            // It comes back with a key frame.
            .without(|sent| sent.is(Kind::Video) && (6000..6240).contains(&sent.truth))
            .expect(|expect| expect.gaps = 1),
        frozen("sound_comes_back_with_a_clock_of_its_own", Kind::Audio)
            .shift(AUDIO, 6000, -6000)
            .expect(|expect| expect.gaps = 1),
        Stream::of("a_second_and_a_half_is_lost", LIVE)
            .without(|sent| !sent.tag.is_setup() && (3360..4800).contains(&sent.truth))
            .expect(|expect| expect.gaps = 1),
        Stream::of("drift_of_500_ppm", LIVE).each(|_, sent| {
            sent.at = sent.truth as f64 / 1e3 * 1.0005;
        }),
        Stream::of("picture_comes_late", LIVE)
            .each(|_, sent| {
                if sent.is(Kind::Video) {
                    sent.at += 0.7;
                }
            })
            .in_order(),
        Stream::of("sound_comes_late", LIVE)
            .each(|_, sent| {
                if sent.is(Kind::Audio) {
                    sent.at += 0.7;
                }
            })
            .in_order(),
        Stream::of("a_stall_and_a_burst", LIVE).each(|_, sent| {
            if (2.0..6.0).contains(&sent.at) {
                sent.at = 6.0;
            }
        }),
        Stream::of("five_seconds_at_once_then_live", LIVE).each(|_, sent| sent.at = (sent.at - 5.0).max(0.0)),
    ];
    if size() == Size::All {
        let pause = |sent: &Sent| sent.is(Kind::Audio) && (4000..64_000).contains(&sent.truth);
        let minute = Stream::long("sound_pauses_for_a_minute", long(), 70_000).without(pause);
        streams.push(minute.expect(|expect| expect.gaps = 1));
    }
    row(fault, 4, streams);
}

/// The decoder's configuration comes again before each key frame, as some encoders do it.
fn parameters_with_each_key_frame() -> Stream {
    let stream = Stream::of("parameters_with_each_key_frame", LIVE);
    let is_setup = |sent: &&Sent| sent.tag.kind == Kind::Video && sent.tag.is_setup();
    let setup = stream.sent.iter().find(is_setup).cloned().expect("FLV has one");
    stream.in_front(|sent| {
        let mut again = setup.clone();
        (again.at, again.truth, again.tag.time) = (sent.at, sent.truth, sent.tag.time);
        sent.tag.is_key().then_some(again)
    })
}

/// Units without a picture: a delimiter before the first picture and before some others, flagged as a key frame or not, filler, and a
/// delimiter as the last that comes. They are no pictures of the file.
fn units_without_a_picture() -> Stream {
    const UNITS: [&[u8]; 3] = [&[9, 0xF0], &[12, 0xFF, 0xFF, 0x80], &[10]];
    let stream = Stream::of("units_without_a_picture", LIVE);
    let last = stream.sent.iter().rfind(|sent| sent.is(Kind::Video)).cloned();
    let alone = |like: &Sent, number: usize, by: i64| {
        let unit = UNITS[number % UNITS.len()];
        let mut sent = like.clone();
        // Where no packet of the fixture is.
        (sent.truth, sent.tag.time) = (i64::MAX, sent.tag.time + by);
        let first = if number.is_multiple_of(2) { 0x17 } else { 0x27 };
        sent.tag.data = vec![first, 1, 0, 0, 0, 0, 0, 0, unit.len() as u8];
        sent.tag.data.extend_from_slice(unit);
        sent
    };
    let mut pictures = 0;
    let mut stream = stream.in_front(|sent| {
        let number = pictures;
        pictures += usize::from(sent.is(Kind::Video));
        (sent.is(Kind::Video) && number % 5 == 0).then(|| alone(sent, number / 5, 0))
    });
    stream.sent.extend(last.map(|last| alone(&last, 0, 40)));
    stream
}

/// A stream that is longer than the fixtures.
fn long() -> &'static str {
    static MADE: OnceLock<(TempDir, String)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("long.flv");
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=160x90:r=25:d=75",
        ]);
        command.args([
            "-f",
            "lavfi",
            "-i",
            "aevalsrc=0.4*sin(2*PI*(200+20*t)*t):s=48000:d=75",
        ]);
        command.args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "12",
        ]);
        command.args([
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
            "-flvflags",
            "+no_duration_filesize",
        ]);
        output_of(command.arg(&path));
        let path = path.to_str().expect("UTF-8").to_owned();
        (dir, path)
    });
    path
}

#[test]
fn a_key_frame_is_waited_for() {
    let fault = Fault::new(
        11,
        "the first key frame comes after 30 s, or never",
        "waits with bounded memory; event `no_key_frame`; no empty item called complete",
    );
    row(
        fault,
        3,
        vec![
            units_without_a_picture(),
            Stream::of("four_seconds_without_a_key_frame", LIVE)
                .without(|sent| sent.tag.is_key() && sent.truth < 4000),
            Stream::of("only_the_first_picture_is_a_key_frame", LIVE).each(|count, sent| {
                if sent.is(Kind::Video) && count > 0 {
                    sent.tag.data[0] = sent.tag.data[0] & 0x0f | 0x20;
                }
            }),
            parameters_with_each_key_frame(),
        ],
    );
}

#[test]
fn sound_that_never_comes_holds_nothing_up() {
    let fault = Fault::new(
        12,
        "the stream declares audio that never comes",
        "starts within 3 s without it",
    );
    row(
        fault,
        2,
        vec![
            Stream::of("sound_is_configured_and_never_comes", LIVE)
                .without(|sent| sent.is(Kind::Audio))
                .expect(|expect| expect.sound = false),
            Stream::of("sound_is_announced_only", LIVE)
                .without(|sent| sent.tag.kind == Kind::Audio)
                .expect(|expect| expect.sound = false),
            Stream::of("sound_begins_after_two_seconds", LIVE)
                .without(|sent| sent.is(Kind::Audio) && sent.truth < 2000),
            Stream::of("sound_begins_after_five_seconds", LIVE)
                .without(|sent| sent.is(Kind::Audio) && sent.truth < 5000),
            Stream::of("picture_begins_after_a_second", LIVE)
                .without(|sent| sent.tag.kind == Kind::Video && sent.truth < 960 && !sent.tag.is_setup()),
        ],
    );
}
