//! MPEG-TS with other times, sent over HTTP at its natural speed: what is recorded must be the packets of the plain file at their times.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mediastack_tests::binary;
use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, Times, Verdict, assert_same_over_common_span};
use mediastack_tests::origin::{Origin, Reply};
use mediastack_tests::ports;
use mediastack_tests::recording::{Target, assert_finished};
use mediastack_tests::ts_times::{WRAP, Which, rewrite};
use rustix::process::Signal;

/// Makes another time of one.
pub(crate) type Change = fn(Which, i64) -> i64;

const FILM: &str = "av_h264_aac.ts";
/// How much of it is sent.
const SECONDS: i64 = 10;
const SECOND: i64 = 90_000;

/// A wrap in the middle, before the first key frame has passed, and between picture and sound.
pub(crate) fn wraps() -> Vec<(&'static str, Change)> {
    vec![
        ("wrap_of_33_bits", |_, time| time + WRAP - 6 * SECOND),
        ("wrap_of_33_bits_at_the_start", |_, time| {
            time + WRAP - 3 * SECOND / 2 - 1500
        }),
        ("wrap_without_a_program_clock", |which, time| match which {
            Which::Clock => 0,
            Which::Pes(_) => time + WRAP - 6 * SECOND,
        }),
    ]
}

/// Runs streams side by side and gives how many packets were compared.
#[track_caller]
pub(crate) fn run(streams: &[(&'static str, Change)]) -> usize {
    let plain = plain();
    std::thread::scope(|scope| {
        let all: Vec<_> = streams
            .iter()
            .map(|(name, change)| {
                let plain = &plain;
                scope.spawn(move || {
                    let ours = record(*change);
                    let mut count = 0;
                    let first = |verdict: &Verdict, kind| verdict.first(kind).packets.clone();
                    let mut shift = Vec::new();
                    for kind in ["video", "audio"] {
                        let (mine, theirs) = (ours.first(kind), plain.first(kind));
                        count +=
                            assert_same_over_common_span(mine, theirs, mine.packets.len() - 2, Times::All);
                        let place = &first(&ours, kind)[10];
                        let there = first(plain, kind)
                            .into_iter()
                            .find(|packet| packet.hash == place.hash);
                        shift.push(place.pts - there.expect("just compared").pts);
                    }
                    assert!(
                        (shift[0] - shift[1]).abs() < 0.002,
                        "{name}: sound and picture {shift:?}"
                    );
                    let sent = SECONDS as f64;
                    assert!((ours.duration - sent).abs() < 0.1, "{name}: {} s", ours.duration);
                    count
                })
            })
            .collect();
        all.into_iter()
            .map(|one| one.join().expect("a stream failed"))
            .sum()
    })
}

/// The plain file as the binary remuxes it.
fn plain() -> Verdict {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("plain.mp4");
    let film = media(FILM);
    binary::run(
        &["remux".as_ref(), film.as_os_str(), out.as_os_str()],
        Duration::from_secs(30),
    )
    .success();
    judge::probe(&out)
}

fn record(change: Change) -> Verdict {
    let mut bytes = std::fs::read(media(FILM)).expect("the fixture is there");
    // When each transport packet leaves, by the program clock before it was changed.
    let mut times = Vec::new();
    let mut now = 0;
    let mut first = None;
    for packet in bytes.chunks_exact_mut(188) {
        rewrite(packet, |which, time| {
            if which == Which::Clock {
                now = time - *first.get_or_insert(time);
            }
            change(which, time)
        });
        times.push(now);
    }
    let bytes: Arc<[u8]> = bytes.into();
    let end = times.partition_point(|time| *time < SECONDS * SECOND);
    times.truncate(end);
    let sent = Mutex::new(Some((times, Arc::clone(&bytes))));
    let origin = Origin::start(move |_| {
        let Some((times, bytes)) = sent.lock().expect("no holder panics").take() else {
            return Reply::status(404);
        };
        Reply::stream("video/mp2t", move |out| {
            let began = Instant::now();
            for (packet, time) in bytes.chunks_exact(188).zip(times) {
                let at = Duration::from_secs_f64(time as f64 / SECOND as f64);
                std::thread::sleep(at.saturating_sub(began.elapsed()));
                out.write_all(packet)?;
            }
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        })
    });
    let target = Target::default();
    let running = target.record(&origin.url("live.ts"), &[]);
    ports::wait_for("the request", Duration::from_secs(10), || {
        origin.count("live") > 0
    });
    std::thread::sleep(Duration::from_secs(SECONDS as u64 + 1));
    running.signal(Signal::INT);
    let report = running.finish(Duration::from_secs(20)).success().json();
    assert_eq!(report["gaps"], serde_json::json!([]), "{report:#}");
    assert_finished(&target.file())
}
