//! G.711 can't go into an MP4 that browsers play: it becomes AAC, and the video is copied as ever.

use mediastack_tests::judge::Times;
use mediastack_tests::recording::{Plan, record_beside_ffmpeg};
use mediastack_tests::rtsp::{Mount, RtspServer};

fn record(audio: &'static str) {
    let server = RtspServer::start(Mount {
        video: "h264",
        audio,
        protocols: "tcp",
    });
    let plan = Plan {
        url: &server.url(),
        options: &["--rtsp-transport", "tcp"],
        input: &["-rtsp_transport", "tcp"],
        output: &["-an"],
        copied: &["video"],
        times: Times::MostSteps,
    };
    let outcome = record_beside_ffmpeg(plan, 5);
    let audio = outcome.ours.first("audio");
    assert_eq!((audio.codec.as_str(), audio.tag.as_str()), ("aac", "mp4a"));
    assert!(
        (audio.length() - outcome.ours.first("video").length()).abs() < 0.3,
        "{}",
        audio.length()
    );
}

#[test]
fn a_law_becomes_aac() {
    record("alaw");
}

#[test]
fn mu_law_becomes_aac() {
    record("mulaw");
}
