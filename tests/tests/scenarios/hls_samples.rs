//! The segments of a playlist, joined and demuxed by ffmpeg, are the samples of the source: each once, in order.

use std::path::{Path, PathBuf};
use std::process::Command;

use mediastack_tests::fixtures::media;
use mediastack_tests::http::Client;
use mediastack_tests::process::output_of;
use mediastack_tests::vod::Vod;

/// What ffmpeg's HLS demuxer reads from `url`, copied into a Matroska file; it must have nothing to complain about.
fn copied(url: &str, folder: &Path) -> PathBuf {
    let path = folder.join("copied.mkv");
    let (_, said) = output_of(
        Command::new("ffmpeg")
            .args([
                "-nostdin", "-y", "-v", "warning", "-i", url, "-map", "0", "-map", "-0:d", "-c", "copy",
            ])
            .arg(&path),
    );
    assert_eq!(said, "", "{url}");
    path
}

/// One line for each packet: the hash of its data, so that none can be missing, doubled or moved.
fn packets(path: &Path, kind: &str, annex_b: bool) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(path);
    command.args(["-map", &format!("0:{kind}:0"), "-c", "copy"]);
    if annex_b {
        // One form for both: start codes, no delimiters, no parameter sets.
        let filters = "h264_mp4toannexb,filter_units=remove_types=6-9";
        command.args(["-bsf:v", filters]);
    }
    command.args(["-f", "framehash", "-hash", "md5", "-"]);
    let (said, _) = output_of(&mut command);
    let rows = said.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.rsplit(',').next().unwrap_or_default().trim().to_owned())
        .collect()
}

#[test]
fn joined_segments_are_the_source() {
    let sources = [
        "av_h264_aac_faststart.mp4",
        "av_h264_aac_moov_last.mp4",
        "av_h264_aac_fragmented.mp4",
    ];
    let root = media(sources[0]).parent().expect("a folder").to_path_buf();
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (preset, container) in [
        ("nginx-vod", "mpegts"),
        ("nginx-vod", "fmp4"),
        ("mediastack", "mpegts"),
        ("mediastack", "fmp4"),
    ] {
        for duration in ["1300", "4000", "7000"] {
            let container = format!("vod_hls_container_format={container}");
            let duration = format!("vod_segment_duration={duration}");
            let mut options = vec!["--preset", preset, "--option", &container, "--option", &duration];
            if preset == "nginx-vod" && container.ends_with("fmp4") {
                // Elsewhere than at key frames the reference moves fMP4 by the first picture's delay.
                options.extend(["--option", "vod_align_segments_to_key_frames=on"]);
            }
            let vod = Vod::start(&root, &options);
            for source in sources {
                let path = copied(&vod.url(&format!("/{source}/index.m3u8")), folder.path());
                for kind in ["v", "a"] {
                    let (ours, expected) = (
                        packets(&path, kind, kind == "v"),
                        packets(&root.join(source), kind, kind == "v"),
                    );
                    assert!(expected.len() > 400);
                    assert_eq!(
                        ours.len(),
                        expected.len(),
                        "{preset} {container} {duration} {source} {kind}"
                    );
                    assert!(
                        ours == expected,
                        "{preset} {container} {duration} {source} {kind}: a packet differs"
                    );
                }
            }
        }
    }
}

#[test]
fn the_parts_of_a_recording_are_one_playlist() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let first = media("av_h264_aac_faststart.mp4");
    std::fs::copy(&first, folder.path().join("talk.mp4")).expect("a copy");
    let second = folder.path().join("talk.part2.mp4");
    let scale = [
        "-t",
        "5",
        "-vf",
        "scale=320:180",
        "-c:v",
        "libx264",
        "-g",
        "25",
        "-c:a",
        "copy",
    ];
    output_of(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(&first)
            .args(scale)
            .arg(&second),
    );
    let manifest = r#"{"version":1,"parts":[{"file":"talk.mp4","at_s":0,"duration_s":20},{"file":"talk.part2.mp4","at_s":25,"duration_s":5},
        {"file":"talk.part3.mp4","at_s":31}]}"#;
    std::fs::write(folder.path().join("talk.parts.json"), manifest).expect("a manifest");
    for container in ["mpegts", "fmp4"] {
        let option = format!("vod_hls_container_format={container}");
        let vod = Vod::start(
            folder.path(),
            &[
                "--preset",
                "mediastack",
                "--location",
                "/rec",
                "--option",
                &option,
            ],
        );
        let url = vod.url("/rec/talk.parts.json/index.m3u8");
        let playlist = Client::new(vod.port(), "h")
            .get("/rec/talk.parts.json/index.m3u8")
            .text();
        assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY").count(), 1, "{playlist}");
        let lengths = playlist
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
        let whole: f64 = lengths
            .map(|length| length.parse::<f64>().expect("a number"))
            .sum();
        assert!((whole - 25.0).abs() < 0.01, "{playlist}");
        let (said, _) = output_of(Command::new("ffprobe").args([
            "-v",
            "error",
            "-count_packets",
            "-select_streams",
            "v",
            "-show_entries",
            "stream=nb_read_packets",
            "-of",
            "csv=p=0",
            &url,
        ]));
        assert!(said.trim().starts_with("625"), "{container}: {said}");
    }
}
