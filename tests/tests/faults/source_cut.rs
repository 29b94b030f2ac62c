//! Row 1: the connection to the source is reset in the middle of a group of pictures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::faults::{Fault, patience, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, Packet};
use mediastack_tests::monitor::Monitor;
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::proxy::Proxy;
use mediastack_tests::publish::{Content, Publisher};

/// Half a second of pictures is the distance of key frames; a moment more for the network and its reader.
const GOP: f64 = 0.48;
const SLACK: f64 = 0.3;

#[test]
fn a_reset_costs_no_frame_that_came_and_the_pauses_grow() {
    let mut fault = Fault::new(
        1,
        "source stops mid-GOP (TCP reset)",
        "frames up to the last complete one are kept; reconnect with jittered back-off 1 to 30 s; same recording, gap listed",
    );
    let away = pick(Duration::from_secs(6), Duration::from_secs(80));
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let proxy = Proxy::start(nginx.port());
    let _publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let monitor = Monitor::start_on_air(&nginx.url("a"));
    let mut lab = Lab::default();
    let (source, task) = lab.recording(&format!("rtmp://127.0.0.1:{}/live/a", proxy.port()));

    let before = proxy.attempts().len();
    proxy.refuse(true);
    let cut = Instant::now();
    proxy.cut();
    let noticed = lab.until_state(source, "reconnecting", SOON);
    assert!(noticed < patience(Duration::from_secs(2)), "{noticed:?}");
    std::thread::sleep(away.saturating_sub(cut.elapsed()));
    proxy.refuse(false);
    let back = Instant::now();
    lab.until_state(source, "recording", Duration::from_secs(40));
    lab.until_more(source, 1.0, Duration::from_secs(40));
    let recovered = back.elapsed();
    lab.until_more(source, 2.0, SOON);
    let ended = lab.stop(source);

    // The pauses: half to all of 1, 2, 4, … at most 30 s, and never in a burst.
    let attempts = &proxy.attempts()[before..];
    let mut last = cut;
    let late = patience(Duration::from_secs(1)).as_secs_f64();
    let mut pauses = Vec::new();
    for (number, attempt) in attempts.iter().enumerate() {
        let pause = attempt.duration_since(last).as_secs_f64();
        let most = (1_u32 << number.min(5)).min(30);
        let most = f64::from(most);
        assert!(
            (most / 2.0 - 0.01..most + late).contains(&pause),
            "pause {number}: {pause} of {most}"
        );
        pauses.push(format!("{pause:.1}"));
        last = *attempt;
    }
    assert!(attempts.len() >= pick(3, 5), "{pauses:?}");
    assert!(
        recovered < patience(pick(Duration::from_secs(8), Duration::from_secs(34))),
        "one pause and a moment: {recovered:?}"
    );

    // One task, one item, one gap that is as long as the outage.
    let video = lab.only_video();
    for item in [&ended, &video] {
        let all = gaps(item);
        assert_eq!(all.len(), 1, "{item:#}");
        let outage = attempts
            .last()
            .expect("it came back")
            .duration_since(cut)
            .as_secs_f64();
        assert!((all[0] - outage).abs() < late + GOP, "{outage} s away: {item:#}");
    }
    assert_eq!(ended["id"], task);
    assert_eq!(ended["reconnects"], attempts.len(), "{ended:#}");
    let parts = lab.finished(&video);
    assert_eq!(parts.len(), 1, "one file");

    // The last frame before the gap is one that the source sent just before the cut.
    let packets = &parts[0].first("video").packets;
    let source = judge::probe(&media("live_360p.flv"));
    let places: HashMap<&str, usize> = (0..)
        .zip(&source.first("video").packets)
        .map(|(place, packet)| (packet.hash.as_str(), place))
        .collect();
    let place = |packet: &Packet| places[packet.hash.as_str()];
    let holes: Vec<usize> = (0..packets.len() - 1)
        .filter(|at| (place(&packets[*at]) + 1) % places.len() != place(&packets[*at + 1]))
        .collect();
    assert_eq!(holes.len(), 1, "one run of frames, then another");
    let hole = holes[0];
    let sent = monitor
        .sent_before(&packets[hole].hash, cut + Duration::from_secs(1))
        .expect("the other player saw it");
    let lost = cut.saturating_duration_since(sent).as_secs_f64();
    assert!(lost <= SLACK, "frames of {lost} s before the cut are missing");
    assert!(packets[hole + 1].key, "it goes on at a key frame");
    fault
        .seen(format!(
            "one item, pauses of {} s, frames kept up to {lost:.2} s before the reset",
            pauses.join(", ")
        ))
        .recovered_in(recovered)
        .lost(lost);
}
