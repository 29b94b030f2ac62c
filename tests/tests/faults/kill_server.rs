//! Row 24, the server's side: `kill -9` at random instants while it records, and again while it starts.

use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::power::Random;
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::assert_finished;

/// Two seconds and the GOP of the source (12 frames), and what a busy machine takes to hand a packet on.
const MAY_BE_MISSING: Duration = Duration::from_millis(2000 + 480 + 600);

#[test]
fn at_random_instants_of_a_server() {
    let mut fault = Fault::new(
        24,
        "kill -9 of the server at random instants of recordings",
        "at most two seconds and a GOP are missing; the file opens; no row says more than there is; it goes on at once",
    );
    let seed = std::env::var("MEDIASTACK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_128);
    let kills = std::env::var("MEDIASTACK_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(pick(5, 150));
    println!("{kills} kills, MEDIASTACK_SEED={seed}");
    let mut random = Random::new(seed);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let url = nginx.url("a");
    let _publisher = Publisher::start(&url, &Content::of(media("live_360p.flv")));
    let monitor = Monitor::start_on_air(&url);
    let mut lab = Lab::default();
    let sources = [lab.source(&url), lab.source(&url)];
    for source in sources {
        lab.record(source);
        lab.until_durable(source, 0.1, SOON);
    }
    let mut worst = Duration::ZERO;
    for number in 0..kills {
        std::thread::sleep(Duration::from_millis(random.below(4000) as u64));
        let shown: Vec<(i64, i64, f64)> = sources
            .iter()
            .map(|source| {
                let live = lab.live(*source);
                let task = live["task_id"].as_i64().unwrap_or_default();
                (*source, task, live["durable_s"].as_f64().unwrap_or(0.0))
            })
            .collect();
        // Whatever else it may be doing: half of the kills hit a server that stops.
        let killed = Instant::now();
        lab.server.kill();
        if random.below(3) == 0 {
            // And one that starts.
            lab.server.restart();
            std::thread::sleep(Duration::from_millis(random.below(400) as u64));
            lab.server.kill();
        }
        let begun = Instant::now();
        lab.server.restart();
        lab.sign_in();
        for (source, task, durable) in shown {
            let ended = lab.until_ended(task, SOON);
            let length = ended["duration"].as_f64().unwrap_or(0.0);
            assert!(
                length >= durable.floor(),
                "kill {number}: {durable} s were shown: {ended:#}"
            );
            if durable > 0.0 {
                assert_eq!(ended["status"], "interrupted", "kill {number}: {ended:#}");
                let path = lab
                    .server
                    .storage()
                    .join(ended["file_path"].as_str().expect("a name"));
                let file = assert_finished(&path);
                assert!(
                    file.duration >= durable - 0.05,
                    "kill {number}: {durable} s were shown, {} are there",
                    file.duration
                );
                let said = ended["duration"].as_f64().expect("a number");
                assert!(
                    (said - file.duration).abs() <= 1.0,
                    "kill {number}: the row says {said}, the file has {}",
                    file.duration
                );
                let last = file
                    .first("video")
                    .packets
                    .last()
                    .expect("it has packets")
                    .hash
                    .clone();
                let sent = monitor
                    .sent_before(&last, killed)
                    .unwrap_or_else(|| panic!("kill {number}: the last packet was never sent"));
                worst = worst.max(killed - sent);
                assert!(
                    killed - sent <= MAY_BE_MISSING,
                    "kill {number}: {:?} are missing",
                    killed - sent
                );
            }
            // Nobody stopped it: it goes on.
            lab.until_durable(source, 0.1, SOON);
        }
        fault.recovered_in(begun.elapsed());
    }
    for source in sources {
        lab.stop(source);
    }
    let videos = lab.videos();
    assert_eq!(videos.len(), sources.len(), "each is one item: {videos:#?}");
    for video in &videos {
        lab.finished(video);
    }
    lab.server.stop();
    lab.server.assert_agrees();
    fault
        .seen(format!(
            "{kills} kills of two recordings each, rows and files agree (fsck exits 0)"
        ))
        .lost(worst.as_secs_f64());
}

#[test]
fn what_was_killed_agrees_after_a_repair_without_a_server() {
    let mut fault = Fault::new(
        24,
        "kill -9 of the server, and fsck instead of a start",
        "fsck finds what is open, repairs it, and then finds nothing",
    );
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut lab = Lab::default();
    let (source, task) = lab.recording(&nginx.url("a"));
    let shown = lab.live(source)["durable_s"].as_f64().expect("it runs");
    lab.server.kill();
    assert_eq!(lab.server.fsck(&[]).code, Some(11));
    let begun = Instant::now();
    assert_eq!(lab.server.fsck(&["--repair"]).code, Some(0));
    lab.server.assert_agrees();
    lab.server.restart();
    lab.sign_in();
    let ended = lab.task(task);
    assert!(
        ended["duration"].as_f64() >= Some(shown.floor()),
        "{shown}: {ended:#}"
    );
    // It goes on, as it would have after a start.
    lab.until_durable(source, 0.1, SOON);
    fault
        .recovered_in(begun.elapsed())
        .seen("repaired, and gone on with");
    lab.stop(source);
}
