//! Row 4: RTP over a UDP that loses and reorders.

use std::time::Duration;

use mediastack_tests::faults::lab::{Lab, SOON};
use mediastack_tests::faults::{Fault, pick};
use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, assert_faststart};
use mediastack_tests::rtsp_relay::{Feed, Relay};
use serde_json::json;

#[test]
fn a_lossy_network_costs_what_it_loses_and_no_more() {
    let mut fault = Fault::new(
        4,
        "RTSP over UDP with 5 % loss and reordering",
        "falls back to TCP by policy, or keeps what can be decoded; loss counted; no crash, no split",
    );
    let feed = Feed {
        file: media("live_360p.flv"),
        sound: vec!["-c:a", "aac", "-b:a", "96k"],
        data: false,
    };
    let camera = Relay::start(&feed);
    camera.disturb(5, 5);
    let mut lab = Lab::default();

    // Left to itself, a recording comes over TCP, where nothing is lost.
    let by_policy = lab.source(&camera.url());
    lab.record(by_policy);
    lab.until_durable(by_policy, 2.0, SOON);
    let (_, udp, tcp) = camera.counts();
    assert!(udp == 0 && tcp > 0, "{udp} over UDP, {tcp} over TCP");
    lab.stop(by_policy);

    // A source that is told to use UDP gets what comes.
    let source = lab.source(&camera.url());
    let change = json!({"transport": "udp"});
    lab.admin
        .put(&format!("/api/sources/{source}"), &change)
        .json(200);
    let task = lab.record(source);
    let length = pick(12.0, 60.0);
    lab.until_durable(source, length, Duration::from_secs(90));
    let (dropped, udp, _) = camera.counts();
    let ended = lab.stop(source);
    assert!(dropped > 10 && udp > 200, "{dropped} of {udp} were lost");
    assert_eq!(ended["reconnects"], 0, "{ended:#}");
    let video = lab
        .admin
        .get(&format!("/api/videos/{}", ended["video_id"]))
        .json(200);
    let files = lab.files(&video);
    assert_eq!(files.len(), 1, "no split: {files:?}");
    // Damaged pictures are in it, of which a decoder complains.
    assert_faststart(&files[0]);
    let file = judge::probe(&files[0]);
    file.assert_duration();
    for track in &file.tracks {
        let back = track.packets.windows(2).find(|pair| pair[0].dts >= pair[1].dts);
        assert!(back.is_none(), "{back:?}");
    }
    let picture = file.first("video");
    assert!(
        (picture.length() - length).abs() < 3.0,
        "{} s of picture in {length} s",
        picture.length()
    );
    // What is decodable is decoded: ffmpeg conceals what is damaged and shows the rest.
    let shown = shown(&files[0]);
    assert!(shown as f64 > picture.length() * 25.0 * 0.6, "{shown} pictures");
    let events = lab.events(task);
    let told: u64 = events
        .iter()
        .filter(|event| event.ends_with("lost on the network"))
        .filter_map(|event| event.split(' ').nth(1)?.parse::<u64>().ok())
        .sum();
    fault.seen(format!(
        "TCP by policy; over UDP {dropped} of {} packets lost, {told} of them told in events: one file, {shown} of {:.0} pictures shown",
        udp + dropped,
        picture.length() * 25.0,
    ));
    let lost = picture.length() - picture.packets.len() as f64 / 25.0;
    fault.lost(lost.max(0.0));
    assert!(
        told * 2 > dropped,
        "{dropped} were lost, {told} were told: {events:?}"
    );
}

/// How many pictures ffmpeg shows of a file.
fn shown(file: &std::path::Path) -> usize {
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "fatal", "-i"]).arg(file);
    command.args(["-map", "0:v", "-f", "framehash", "-"]);
    let (out, _) = mediastack_tests::process::output_of(&mut command);
    out.lines().filter(|line| !line.starts_with('#')).count()
}
