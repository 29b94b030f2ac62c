//! The segments of a playlist, joined and demuxed by ffmpeg, are the samples of the source: each once, in order.

use std::path::{Path, PathBuf};
use std::process::Command;

use mediastack_tests::fixtures::media;
use mediastack_tests::http::Client;
use mediastack_tests::process::output_of;
use mediastack_tests::vod::Vod;

/// What ffmpeg's HLS demuxer reads from `url`, copied into a Matroska file; it must have nothing to complain about.
pub(crate) fn copied(url: &str, folder: &Path) -> PathBuf {
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
pub(crate) fn packets(path: &Path, kind: &str, annex_b: bool) -> Vec<String> {
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
        "7.2",
        "-vf",
        "scale=320:180",
        "-c:v",
        "libx264",
        // The grid wants to cut at 6 s, where no key frame follows.
        "-x264-params",
        "keyint=70:scenecut=0",
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
    let manifest = r#"{"version":1,"parts":[{"file":"talk.mp4","at_s":0,"duration_s":20},{"file":"talk.part2.mp4","at_s":25,"duration_s":7.2},
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
        assert!((whole - 27.2).abs() < 0.01, "{playlist}");
        assert_holds_what_it_says(&vod, &playlist);
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
        assert!(said.trim().starts_with("680"), "{container}: {said}");
    }
}

/// Asserts that each segment starts with a key frame and is as long as the playlist says.
fn assert_holds_what_it_says(vod: &Vod, playlist: &str) {
    let mut told = 0.0;
    let mut map = None;
    for line in playlist.lines() {
        if let Some(length) = line.strip_prefix("#EXTINF:") {
            told = length.trim_end_matches(',').parse::<f64>().expect("a number");
        } else if let Some(uri) = line.strip_prefix("#EXT-X-MAP:URI=") {
            map = Some(uri.trim_matches('"').to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let file = folder.path().join("segment");
            let mut client = Client::new(vod.port(), "h");
            let mut bytes = Vec::new();
            for name in map.iter().map(String::as_str).chain([line]) {
                let path = name.rsplit_once("/rec/").map_or(name, |(_, path)| path);
                let path = path.strip_prefix("talk.parts.json/").unwrap_or(path);
                let answer = client.get(&format!("/rec/talk.parts.json/{path}"));
                assert_eq!(answer.status, 200, "{name}");
                bytes.extend_from_slice(&answer.body);
            }
            std::fs::write(&file, &bytes).expect("a segment");
            let (said, _) = output_of(
                Command::new("ffprobe")
                    .args(["-v", "error", "-select_streams", "v", "-show_entries"])
                    .args(["packet=dts_time,duration_time,flags", "-of", "csv=p=0"])
                    .arg(&file),
            );
            let pictures: Vec<Vec<&str>> = said
                .lines()
                .filter(|line| !line.is_empty())
                .map(|line| line.split(',').collect())
                .collect();
            let first = pictures.first().unwrap_or_else(|| panic!("{line}: no picture"));
            assert!(first[2].starts_with('K'), "{line}: {first:?}");
            let length = pictures.len() as f64 / 25.0;
            assert!((length - told).abs() < 0.045, "{line}: {length} s of {told} s");
        }
    }
}

/// The payload of the first PES packet in whole transport packets of the video.
fn pes(bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for packet in bytes.chunks(188) {
        assert_eq!((packet.len(), packet[0]), (188, 0x47), "whole packets");
        assert_eq!(
            u16::from_be_bytes([packet[1] & 0x1F, packet[2]]),
            0x100,
            "of the video alone"
        );
        let skip = if packet[3] & 0x20 == 0 {
            4
        } else {
            5 + usize::from(packet[4])
        };
        payload.extend_from_slice(packet.get(skip..).unwrap_or_default());
    }
    assert!(
        bytes[1] & 0x40 != 0 && payload.starts_with(&[0, 0, 1, 0xE0]),
        "a PES packet starts"
    );
    payload
}

#[test]
fn i_frame_ranges_are_whole_key_frames() {
    let source = media("av_h264_aac_faststart.mp4");
    let root = source.parent().expect("a folder");
    for (preset, option) in [
        ("nginx-vod", "vod_segment_duration=4000"),
        ("nginx-vod", "vod_hls_mpegts_interleave_frames=on"),
        ("mediastack", "vod_hls_mpegts_output_id3_timestamps=on"),
    ] {
        let vod = Vod::start(root, &["--preset", preset, "--option", option]);
        let mut client = Client::new(vod.port(), "h");
        let playlist = client.get("/av_h264_aac_faststart.mp4/iframes.m3u8").text();
        let mut frames = 0;
        let mut range = String::new();
        for line in playlist.lines() {
            if let Some(told) = line.strip_prefix("#EXT-X-BYTERANGE:") {
                let (size, offset) = told.split_once('@').expect("a range");
                let [size, offset]: [u64; 2] = [size, offset].map(|text| text.parse().expect("a number"));
                range = format!("Range: bytes={offset}-{}", offset + size - 1);
            } else if line.starts_with("seg-") {
                let answer = client.ask("GET", &format!("/av_h264_aac_faststart.mp4/{line}"), &[&range]);
                assert_eq!(answer.status, 206, "{line} {range}");
                let payload = pes(&answer.body);
                // The slice of an IDR picture; everything before it is in the same PES packet.
                let idr = payload
                    .windows(4)
                    .any(|four| four[..3] == [0, 0, 1] && four[3] & 0x1F == 5);
                assert!(idr, "{preset} {option}: {line} {range}");
                frames += 1;
            }
        }
        assert_eq!(frames, 20, "{preset} {option}: {playlist}");
    }
}

#[test]
fn samples_encrypted_as_cbcs_decrypt_to_the_source() {
    let source = media("av_h264_aac_faststart.mp4");
    let root = source.parent().expect("a folder");
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (preset, seed) in [
        ("nginx-vod", "vod_secret_key=s$vod_filepath"),
        ("mediastack", "vod_encryption_iv_seed=seed"),
    ] {
        let options = [
            "vod_hls_encryption_method=sample-aes",
            "vod_hls_container_format=fmp4",
            "vod_segment_duration=7000",
            seed,
        ];
        let options = options.iter().flat_map(|option| ["--option", *option]);
        let vod = Vod::start(
            root,
            &["--preset", preset]
                .into_iter()
                .chain(options)
                .collect::<Vec<_>>(),
        );
        let mut client = Client::new(vod.port(), "h");
        let mut get = |name: &str| {
            let answer = client.get(&format!("/av_h264_aac_faststart.mp4/{name}"));
            assert_eq!((answer.status, answer.complete), (200, true), "{name}");
            answer.body
        };
        let key: String = get("encryption.key")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // A track at a time and as a stream: FFmpeg 5.1 looks a sample's subsamples up in the fragment that it read
        // last, which is another one for a file that it can seek in or that has two tracks.
        for kind in ["v", "a"] {
            let joined: Vec<u8> = [
                format!("init-{kind}1.mp4"),
                format!("seg-1-{kind}1.m4s"),
                format!("seg-2-{kind}1.m4s"),
                format!("seg-3-{kind}1.m4s"),
            ]
            .iter()
            .flat_map(|name| get(name))
            .collect();
            let whole = folder.path().join("whole.mp4");
            std::fs::write(&whole, joined).expect("a file");
            let clear = folder.path().join("clear.mkv");
            let mut ffmpeg = Command::new("ffmpeg");
            ffmpeg.args([
                "-y",
                "-v",
                "warning",
                "-seekable",
                "0",
                "-decryption_key",
                &key,
                "-i",
            ]);
            let (_, said) = output_of(ffmpeg.arg(&whole).args(["-c", "copy"]).arg(&clear));
            assert_eq!(said, "", "{preset} {kind}");
            assert!(
                packets(&clear, kind, false) == packets(&source, kind, false),
                "{preset} {kind}"
            );
            assert!(
                packets(&whole, kind, false) != packets(&source, kind, false),
                "{preset} {kind} is in the clear"
            );
        }
    }
}
