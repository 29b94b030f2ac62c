//! `kill -9` at random instants: `recover` gives a file that opens, and at most two seconds and one GOP are missing.
//!
//! How much is missing is measured against a second player of the same stream, which knows when each packet was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mediastack_tests::binary;
use mediastack_tests::fixtures::media;
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::ports;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Target, assert_finished};

/// Two seconds and the GOP of the source (12 frames), and what a busy machine takes to hand a packet on.
const MAY_BE_MISSING: Duration = Duration::from_millis(2000 + 480 + 400);

/// Until the recorder is connected and has seen its first key frame.
const START_UP: Duration = Duration::from_millis(3000);

/// Recordings that run at the same time.
const SIDE_BY_SIDE: usize = 10;

#[test]
fn at_random_instants() {
    let kills = std::env::var("MEDIASTACK_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(40);
    let seed = std::env::var("MEDIASTACK_SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_240_917);
    println!("{kills} kills, MEDIASTACK_SEED={seed}");

    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let url = nginx.url("a");
    let _publisher = Publisher::start(&url, &Content::of(media("live_360p.flv")));
    let monitor = Monitor::start(&url);
    ports::wait_for("the stream", Duration::from_secs(10), || monitor.count() > 0);

    let next = AtomicUsize::new(0);
    let recovered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= kills {
                        return;
                    }
                    // From before the first byte to a few fragments later.
                    let life = Duration::from_millis(50 + random(seed, number as u64) % 7950);
                    if kill_after(life, &url, &monitor, number) {
                        recovered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let recovered = recovered.into_inner();
    println!("{recovered} of {kills} had media to recover");
    assert!(
        recovered * 2 > kills,
        "only {recovered} of {kills} recordings got so far as to have media"
    );
}

/// Kills one recording and judges what is left; false when there is nothing and there need not be anything.
fn kill_after(life: Duration, url: &str, monitor: &Monitor, number: usize) -> bool {
    let target = Target::default();
    let mut running = target.record(url, &[]);
    let started = running.started();
    sleep(life);
    assert!(
        running.is_running(),
        "kill {number}: it ended by itself: {}",
        running.stderr()
    );
    let killed = running.kill();
    if !target.file().exists() {
        assert!(life < START_UP, "kill {number}: no file after {life:?}");
        return false;
    }
    let run = recover(&target);
    let excused = killed - started < MAY_BE_MISSING + START_UP;
    if run.code != Some(0) {
        assert!(excused, "kill {number} after {life:?}: {run:#?}");
        run.clear_error();
        return false;
    }
    if !target.file().exists() {
        // Killed before its first fragment was whole: the empty file is gone.
        assert!(excused, "kill {number} after {life:?}: {run:#?}");
        assert_eq!(run.json()["files"][0]["outcome"], "empty", "{run:#?}");
        return false;
    }
    let file = assert_finished(&target.file());
    target.assert_tidy();
    let last = file
        .first("video")
        .packets
        .last()
        .expect("a recovered file has packets");
    let sent: Instant = monitor
        .sent_before(&last.hash, killed)
        .unwrap_or_else(|| panic!("kill {number}: the last packet was never sent: {last:?}"));
    let missing = killed - sent;
    assert!(
        missing <= MAY_BE_MISSING,
        "kill {number} after {life:?}: {missing:?} are missing"
    );
    // Once more changes nothing.
    let before = std::fs::read(target.file()).expect("readable");
    let again = recover(&target);
    assert!(
        again.code == Some(0) && std::fs::read(target.file()).expect("readable") == before,
        "{again:#?}"
    );
    true
}

fn recover(target: &Target) -> binary::Run {
    let args = ["recover".as_ref(), target.dir().as_os_str(), "--json".as_ref()];
    binary::run(&args, Duration::from_secs(20))
}

/// SplitMix64: the `number`th value of the sequence that `seed` begins.
fn random(seed: u64, number: u64) -> u64 {
    let mut x = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
