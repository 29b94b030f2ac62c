use std::path::{Path, PathBuf};
use std::time::Duration;

use mediastack_tests::binary;
use mediastack_tests::fixtures::media;
use mediastack_tests::judge;

fn run(command: &str, input: &str, out: &Path, options: &[&str]) {
    let input = media(input);
    let args: Vec<_> = [command.as_ref(), input.as_os_str(), out.as_os_str()]
        .into_iter()
        .chain(options.iter().map(|o| o.as_ref()))
        .collect();
    binary::run(&args, Duration::from_secs(20)).success();
}

fn out(name: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    (dir, path)
}

#[test]
fn the_audio_alone_in_five_formats() {
    for (suffix, codec) in [
        ("m4a", "aac"),
        ("mp3", "mp3"),
        ("opus", "opus"),
        ("flac", "flac"),
        ("wav", "pcm_s16le"),
    ] {
        let (_dir, path) = out(&format!("a.{suffix}"));
        run("audio", "av_h264_aac.ts", &path, &[]);
        let verdict = judge::probe(&path);
        assert_eq!(verdict.tracks.len(), 1, "{suffix}");
        assert_eq!(verdict.first("audio").codec, codec);
        assert!(
            (verdict.duration - 20.0).abs() < 0.15,
            "{suffix}: {} s",
            verdict.duration
        );
    }
}

#[test]
fn the_bitrate_is_what_was_asked_for() {
    let (_dir, path) = out("a.mp3");
    run("audio", "av_h264_aac.ts", &path, &["--bitrate", "64k"]);
    let rate = path.metadata().expect("there").len() as f64 * 8.0 / 20.0;
    assert!((rate - 64_000.0).abs() < 8_000.0, "{rate}");
}

#[test]
fn a_picture_at_a_time() {
    for (input, width, size) in [
        ("av_h264_aac.ts", "320", (320, 180)),
        ("av_hevc_aac.ts", "160", (160, 90)),
        ("rotated_h264_aac.mp4", "180", (180, 320)),
    ] {
        for (suffix, codec) in [("jpg", "mjpeg"), ("png", "png")] {
            let (_dir, path) = out(&format!("a.{suffix}"));
            run("thumbnail", input, &path, &["--at", "2.5s", "--width", width]);
            let verdict = judge::probe(&path);
            let picture = verdict.first("video");
            assert_eq!(picture.codec, codec);
            assert_eq!(
                (
                    picture.fields["width"].as_u64(),
                    picture.fields["height"].as_u64()
                ),
                (Some(size.0), Some(size.1))
            );
        }
    }
}

#[test]
fn a_clip_shows_the_span_and_copies_its_packets() {
    let (_dir, path) = out("a.mp4");
    run(
        "clip",
        "av_h264_aac.ts",
        &path,
        &["--from", "5.5s", "--to", "12s"],
    );
    let ours = assert_finished_clip(&path);
    assert!((ours.duration - 6.5).abs() < 0.2, "{} s", ours.duration);
    // MPEG-TS frames its packets in its own way, so what counts are those of the same source as MP4.
    let (_whole_dir, whole) = out("whole.mp4");
    run("remux", "av_h264_aac.ts", &whole, &[]);
    let whole = judge::probe(&whole);
    for kind in ["video", "audio"] {
        let source: Vec<&str> = whole
            .first(kind)
            .packets
            .iter()
            .map(|p| p.hash.as_str())
            .collect();
        let hashes: Vec<&str> = ours.first(kind).packets.iter().map(|p| p.hash.as_str()).collect();
        assert!(
            source.windows(hashes.len()).any(|w| w == hashes),
            "{kind} is not one run of the source's packets"
        );
    }
}

#[test]
fn a_clip_beyond_the_end_is_an_error() {
    let (_dir, path) = out("a.mp4");
    let input = media("av_h264_aac.ts");
    let args = [
        "clip".as_ref(),
        input.as_os_str(),
        path.as_os_str(),
        "--from".as_ref(),
        "50s".as_ref(),
        "--to".as_ref(),
        "60s".as_ref(),
    ];
    binary::run(&args, Duration::from_secs(20)).clear_error();
    assert!(!path.exists());
}

/// A clip begins inside a GOP, so its first packets are decoded and not shown: only the boxes and the order are judged.
fn assert_finished_clip(path: &Path) -> judge::Verdict {
    judge::assert_faststart(path);
    let verdict = judge::probe(path);
    verdict.assert_clean();
    verdict
}
