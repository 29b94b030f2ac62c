//! Segments of MPEG-TS with ffmpeg as the player: what it decodes of them, encrypted or not, is what it decodes of the file.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use mediacore::codec::Kind;
use mediacore::hls::{Clock, Frames, Options, Segment, Stream, Title, crypt, options::TsOptions, ts};
use mediacore::layout::{FileSource, Layout};

use support::{Media, ffmpeg, probe};

/// How segments are encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Method {
    Clear,
    Aes128,
    SampleAes,
}

fn open(path: &Path) -> Arc<Title> {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    Arc::new(Title::open(Arc::new(FileSource::new(file, length))).unwrap())
}

/// The file in two segments, cut at the key frame after two seconds.
fn segments(title: &Arc<Title>) -> [Segment; 2] {
    [0, 1].map(|number| {
        let mut tracks: Vec<_> = title.tracks().iter().enumerate().collect();
        tracks.sort_by_key(|(_, track)| track.kind() != Kind::Video);
        let streams = tracks.into_iter().map(|(at, track)| {
            let index = title.samples(track).unwrap();
            let cut = index.at_dts(mediacore::time::Ticks(i64::from(track.timescale.get()) * 2));
            let cut = index.sync_after(cut.unwrap()).unwrap();
            let samples = if number == 0 {
                0..cut
            } else {
                cut..index.sample_count()
            };
            let clock = Clock {
                scale: track.timescale,
                offset: track.delay.0,
                bias: i64::from(track.bias),
                base: 0,
                shift: 0,
            };
            Stream {
                title: Arc::clone(title),
                track: at,
                initial_delay: clock.rescale(i64::from(track.first_composition + track.bias)),
                start: 0,
                parts: vec![Frames {
                    title: Arc::clone(title),
                    track: at,
                    samples,
                    clock,
                    clip: 0,
                    end: None,
                }],
            }
        });
        Segment {
            number,
            streams: streams.collect(),
            ..Segment::default()
        }
    })
}

/// Writes segments and their playlist.
fn publish(folder: &Path, title: &Arc<Title>, options: &TsOptions, method: Method) {
    let key = crypt::key("a secret");
    std::fs::write(folder.join("x.key"), key).unwrap();
    let mut playlist =
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-VERSION:5\n#EXT-X-MEDIA-SEQUENCE:1\n".to_owned();
    match method {
        Method::Clear => {}
        Method::Aes128 => playlist += "#EXT-X-KEY:METHOD=AES-128,URI=\"x.key\"\n",
        Method::SampleAes => playlist += "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"x.key\"\n",
    }
    for segment in segments(title) {
        let iv = crypt::segment_iv(segment.number);
        let cipher = (method == Method::SampleAes).then(|| crypt::SampleCipher::new(key, iv));
        let mut body = Layout::new();
        body.push_made(ts::Mux::new(&segment, options, cipher).unwrap());
        if method == Method::Aes128 {
            body = crypt::encrypt(body, key, iv);
        }
        let name = format!("seg-{}.ts", segment.number + 1);
        std::fs::write(folder.join(&name), body.to_bytes(1 << 30).unwrap()).unwrap();
        playlist += &format!("#EXTINF:2.000,\n{name}\n");
    }
    std::fs::write(folder.join("x.m3u8"), playlist + "#EXT-X-ENDLIST\n").unwrap();
}

/// The hashes of all frames of one kind, decoded unless they are to be copied.
fn hashes(input: &Path, map: &str) -> Vec<String> {
    let options = "-allowed_extensions ALL";
    let options = if input.extension().is_some_and(|name| name == "m3u8") {
        options
    } else {
        ""
    };
    let text = ffmpeg(&format!(
        "{options} -i {} -map 0:{map} -f framemd5 -",
        input.display()
    ));
    let lines = String::from_utf8(text).unwrap();
    let frames = lines.lines().filter(|line| !line.starts_with('#'));
    frames
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

fn check(media: &Media, name: &str, options: &TsOptions, methods: &[Method]) {
    let path = media.path(name);
    let title = open(&path);
    // MP4 hides what an edit list takes off; segments hold everything.
    let all = media.path("all.mp4");
    ffmpeg(&format!(
        "-i {} -c copy -use_editlist 0 -map 0:v -map 0:a {}",
        path.display(),
        all.display()
    ));
    let expected = hashes(&all, "v");
    assert!(expected.len() >= 100);
    let mut clear: Vec<String> = Vec::new();
    for method in methods {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &title, options, *method);
        let playlist = folder.path().join("x.m3u8");
        let got = hashes(&playlist, "v");
        let differ: Vec<_> = (0..expected.len())
            .filter(|at| got.get(*at) != expected.get(*at))
            .collect();
        // ffmpeg has already left a segment, and its key, when it gets to the last picture.
        let lost = if *method == Method::SampleAes { 2 } else { 0 };
        assert_eq!(got.len(), expected.len(), "{name} {method:?} {options:?}");
        assert!(differ.len() <= lost, "{name} {method:?} {options:?}: {differ:?}");
        if *method == Method::SampleAes {
            // A decoder of AC-3 that met one broken frame adds other noise to all that follow: packets are compared.
            let packets = hashes(&playlist, "a -c copy");
            let differ = packets.iter().filter(|hash| !clear.contains(*hash)).count();
            assert!(
                packets.len() == clear.len() && differ <= 2,
                "{name} {method:?}: {differ} of {}",
                clear.len()
            );
        } else {
            let sound = hashes(&playlist, "a");
            let whole = hashes(&all, "a");
            let missing: Vec<_> = (0..whole.len())
                .filter(|at| !sound.contains(&whole[*at]))
                .collect();
            assert!(
                sound.len() >= whole.len() && missing.is_empty(),
                "{name} {method:?}: {missing:?}"
            );
            clear = hashes(&playlist, "a -c copy");
        }
        // An announced stream without packets, as the reference has it, makes ffprobe wonder.
        if *method == Method::Clear && !options.announce_id3 && !options.id3 {
            for number in [1, 2] {
                let probed = probe(&folder.path().join(format!("seg-{number}.ts")));
                assert_eq!(probed["format"]["format_name"], "mpegts");
            }
        }
    }
}

#[test]
fn players_get_every_frame_of_h264_and_aac() {
    let media = Media::new();
    media.copied("a.mp4", "");
    let defaults = Options::nginx_vod().ts;
    let all = [Method::Clear, Method::Aes128, Method::SampleAes];
    check(&media, "a.mp4", &defaults, &all);
    check(&media, "a.mp4", &Options::mediastack().ts, &all);
    for (align_frames, interleave_frames) in [(false, false), (true, true), (false, true)] {
        let options = TsOptions {
            align_frames,
            interleave_frames,
            align_pts: true,
            id3: true,
            ..defaults.clone()
        };
        check(&media, "a.mp4", &options, &[Method::Clear]);
    }
}

#[test]
fn players_get_every_frame_of_other_codecs() {
    let media = Media::new();
    let source = media.path("a.mkv");
    let make = |name: &str, codecs: &str| {
        let path = media.path(name);
        ffmpeg(&format!("-i {} {codecs} {}", source.display(), path.display()));
    };
    let defaults = Options::nginx_vod().ts;
    let all = [Method::Clear, Method::Aes128, Method::SampleAes];
    make("ac3.mp4", "-c:v copy -c:a ac3");
    check(&media, "ac3.mp4", &defaults, &all);
    make("eac3.mp4", "-c:v copy -c:a eac3");
    check(&media, "eac3.mp4", &defaults, &all);
    make("mp3.mp4", "-c:v copy -c:a libmp3lame");
    check(&media, "mp3.mp4", &defaults, &all[..2]);
    make(
        "hevc.mp4",
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25 -tag:v hvc1 -c:a copy",
    );
    check(&media, "hevc.mp4", &defaults, &all[..2]);
    check(&media, "hevc.mp4", &Options::mediastack().ts, &all[..1]);
}
