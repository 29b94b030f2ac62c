//! Real players play what `mediastack vod` serves: hls.js in Chromium, ffmpeg and GStreamer.

use std::path::Path;
use std::process::Command;

use mediastack_tests::fixtures::{media, repository};
use mediastack_tests::process::output_of;
use mediastack_tests::vod::Vod;
use serde_json::Value;

fn root() -> std::path::PathBuf {
    media("av_h264_aac_faststart.mp4")
        .parent()
        .expect("a file in a folder")
        .to_path_buf()
}

/// hls.js in Debian's Chromium plays `url` from the start, at the end, back again, and through its audio tracks.
fn play_in_browser(url: &str) -> Value {
    let folder = repository().join("tests/browser");
    let (said, _) = output_of(Command::new("node").arg("play.mjs").arg(url).current_dir(folder));
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{url}: {error} in {said}"))
}

fn assert_played(played: &Value, url: &str) {
    // MPEG-TS starts a little after 0, and hls.js says that it skips that.
    let errors = played["errors"].as_array().expect("a list");
    let skipped = |error: &Value| {
        error
            .as_str()
            .is_some_and(|error| error.starts_with("bufferSeekOverHole: "))
    };
    assert!(errors.iter().all(skipped), "{url}: {played}");
    assert_eq!(played["console"], serde_json::json!([]), "{url}: {played}");
    let duration = played["duration"].as_f64().expect("a duration");
    let end = played["end"].as_f64().expect("where it ended");
    assert!(
        (duration - 20.0).abs() < 0.2 && duration - end < 0.2,
        "{url}: {played}"
    );
    assert!(played["decoded"].as_u64() > Some(50), "{url}: {played}");
    assert_eq!(played["height"], 360, "{url}: {played}");
}

#[test]
fn hls_js_plays_seeks_to_the_end_and_back() {
    for (preset, container) in [
        ("nginx-vod", "mpegts"),
        ("nginx-vod", "fmp4"),
        ("mediastack", "fmp4"),
        ("mediastack", "mpegts"),
    ] {
        let container = format!("vod_hls_container_format={container}");
        // Of ten seconds the last one would hold nothing but a frame of sound, which hls.js can't place.
        let duration = "vod_segment_duration=7000";
        let options = [
            "--preset", preset, "--cors", "*", "--option", duration, "--option", &container,
        ];
        let vod = Vod::start(&root(), &options);
        let url = vod.url("/av_h264_aac_faststart.mp4/master.m3u8");
        assert_played(&play_in_browser(&url), &format!("{preset} {container}"));
    }
}

#[test]
fn hls_js_switches_audio() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("two.mp4");
    let source = media("av_h264_aac_faststart.mp4");
    let command = [
        "-map",
        "0:v",
        "-map",
        "0:a",
        "-map",
        "0:a",
        "-c",
        "copy",
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:1",
        "language=fra",
    ];
    output_of(
        Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-i"])
            .arg(&source)
            .args(command)
            .arg(&file),
    );
    for container in ["fmp4", "mpegts"] {
        let option = format!("vod_hls_container_format={container}");
        let vod = Vod::start(
            folder.path(),
            &["--preset", "mediastack", "--cors", "*", "--option", &option],
        );
        let url = vod.url("/two.mp4/master.m3u8");
        let played = play_in_browser(&url);
        assert_played(&played, container);
        assert_eq!(
            played["audioTracks"],
            serde_json::json!(["English", "Français"]),
            "{played}"
        );
        assert_eq!(played["switched"], serde_json::json!(["Français"]), "{played}");
    }
}

#[test]
fn hls_js_plays_encrypted_segments() {
    for container in ["mpegts", "fmp4"] {
        let container = format!("vod_hls_container_format={container}");
        let options = [
            "--option",
            "vod_segment_duration=7000",
            "--cors",
            "*",
            "--option",
            "vod_secret_key=k$vod_filepath",
            "--option",
            "vod_hls_encryption_method=aes-128",
        ];
        let vod = Vod::start(&root(), &[&options[..], &["--option", &container]].concat());
        let url = vod.url("/av_h264_aac_faststart.mp4/master.m3u8");
        assert_played(&play_in_browser(&url), &container);
    }
}

#[test]
fn gstreamer_plays_to_the_end() {
    for (container, demuxer) in [("mpegts", "tsdemux"), ("fmp4", "qtdemux")] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let option = format!("vod_hls_container_format={container}");
        let vod = Vod::start(
            &root(),
            &["--option", &option, "--option", "vod_segment_duration=4000"],
        );
        let url = vod.url("/av_h264_aac_faststart.mp4/index.m3u8");
        let raw = folder.path().join("video.h264");
        let pipeline = format!(
            "souphttpsrc location={url} ! hlsdemux ! {demuxer} name=d \
             d. ! queue max-size-bytes=0 max-size-buffers=0 max-size-time=0 ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! filesink location={} \
             d. ! queue max-size-bytes=0 max-size-buffers=0 max-size-time=0 ! aacparse ! fakesink",
            raw.display()
        );
        output_of(
            Command::new("timeout")
                .arg("60")
                .arg("gst-launch-1.0")
                .arg("-q")
                .args(pipeline.split_whitespace()),
        );
        assert_eq!(frames(&raw), 500, "{container}");
    }
}

fn frames(path: &Path) -> usize {
    let (said, _) = output_of(
        Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-count_packets",
                "-show_entries",
                "stream=nb_read_packets",
                "-of",
                "csv=p=0",
            ])
            .arg(path),
    );
    said.trim()
        .parse()
        .unwrap_or_else(|error| panic!("{error} in {said}"))
}
