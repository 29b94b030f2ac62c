//! Clips, sound, thumbnails and probing, judged by ffmpeg and ffprobe.
#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod support;

use std::path::Path;
use std::time::Duration;

use mediacore::codec::Kind;
use mediacore::probe::probe as look;
use mediacore::remux::Options;
use mediacore::source::Interrupt;
use mediacore::thumbnail::thumbnail;
use mediacore::{ErrorKind, audio, clip::clip, thumbnail as picture};
use support::{Media, boxes, duration, ffmpeg, packets, probe};

const fn ms(length: u64) -> Duration {
    Duration::from_millis(length)
}

#[test]
fn a_clip_begins_and_ends_exactly() {
    let media = Media::new();
    let whole = media.copied("in.mp4", "");
    media.copied("a.ts", "");
    for name in ["in.mp4", "a.ts"] {
        // The video begins 21 ms late: 0.7 s lies inside its seventeenth picture.
        let out = media.path("out.mp4");
        clip(&media.path(name), &out, ms(1340), ms(2860), &Options::default()).unwrap();
        let seen = probe(&out);
        assert!(
            (duration(&seen) - 1.52).abs() < 0.002,
            "{name}: {}",
            duration(&seen)
        );
        assert_eq!(boxes(&out), ["ftyp", "moov", "mdat"]);
        let all = pictures(&format!("-i {} -map 0:v", whole.display()));
        let clipped = pictures(&format!("-i {} -map 0:v", out.display()));
        let first = all.iter().position(|hash| *hash == clipped[0]).unwrap();
        assert!(first == 32 || first == 33, "{name}: {first}");
        assert_eq!(clipped[..], all[first..first + clipped.len()], "{name}");
        assert!((38..=39).contains(&clipped.len()), "{name}: {}", clipped.len());
        // Only what is needed: a GOP of a second before it at most.
        assert!(packets(&seen, "video").len() <= 38 + 26, "{name}");
        std::fs::remove_file(&out).unwrap();
    }
    assert_eq!(media.names(), ["a.mkv", "a.ts", "in.mp4"]);
}

#[test]
fn an_impossible_clip_names_its_times() {
    let media = Media::new();
    let (input, out) = (media.copied("in.mp4", ""), media.path("out.mp4"));
    for (from, to, word) in [
        (2000, 2000, "2.000"),
        (3000, 1000, "3.000"),
        (5000, 6000, "5.000"),
        (1000, 9000, "9.000"),
    ] {
        let error = clip(&input, &out, ms(from), ms(to), &Options::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.report().contains(word), "{}", error.report());
    }
    assert_eq!(media.names(), ["a.mkv", "in.mp4"]);
}

#[test]
fn sound_has_its_length_in_every_format() {
    let media = Media::new();
    let length = decoded(&media.copied("in.mp4", ""));
    media.copied("a.ts", "");
    for input in ["in.mp4", "a.ts"] {
        for (name, codec, copied) in [
            ("x.m4a", "aac", true),
            ("x.mp3", "mp3", false),
            ("x.opus", "opus", false),
            ("x.flac", "flac", false),
            ("x.wav", "pcm_s16le", false),
        ] {
            let out = media.path(name);
            let report = audio::extract(&media.path(input), &out, &audio::Options::default()).unwrap();
            assert_eq!((report.codec.as_str(), report.copied), (codec, copied));
            let seen = probe(&out);
            assert_eq!(seen["streams"].as_array().unwrap().len(), 1);
            assert_eq!(seen["streams"][0]["codec_name"], codec);
            let off = decoded(&out) - length;
            assert!(off.abs() < 0.045, "{input} to {name}: {off} s");
            std::fs::remove_file(&out).unwrap();
        }
    }
}

#[test]
fn sound_that_fits_is_copied() {
    let media = Media::new();
    let (input, out) = (media.copied("in.mp4", ""), media.path("x.m4a"));
    audio::extract(&input, &out, &audio::Options::default()).unwrap();
    let hashes = |path: &Path| {
        packets(&probe(path), "audio")
            .into_iter()
            .map(|p| p.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(hashes(&out), hashes(&input));
    assert_eq!(boxes(&out), ["ftyp", "moov", "mdat"]);
    let options = audio::Options {
        bitrate: Some(48_000),
        overwrite: true,
        ..audio::Options::default()
    };
    assert!(!audio::extract(&input, &out, &options).unwrap().copied);
    assert!((decoded(&out) - decoded(&input)).abs() < 0.025);
}

#[test]
fn without_sound_there_is_none() {
    let media = Media::new();
    media.copied("silent.mp4", "-an");
    media.copied("silent.ts", "-an");
    for (input, output, kind) in [
        ("silent.mp4", "x.m4a", ErrorKind::NotFound),
        ("silent.ts", "x.wav", ErrorKind::NotFound),
        ("a.mkv", "x.aiff", ErrorKind::InvalidInput),
    ] {
        let error = audio::extract(
            &media.path(input),
            &media.path(output),
            &audio::Options::default(),
        )
        .unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.report());
        assert!(!media.path(output).exists());
    }
}

#[test]
fn a_thumbnail_has_the_size_that_was_asked_for() {
    let media = Media::new();
    let turned = media.copied("turned.mp4", "-metadata:s:v rotate=90");
    for (name, width, size) in [("x.jpg", None, (180, 320)), ("x.png", Some(90), (90, 160))] {
        let (out, at) = (media.path(name), Some(ms(1500)));
        thumbnail(
            &turned,
            &out,
            &picture::Options {
                at,
                width,
                ..picture::Options::default()
            },
        )
        .unwrap();
        let seen = probe(&out);
        assert_eq!(
            (&seen["streams"][0]["width"], &seen["streams"][0]["height"]),
            (&size.0.into(), &size.1.into())
        );
    }
    let beyond = picture::Options {
        at: Some(ms(9000)),
        ..picture::Options::default()
    };
    let error = thumbnail(&turned, &media.path("y.jpg"), &beyond).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!media.path("y.jpg").exists());
}

#[test]
fn probing_tells_what_ffprobe_tells() {
    let media = Media::new();
    media.copied("late.mp4", "");
    media.copied("fast.mp4", "-movflags +faststart");
    media.copied(
        "frag.mp4",
        "-movflags +frag_keyframe+delay_moov+default_base_moof",
    );
    media.copied("a.ts", "");
    for (name, faststart, fragmented) in [
        ("late.mp4", Some(false), Some(false)),
        ("fast.mp4", Some(true), Some(false)),
        ("frag.mp4", Some(true), Some(true)),
        ("a.ts", None, None),
        ("a.mkv", None, None),
    ] {
        let report = look(&media.path(name), &Interrupt::new()).unwrap();
        assert_eq!(
            (report.faststart, report.fragmented),
            (faststart, fragmented),
            "{name}"
        );
        assert!(
            (report.duration.unwrap().as_secs_f64() - 4.02).abs() < 0.05,
            "{name}: {:?}",
            report.duration
        );
        let kinds: Vec<_> = report
            .tracks
            .iter()
            .map(|track| (track.kind, track.codec.as_str()))
            .collect();
        assert_eq!(
            kinds,
            [(Some(Kind::Video), "h264"), (Some(Kind::Audio), "aac")],
            "{name}"
        );
        let (video, audio) = (&report.tracks[0], &report.tracks[1]);
        assert_eq!(
            (video.width, video.height, audio.sample_rate, audio.channels),
            (320, 180, 48_000, 2),
            "{name}"
        );
        assert!((video.frame_rate.unwrap() - 25.0).abs() < 0.01, "{name}");
        assert!(video.rfc6381.as_deref().unwrap().starts_with("avc1."), "{name}");
        assert_eq!(audio.rfc6381.as_deref(), Some("mp4a.40.2"), "{name}");
    }
}

/// MD5 of decoded pictures.
fn pictures(arguments: &str) -> Vec<String> {
    let text = String::from_utf8(ffmpeg(&format!("{arguments} -f framemd5 -"))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit(',').next())
        .map(|hash| hash.trim().to_owned())
        .collect()
}

/// Length of the decoded sound in seconds.
fn decoded(path: &Path) -> f64 {
    let bytes = ffmpeg(&format!(
        "-i {} -map 0:a:0 -ac 1 -ar 48000 -f s16le -",
        path.display()
    ));
    bytes.len() as f64 / 96_000.0
}
