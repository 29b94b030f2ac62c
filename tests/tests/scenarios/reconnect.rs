//! The source dies and returns three times: once with timestamps at 0 again, once with another picture size.

use std::collections::HashMap;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, Verdict};
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::publish::{Content, Publisher};
use mediastack_tests::recording::{Target, assert_finished};
use rustix::process::Signal;

const OFF: Duration = Duration::from_secs(1);
const ON: Duration = Duration::from_secs(6);
/// Reading ahead, starting up and dying all take ffmpeg a moment.
const SLACK: f64 = 1.0;

#[test]
fn one_broadcast_is_one_recording() {
    let nginx = NginxRtmp::start(WhenPublisherLeaves::DropPlayers);
    let url = nginx.url("a");
    let late = || Content::of(media("live_360p.flv")).starting_at(Duration::from_secs(100));
    let sessions = [
        late(),
        Content::of(media("live_360p.flv")),
        Content::of(media("live_180p.flv")),
        late(),
    ];

    let mut publisher = Publisher::start(&url, &sessions[0]);
    drop(Monitor::start_on_air(&url));
    let target = Target::default();
    let running = target.record(&url, &[]);
    target.wait_until_recording();
    let mut sent = Vec::new();
    for (number, content) in sessions.iter().enumerate() {
        let started = Instant::now();
        if number > 0 {
            publisher.restart(content);
        }
        sleep(ON);
        publisher.assert_alive();
        if number + 1 < sessions.len() {
            publisher.kill();
            sent.push(started.elapsed().as_secs_f64());
            sleep(OFF);
        }
    }
    running.signal(Signal::INT);
    let report = running.finish(Duration::from_secs(10)).success().json();

    assert_eq!(report["status"], "interrupted", "{report:#}");
    assert!(
        report["reconnects"].as_u64().is_some_and(|n| n >= 3),
        "{report:#}"
    );
    let gaps = report["gaps"]
        .as_array()
        .unwrap_or_else(|| panic!("no gaps: {report:#}"));
    assert_eq!(gaps.len(), 3, "{report:#}");
    for gap in gaps {
        let length = gap["length_s"].as_f64().unwrap_or_default();
        assert!((0.8..6.0).contains(&length), "{report:#}");
        assert!(
            gap["at_s"].is_number() && gap["cause"].as_str().is_some_and(|c| !c.is_empty()),
            "{report:#}"
        );
    }

    // The picture size changed twice: three parts, named in order by the manifest.
    let parts: Vec<PathBuf> = report["parts"]
        .as_array()
        .unwrap_or_else(|| panic!("no parts: {report:#}"))
        .iter()
        .map(|p| target.dir().join(p["path"].as_str().expect("a path")))
        .collect();
    assert_eq!(parts.len(), 3, "{report:#}");
    assert_eq!(parts[0], target.file());
    assert!(
        target.dir().join("out.parts.json").exists(),
        "{:?}",
        target.entries()
    );
    target.assert_tidy();
    let files: Vec<Verdict> = parts.iter().map(|p| assert_finished(p)).collect();
    let widths: Vec<_> = files
        .iter()
        .map(|f| f.first("video").fields["width"].as_u64())
        .collect();
    assert_eq!(widths, [Some(640), Some(320), Some(640)]);

    assert_all_received(&files[0], "live_360p.flv", &[None, Some(sent[1])]);
    assert_all_received(&files[1], "live_180p.flv", &[Some(sent[2])]);
    assert_all_received(&files[2], "live_360p.flv", &[None]);
}

/// Asserts that the video packets are as many runs of the fixture's as there were sessions, without a hole, and
/// that each run goes on until its publisher died after so many seconds.
#[track_caller]
fn assert_all_received(part: &Verdict, fixture: &str, sessions: &[Option<f64>]) {
    let source = judge::probe(&media(fixture));
    let places: HashMap<&str, usize> = source
        .first("video")
        .packets
        .iter()
        .enumerate()
        .map(|(place, p)| (p.hash.as_str(), place))
        .collect();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for packet in &part.first("video").packets {
        let place = *places
            .get(packet.hash.as_str())
            .unwrap_or_else(|| panic!("not of {fixture}: {packet:?}"));
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => runs.push((place, place)),
        }
    }
    assert_eq!(
        runs.len(),
        sessions.len(),
        "runs of {fixture}'s packets: {runs:?}"
    );
    for ((first, last), sent) in runs.iter().zip(sessions) {
        assert!(
            source.first("video").packets[*first].key,
            "a run begins at a key frame: {runs:?}"
        );
        if let Some(sent) = sent {
            let received = *last as f64 / 25.0;
            assert!(
                received > sent - SLACK,
                "recorded up to {received} s of the {sent} s that were sent"
            );
        }
    }
}
