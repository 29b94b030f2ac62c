//! Any readable file becomes a faststart MP4 with the packets that `ffmpeg -c copy` gives.

use std::time::Duration;

use mediastack_tests::binary;
use mediastack_tests::fixtures::media;
use mediastack_tests::judge::{self, assert_faststart, assert_same_packets};
use mediastack_tests::reference;

fn remux(name: &str, copied: &[&str]) -> judge::Verdict {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (out, expected) = (dir.path().join("out.mp4"), dir.path().join("reference.mp4"));
    let input = media(name);
    let args = [
        "remux".as_ref(),
        input.as_os_str(),
        out.as_os_str(),
        "--json".as_ref(),
    ];
    binary::run(&args, Duration::from_secs(20)).success().json();
    assert_faststart(&out);
    let ours = judge::probe(&out);
    ours.assert_clean();
    ours.assert_duration();
    let mut options = vec!["-strict", "-2"];
    if name.contains("hevc") {
        options.extend(["-tag:v", "hvc1"]);
    }
    if !copied.contains(&"audio") {
        options.push("-an");
    }
    reference::copy(&input, &expected, &options);
    let reference = judge::probe(&expected);
    for kind in copied {
        assert_eq!(ours.first(kind).tag, reference.first(kind).tag, "{name}");
        assert_same_packets(ours.first(kind), reference.first(kind));
        let start = |file: &judge::Verdict| file.first(kind).start() - file.start();
        assert!(
            (start(&ours) - start(&reference)).abs() < 0.045,
            "{name}: {kind} starts {} s late",
            start(&ours)
        );
    }
    ours
}

#[test]
fn every_container() {
    for name in [
        "av_h264_aac.ts",
        "av_h264_aac.flv",
        "av_h264_aac.mkv",
        "av_h264_aac_faststart.mp4",
        "av_h264_aac_moov_last.mp4",
        "av_h264_aac_fragmented.mp4",
    ] {
        remux(name, &["video", "audio"]);
    }
    remux("audio_aac.m4a", &["audio"]);
    remux("video_h264.mp4", &["video"]);
}

#[test]
fn every_codec_that_mp4_takes() {
    for name in [
        "av_hevc_aac.ts",
        "av_hevc_aac.mkv",
        "av_av1_opus.mkv",
        "av_vp9_opus.webm",
        "av_h264_mp3.mkv",
        "av_h264_ac3.ts",
        "av_h264_eac3.ts",
        "av_h264_flac.mkv",
    ] {
        remux(name, &["video", "audio"]);
    }
    remux("audio_mp3.mp3", &["audio"]);
    remux("audio_flac.flac", &["audio"]);
}

#[test]
fn audio_that_mp4_does_not_take_becomes_aac() {
    for name in ["av_h264_alaw.mkv", "av_h264_mulaw.mkv", "av_h264_pcm_s16.mkv"] {
        let ours = remux(name, &["video"]);
        assert_eq!(ours.first("audio").codec, "aac", "{name}");
        assert!(
            (ours.first("audio").length() - 6.0).abs() < 0.2,
            "{name}: {}",
            ours.first("audio").length()
        );
    }
}

#[test]
fn rotation_and_language_are_kept() {
    let phone = remux("rotated_h264_aac.mp4", &["video", "audio"]);
    assert_eq!(phone.first("video").fields["side_data_list"][0]["rotation"], -90);
    let spoken = remux("language_h264_aac.mkv", &["video"]);
    let languages: Vec<_> = spoken
        .tracks
        .iter()
        .filter(|t| t.kind == "audio")
        .map(|t| &t.fields["tags"]["language"])
        .collect();
    assert_eq!(languages, ["jpn", "deu"]);
}
