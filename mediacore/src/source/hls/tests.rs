//! Whole connections against a scripted origin, with media that ffmpeg makes.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use super::crypt::tests::encrypt;
use super::packed::tests::id3;
use crate::clock::{Clock, SystemClock, WallTime};
use crate::codec::Kind;
use crate::error::{ErrorKind, Result};
use crate::source::http::tests::{Asked, Origin, head, ok};
use crate::source::{HlsStart, Input, InputEvent, Interrupt, Options, Packet, opener};
use crate::time::TimeBase;

/// A clock whose sleeps take no time, so that half a minute of patience is a test of milliseconds.
struct Leaping(Mutex<Duration>);

impl Clock for Leaping {
    fn now(&self) -> Instant {
        SystemClock.now() + *self.0.lock().expect("no panic")
    }

    fn wall(&self) -> WallTime {
        SystemClock.wall()
    }

    fn sleep(&self, length: Duration) {
        *self.0.lock().expect("no panic") += length;
    }
}

type Files = HashMap<String, Vec<u8>>;

fn make(arguments: &[&str]) -> Files {
    let directory = tempfile::tempdir().expect("a directory");
    let inputs = "-hide_banner -loglevel error -f lavfi -i testsrc=size=160x120:rate=25 -f lavfi -i sine=sample_rate=48000 \
        -t 8 -c:v libx264 -preset ultrafast -g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p -c:a aac";
    let status = Command::new("ffmpeg")
        .args(inputs.split_whitespace())
        .args(arguments)
        .current_dir(directory.path())
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let mut files = Files::new();
    for entry in std::fs::read_dir(directory.path()).expect("lists") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("ASCII");
        files.insert(format!("/{name}"), std::fs::read(entry.path()).expect("reads"));
    }
    files
}

fn hls(more: &str) -> Files {
    let arguments = format!("-f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod {more} p.m3u8");
    make(&arguments.split_whitespace().collect::<Vec<_>>())
}

static TS: LazyLock<Files> = LazyLock::new(|| hls("-hls_segment_filename s%d.ts"));
static MP4: LazyLock<Files> = LazyLock::new(|| hls("-hls_segment_type fmp4 -hls_segment_filename s%d.m4s"));

fn serve(files: &Files, asked: &Asked) -> Vec<u8> {
    let Some(body) = files.get(asked.path.as_str()) else {
        return head("404 Not Found", "");
    };
    let Some(range) = asked
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="))
    else {
        let mut answer = ok(body);
        answer.splice(17..17, b"Accept-Ranges: bytes\r\n".iter().copied());
        return answer;
    };
    let (start, last) = range.split_once('-').expect("a range");
    let start: usize = start.parse().expect("a number");
    let last = last
        .parse::<usize>()
        .map_or(body.len() - 1, |last| last.min(body.len() - 1));
    let part = &body[start..=last];
    let mut answer = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{last}/{}\r\n\r\n",
        part.len(),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(part);
    answer
}

#[derive(Default)]
struct Seen {
    packets: Vec<Packet>,
    events: Vec<String>,
    kinds: Vec<Option<Kind>>,
    /// DTS in seconds by track.
    times: Vec<Vec<f64>>,
    order: Vec<f64>,
    complete: Option<bool>,
}

impl Seen {
    fn count(&self, kind: Kind) -> usize {
        self.packets
            .iter()
            .filter(|packet| self.kinds[packet.track] == Some(kind))
            .count()
    }
}

fn open(origin: &Origin, path: &str) -> Result<Box<dyn Input>> {
    open_as(
        origin,
        path,
        &Options {
            hls_start: HlsStart::Window,
            ..Options::default()
        },
    )
}

fn open_as(origin: &Origin, path: &str, options: &Options) -> Result<Box<dyn Input>> {
    let clock: Arc<dyn Clock> = Arc::new(Leaping(Mutex::default()));
    opener(&origin.url(path), options, &clock).open(&Interrupt::new())
}

fn drain(mut input: Box<dyn Input>) -> Result<Seen> {
    let mut seen = Seen::default();
    loop {
        let event = input.read()?;
        let tracks = input.tracks();
        seen.kinds = tracks.iter().map(|track| track.kind).collect();
        seen.times.resize(tracks.len(), Vec::new());
        match event {
            InputEvent::Packet(packet) => {
                let time = packet.dts.or(packet.pts).expect("a time");
                let time = time.as_seconds(tracks[packet.track].time_base);
                seen.times[packet.track].push(time);
                seen.order.push(time);
                seen.packets.push(packet);
            }
            InputEvent::Gap(loss) => seen.events.push(format!("gap {:?} {}", loss.length, loss.cause)),
            InputEvent::Discontinuity => seen.events.push("discontinuity".into()),
            InputEvent::Wall(wall) => {
                seen.events
                    .push(format!("wall {} at {}", wall.0 / 1_000_000, seen.packets.len()));
            }
            InputEvent::Lost(_) | InputEvent::Unusable { .. } => {}
            InputEvent::End { complete } => {
                seen.complete = Some(complete);
                return Ok(seen);
            }
        }
    }
}

fn record(files: Files, path: &str) -> Result<Seen> {
    let origin = Origin::new(move |asked| serve(&files, asked));
    drain(open(&origin, path)?)
}

/// Eight seconds: 200 pictures and 376 packets of sound (375, and one of priming).
fn assert_whole(seen: &Seen) {
    assert_eq!((seen.count(Kind::Video), seen.count(Kind::Audio)), (200, 376));
    assert_eq!(seen.complete, Some(true));
    for times in &seen.times {
        assert!(times.is_sorted_by(|a, b| a < b), "times go back");
    }
}

#[test]
fn every_packet_of_a_closed_playlist_in_ts_and_in_mp4() {
    for files in [&*TS, &*MP4] {
        let seen = record(files.clone(), "/p.m3u8").expect("reads");
        assert_whole(&seen);
        assert!(seen.events.is_empty(), "{:?}", seen.events);
    }
}

#[test]
fn ranges_of_one_file_are_segments() {
    for more in [
        "-hls_flags single_file",
        "-hls_flags single_file -hls_segment_type fmp4",
    ] {
        let files = hls(more);
        assert!(String::from_utf8_lossy(&files["/p.m3u8"]).contains("BYTERANGE"));
        assert_whole(&record(files, "/p.m3u8").expect("reads"));
    }
}

#[test]
fn encrypted_segments_with_both_kinds_of_iv_and_a_new_key() {
    let mut files = TS.clone();
    let keys = [[1_u8; 16], [2; 16]];
    for (index, segment) in (0_u8..4).zip(["/s0.ts", "/s1.ts", "/s2.ts", "/s3.ts"]) {
        let key = keys[usize::from(index / 2)];
        let iv = if index < 2 { u128::from(index) } else { 0xabc }.to_be_bytes();
        let coded = encrypt(&files[segment], &key, &iv);
        files.insert(segment.into(), coded);
    }
    files.insert("/k0".into(), keys[0].to_vec());
    files.insert("/k1".into(), keys[1].to_vec());
    let text = String::from_utf8(files["/p.m3u8"].clone()).expect("text");
    let first = text.find("#EXTINF").expect("a segment");
    let third = text.match_indices("#EXTINF").nth(2).expect("a third").0;
    let playlist = format!(
        "{}#EXT-X-KEY:METHOD=AES-128,URI=\"k0\"\n{}#EXT-X-KEY:METHOD=AES-128,URI=\"k1\",IV=0xABC\n{}",
        &text[..first],
        &text[first..third],
        &text[third..]
    );
    files.insert("/p.m3u8".into(), playlist.clone().into_bytes());
    let origin = Origin::new({
        let files = files.clone();
        move |asked| serve(&files, asked)
    });
    assert_whole(&drain(open(&origin, "/p.m3u8").expect("opens")).expect("reads"));
    assert_eq!(
        origin.asked().iter().filter(|asked| asked.path == "/k0").count(),
        1
    );

    files.insert(
        "/p.m3u8".into(),
        playlist.replace("AES-128", "SAMPLE-AES").into_bytes(),
    );
    let error = record(files.clone(), "/p.m3u8").map(drop).expect_err("DRM");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    files.insert("/p.m3u8".into(), playlist.into_bytes());
    files.insert("/k0".into(), vec![1; 15]);
    let seen = record(files, "/p.m3u8").expect("the second key works");
    assert!(seen.events[0].contains("15 bytes"), "{:?}", seen.events);
}

#[test]
fn a_segment_that_stays_away_is_a_gap_and_the_rest_is_there() {
    let mut files = TS.clone();
    files.remove("/s1.ts");
    let seen = record(files, "/p.m3u8").expect("reads");
    assert_eq!(seen.count(Kind::Video), 150);
    assert_eq!(seen.events.len(), 1, "{:?}", seen.events);
    assert!(
        seen.events[0].starts_with("gap Some(2s) segment 1:") && seen.events[0].contains("404"),
        "{:?}",
        seen.events
    );
    assert_eq!(seen.complete, Some(true));
}

#[test]
fn a_segment_that_fails_at_first_is_not_lost() {
    for failure in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99999\r\n\r\nGGG",
    ] {
        let times = AtomicU32::new(0);
        let origin = Origin::new(move |asked| match asked.path.as_str() {
            "/s1.ts" if times.fetch_add(1, Ordering::SeqCst) < 2 => failure.as_bytes().to_vec(),
            _ => serve(&TS, asked),
        });
        let seen = drain(open(&origin, "/p.m3u8").expect("opens")).expect("reads");
        assert_whole(&seen);
        assert!(seen.events.is_empty(), "{failure}: {:?}", seen.events);
    }
}

#[test]
fn a_segment_that_is_no_media_is_a_gap() {
    let mut files = TS.clone();
    files.insert("/s1.ts".into(), b"<html>sorry</html>".to_vec());
    files.insert("/p.m3u8".into(), with_discontinuity(&files["/p.m3u8"], 1));
    let seen = record(files, "/p.m3u8").expect("reads");
    assert_eq!(seen.count(Kind::Video), 150, "{:?}", seen.events);
    assert!(
        seen.events.iter().any(|event| event.starts_with("gap")),
        "{:?}",
        seen.events
    );
}

fn with_discontinuity(playlist: &[u8], index: usize) -> Vec<u8> {
    let text = String::from_utf8(playlist.to_vec()).expect("text");
    let at = text.match_indices("#EXTINF").nth(index).expect("a segment").0;
    let (before, after) = text.split_at(at);
    format!("{before}#EXT-X-DISCONTINUITY\n{after}").into_bytes()
}

#[test]
fn a_discontinuity_is_told_between_the_packets_that_it_divides() {
    let mut files = TS.clone();
    files.insert("/p.m3u8".into(), with_discontinuity(&files["/p.m3u8"], 2));
    let seen = record(files, "/p.m3u8").expect("reads");
    assert_eq!(seen.count(Kind::Video), 200);
    assert_eq!(seen.events, ["discontinuity"]);
    assert_eq!(seen.kinds.len(), 2, "the same tracks go on");
}

#[test]
fn wall_clock_times_stand_before_the_key_frames_of_their_segments() {
    let mut files = TS.clone();
    let mut second = 0;
    let text: String = String::from_utf8(files["/p.m3u8"].clone())
        .expect("text")
        .lines()
        .map(|line| {
            let mark = if line.starts_with("#EXTINF") {
                second += 2;
                format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{:02}Z\n", second - 2)
            } else {
                String::new()
            };
            format!("{mark}{line}\n")
        })
        .collect();
    files.insert("/p.m3u8".into(), text.into_bytes());
    let seen = record(files, "/p.m3u8").expect("reads");
    assert_eq!(seen.events.len(), 4, "{:?}", seen.events);
    for (index, event) in seen.events.iter().enumerate() {
        let at: usize = event
            .rsplit(' ')
            .next()
            .expect("a place")
            .parse()
            .expect("a number");
        assert!(
            event.contains(&format!("wall {}", 1_767_225_600 + 2 * index)),
            "{event}"
        );
        let packet = &seen.packets[at];
        let pictures = seen.packets[..at]
            .iter()
            .filter(|p| seen.kinds[p.track] == Some(Kind::Video))
            .count();
        assert!(
            packet.sync && pictures == 50 * index,
            "{event}: {pictures} pictures before it"
        );
    }
}

#[test]
fn separate_audio_is_fetched_alongside_and_stays_close() {
    let mut files = hls("-map 0:v -hls_segment_filename v%d.ts");
    files.insert("/v.m3u8".into(), files["/p.m3u8"].clone());
    files.extend(
        hls("-map 1:a -hls_segment_filename a%d.ts")
            .into_iter()
            .map(|(name, body)| (if name == "/p.m3u8" { "/a.m3u8".into() } else { name }, body)),
    );
    files.insert(
        "/m.m3u8".into(),
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1.42c00b,mp4a.40.2\",AUDIO=\"g\"\nv.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=5,CODECS=\"avc1.42c00b\"\nnever.m3u8\n"
            .to_vec(),
    );
    let seen = record(files, "/m.m3u8").expect("reads");
    assert_whole(&seen);
    let step = seen
        .order
        .windows(2)
        .map(|pair| (pair[0] - pair[1]).abs())
        .fold(0.0, f64::max);
    assert!(step < 0.4, "tracks run apart by {step} s");
}

#[test]
fn packed_audio_has_the_time_of_its_tag() {
    let mut files = make(&[
        "-map",
        "1:a",
        "-f",
        "segment",
        "-segment_time",
        "2",
        "-segment_format",
        "adts",
        "a%d.aac",
    ]);
    for (index, name) in (0_u64..4).zip(["/a0.aac", "/a1.aac", "/a2.aac", "/a3.aac"]) {
        let body = [id3((1 << 33) - 90_000 + index * 180_000), files[name].clone()].concat();
        files.insert(name.into(), body);
    }
    let segments: String = (0..4)
        .map(|index| format!("#EXTINF:2,\na{index}.aac\n"))
        .collect();
    files.insert(
        "/p.m3u8".into(),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{segments}#EXT-X-ENDLIST\n").into_bytes(),
    );
    let origin = Origin::new(move |asked| serve(&files, asked));
    let input = open(&origin, "/p.m3u8").expect("opens");
    assert_eq!(
        (input.tracks()[0].time_base, input.tracks()[0].wrap_bits),
        (TimeBase::MPEG, 33)
    );
    let seen = drain(input).expect("reads");
    assert!(seen.count(Kind::Audio) >= 370, "{}", seen.count(Kind::Audio));
    let first = seen.packets[0].pts.expect("a time").0;
    assert_eq!(first, (1 << 33) - 90_000);
    assert!(
        seen.packets[100].pts.expect("a time").0 < 200_000,
        "wraps at 33 bits"
    );
}

/// A live playlist whose window grows by one segment per reading.
fn live(reading: u32, last: u32) -> Vec<u8> {
    let newest = (reading + 1).min(last);
    let first = newest.saturating_sub(3);
    let segments: String = (first..newest)
        .map(|index| format!("#EXTINF:2,\ns{index}.ts\n"))
        .collect();
    let end = if newest == 4 { "#EXT-X-ENDLIST\n" } else { "" };
    ok(
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}{end}")
            .as_bytes(),
    )
}

#[test]
fn a_live_playlist_is_followed_through_an_outage_to_its_end() {
    let readings = AtomicU32::new(0);
    let origin = Origin::new(move |asked| match asked.path.as_str() {
        "/p.m3u8" => match readings.fetch_add(1, Ordering::SeqCst) {
            reading @ 0..2 => live(reading, 4),
            2..6 => head("503 Busy", ""),
            reading => live(reading - 4, 4),
        },
        _ => serve(&TS, asked),
    });
    let seen = drain(open(&origin, "/p.m3u8").expect("opens")).expect("reads");
    assert_whole(&seen);
    assert!(seen.events.is_empty(), "{:?}", seen.events);
}

#[test]
fn a_playlist_that_is_gone_for_half_a_minute_is_unreachable_and_one_that_stands_still_ends() {
    let readings = AtomicU32::new(0);
    let origin = Origin::new(move |asked| match asked.path.as_str() {
        "/gone.m3u8" if readings.fetch_add(1, Ordering::SeqCst) > 0 => head("404 Not Found", ""),
        "/gone.m3u8" | "/still.m3u8" => live(1, 2),
        _ => serve(&TS, asked),
    });
    let error = drain(open(&origin, "/gone.m3u8").expect("opens"))
        .map(drop)
        .expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.report());
    assert!(error.report().contains("404"), "{}", error.report());
    let seen = drain(open(&origin, "/still.m3u8").expect("opens")).expect("ends");
    assert_eq!((seen.count(Kind::Video), seen.complete), (100, Some(false)));
}

#[test]
fn playlists_that_play_games_are_errors() {
    let files: Files = [
        (
            "/self.m3u8",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nself.m3u8\n",
        ),
        (
            "/out.m3u8",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///etc/passwd\n",
        ),
        (
            "/meta.m3u8",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://169.254.169.254/x.m3u8\n",
        ),
        (
            "/segment.m3u8",
            "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        ),
        (
            "/empty.m3u8",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n",
        ),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into();
    for (path, kind) in [
        ("/self.m3u8", ErrorKind::Malformed),
        ("/out.m3u8", ErrorKind::Refused),
        ("/meta.m3u8", ErrorKind::Refused),
        ("/segment.m3u8", ErrorKind::NotFound),
        ("/empty.m3u8", ErrorKind::NotFound),
        ("/none.m3u8", ErrorKind::NotFound),
    ] {
        let error = record(files.clone(), path).map(drop).expect_err(path);
        assert_eq!(error.kind(), kind, "{path}: {}", error.report());
    }
    let large = Origin::new(|_| ok(format!("#EXTM3U\n{}", "#".repeat(5 << 20)).as_bytes()));
    let error = open(&large, "/p.m3u8").map(drop).expect_err("5 MiB");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{}", error.report());
}

#[test]
fn a_progressive_file_is_complete_and_an_endless_stream_is_not() {
    let mut files = make(&["-f", "mp4", "late.mp4"]);
    files.extend(make(&["-f", "flv", "x.flv"]));
    let flv = files["/x.flv"].clone();
    let breaks = AtomicU32::new(0);
    let origin = Origin::new(move |asked| match asked.path.as_str() {
        "/live" => [
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(),
            flv.clone(),
        ]
        .concat(),
        // The connection breaks once after 5 000 bytes.
        "/late.mp4" if breaks.fetch_add(1, Ordering::SeqCst) == 0 => {
            let mut answer = serve(&files, asked);
            answer.splice(17..17, b"Connection: close\r\n".iter().copied());
            answer.truncate(5000);
            answer
        }
        _ => serve(&files, asked),
    });
    let seen = drain(open(&origin, "/late.mp4").expect("opens")).expect("reads");
    assert_eq!((seen.count(Kind::Video), seen.complete), (200, Some(true)));
    assert!(origin.asked().len() > 1, "the moov is at the end");
    let seen = drain(open(&origin, "/x.flv").expect("opens")).expect("reads");
    assert_eq!((seen.count(Kind::Video), seen.complete), (200, Some(true)));
    let seen = drain(open(&origin, "/live").expect("opens")).expect("reads");
    assert_eq!((seen.count(Kind::Video), seen.complete), (200, Some(false)));
}
