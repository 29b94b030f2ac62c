//! Row 10: the picture's size or codec changes in the middle.

use std::sync::Arc;
use std::time::Duration;

use mediastack_tests::faults::Fault;
use mediastack_tests::faults::lab::{Lab, SOON, gaps};
use mediastack_tests::fixtures::media;
use mediastack_tests::hls_window::{LiveWindow, cut};
use mediastack_tests::nginx_rtmp::{NginxRtmp, WhenPublisherLeaves};
use mediastack_tests::origin::Reply;
use mediastack_tests::process::output_of;
use mediastack_tests::publish::{Content, Publisher};

const TITLE: &str = "SPS, resolution or codec changes mid-stream";
const EXPECTED: &str = "new init segment or part, one item, `EXT-X-DISCONTINUITY`; both halves play";

/// Plays the one item over HLS and gives how many pictures ffmpeg shows, and the seconds of its files.
#[track_caller]
fn played(lab: &mut Lab, parts: usize) -> (usize, f64) {
    let video = lab.only_video();
    let files = lab.opened(&video);
    assert_eq!(files.len(), parts, "{video:#}");
    let play = lab
        .admin
        .get(&format!("/api/videos/{}/play", video["id"]))
        .json(200);
    let path = play["hls_url"].as_str().expect("a path").to_owned();
    let playlist = lab.admin.get(&path).text();
    assert_eq!(
        playlist.matches("#EXT-X-DISCONTINUITY\n").count(),
        parts - 1,
        "{playlist}"
    );
    // ffmpeg keeps to one size and codec, so each half is played by itself from its place in the playlist.
    let mut shown = 0;
    for file in lab.files(&video) {
        let mut command = std::process::Command::new("ffmpeg");
        // The fixture's own pictures refer to some before its start when it is played over and over.
        command.args(["-nostdin", "-v", "fatal", "-i"]).arg(file);
        command.args(["-map", "0:v", "-f", "framehash", "-"]);
        let (out, errors) = output_of(&mut command);
        assert_eq!(errors, "");
        shown += out.lines().filter(|line| !line.starts_with('#')).count();
    }
    let length: f64 = files.iter().map(|file| file.duration).sum();
    let mut ffprobe = std::process::Command::new("ffprobe");
    ffprobe.args([
        "-v",
        "error",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
    ]);
    let (said, _) = output_of(ffprobe.arg(lab.server.url(&path)));
    let whole: f64 = said.trim().parse().expect("a number");
    assert!(
        (whole - length).abs() < 1.0,
        "the playlist {whole} s, the files {length} s"
    );
    (shown, length)
}

#[test]
fn another_size_in_the_same_connection_is_another_part_of_the_same_item() {
    let mut fault = Fault::new(10, TITLE, EXPECTED);
    let nginx = NginxRtmp::start(WhenPublisherLeaves::KeepPlayers);
    let mut publisher = Publisher::start(&nginx.url("a"), &Content::of(media("live_360p.flv")));
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&nginx.url("a"));
    publisher.restart(&Content::of(media("live_180p.flv")));
    lab.until_more(source, 4.0, SOON);
    let ended = lab.stop(source);
    assert_eq!(ended["reconnects"], 0, "{ended:#}");
    let lost: f64 = gaps(&ended).iter().sum();
    let (shown, length) = played(&mut lab, 2);
    assert!(
        (shown as f64 - length * 25.0).abs() < 8.0,
        "{shown} pictures in {length} s"
    );
    fault
        .seen(format!(
            "RTMP, 640x360 to 320x180: one item of 2 files, {shown} pictures shown of {length:.1} s"
        ))
        .lost(lost);
}

#[test]
fn another_codec_behind_a_discontinuity_is_another_part_of_the_same_item() {
    let mut fault = Fault::new(10, TITLE, EXPECTED);
    let origin = LiveWindow::start(cut(&media("live_360p.flv"), 100));
    let other = cut(&media("av_hevc_aac.ts"), 80);
    let mut lab = Lab::default();
    let (source, _) = lab.recording(&origin.url());
    let from = origin.head() + 1;
    origin.script(move |asked, mut listing| {
        if asked.path == "index.m3u8" {
            for (number, tags) in &mut listing.entries {
                if *number == from {
                    tags.push("#EXT-X-DISCONTINUITY".to_owned());
                }
            }
            return Some(listing.reply());
        }
        let number: usize = asked.path.strip_suffix(".ts")?.parse().ok()?;
        let segment = other.get(number.checked_sub(from)?)?;
        Some(Reply::ok("video/mp2t", Arc::clone(&segment.bytes)))
    });
    lab.until_live(source, Duration::from_secs(40), |_| origin.head() > from + 7);
    lab.until_more(source, 2.0, SOON);
    let ended = lab.stop(source);
    assert_eq!(
        (gaps(&ended).len(), &ended["reconnects"]),
        (0, &0.into()),
        "{ended:#}"
    );
    let (shown, length) = played(&mut lab, 2);
    assert!(
        (shown as f64 - length * 25.0).abs() < 8.0,
        "{shown} pictures in {length} s"
    );
    fault
        .seen(format!(
            "HLS, H.264 to HEVC: one item of 2 files, no gap, {shown} pictures shown of {length:.1} s"
        ))
        .lost(0.0);
}
