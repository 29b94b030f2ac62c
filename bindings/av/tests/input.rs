//! Opening and reading, through paths and through readers.

mod support;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::time::{Duration, Instant};

use av::{ErrorKind, Input, Interrupt, OpenOptions, Packet, StreamKind};
use support::{Media, text};

fn file() -> OpenOptions {
    OpenOptions {
        protocols: "file".to_owned(),
        ..OpenOptions::default()
    }
}

fn read_all(input: &mut Input) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some(packet) = input.read().expect("a good file") {
        packets.push(packet);
    }
    packets
}

/// What makes two packets the same.
#[derive(Debug, PartialEq)]
struct Essence(usize, Option<i64>, Option<i64>, Vec<u8>);

fn essence(packets: &[Packet]) -> Vec<Essence> {
    packets
        .iter()
        .map(|p| Essence(p.stream(), p.pts(), p.dts(), p.data().to_vec()))
        .collect()
}

#[test]
fn every_container_gives_the_same_packets_by_path_and_through_readers() {
    let media = Media::new();
    for (name, format) in [
        ("a.mp4", "mp4"),
        ("a.ts", "mpegts"),
        ("a.flv", "flv"),
        ("a.mkv", "matroska"),
    ] {
        let path = media.video(name, "");
        let mut by_path = Input::open_url(text(&path), &file(), &Interrupt::new()).expect(name);
        let packets = read_all(&mut by_path);
        assert!(
            by_path.format_name().contains(format),
            "{}",
            by_path.format_name()
        );
        assert_eq!(by_path.stream_count(), 2, "{name}");
        assert!(by_path.read().expect("the end stays the end").is_none());

        let streams = by_path.streams();
        let video = streams
            .iter()
            .find(|s| s.kind == StreamKind::Video)
            .expect("video");
        let audio = streams
            .iter()
            .find(|s| s.kind == StreamKind::Audio)
            .expect("audio");
        assert_eq!(
            (video.codec.as_str(), audio.codec.as_str()),
            ("h264", "aac"),
            "{name}"
        );
        assert_eq!(video.wrap_bits, if name == "a.ts" { 33 } else { video.wrap_bits });
        if matches!(name, "a.mp4" | "a.mkv") {
            assert_eq!(
                (video.width, video.height, audio.sample_rate),
                (160, 90, 48000),
                "{name}"
            );
        }
        if name != "a.ts" {
            assert!(
                !video.extradata.is_empty() && !audio.extradata.is_empty(),
                "{name}"
            );
        }
        let frames: Vec<_> = packets.iter().filter(|p| p.stream() == video.index).collect();
        assert_eq!(frames.len(), 50, "{name}");
        assert_eq!(frames.iter().filter(|p| p.is_key()).count(), 2, "{name}");
        assert!(
            frames[0].is_key() && !frames[0].is_corrupt() && frames[0].pts().is_some(),
            "{name}"
        );

        let bytes = std::fs::read(&path).expect("the file");
        let seekable = Box::new(Cursor::new(bytes));
        let mut seekable =
            Input::open_seekable(seekable, &OpenOptions::default(), &Interrupt::new()).expect(name);
        assert_eq!(essence(&read_all(&mut seekable)), essence(&packets), "{name}");

        if name != "a.mp4" {
            let stream = Box::new(File::open(&path).expect("the file"));
            let options = OpenOptions {
                format: Some(format.to_owned()),
                ..OpenOptions::default()
            };
            let mut stream = Input::open_reader(stream, &options, &Interrupt::new()).expect(name);
            assert_eq!(read_all(&mut stream).len(), packets.len(), "{name}");
        }
    }
}

#[test]
fn a_seek_goes_to_the_key_frame_before() {
    let media = Media::new();
    for name in ["a.mp4", "a.ts", "a.mkv"] {
        let path = media.video(name, "");
        let mut input = Input::open_url(text(&path), &file(), &Interrupt::new()).expect(name);
        input.find_stream_info(Duration::from_secs(1)).expect(name);
        let duration = input.duration().expect("a length");
        assert!(
            duration.abs_diff(Duration::from_secs(2)) < Duration::from_millis(100),
            "{name} {duration:?}"
        );
        input.discard(1);
        input.seek(Duration::from_millis(1500)).expect(name);
        let packet = input.read().expect(name).expect("a packet");
        let video = input.stream(0).expect("the video");
        let seconds = packet.pts().expect("a time") - video.start_time.unwrap_or(0);
        let seconds = seconds as f64 * f64::from(video.time_base.0) / f64::from(video.time_base.1);
        assert_eq!(packet.stream(), 0);
        if name == "a.ts" {
            // No index: near the place, not on a key frame.
            assert!(seconds < 1.5, "{name} {seconds}");
        } else {
            assert!(
                packet.is_key() && (0.99..1.01).contains(&seconds),
                "{name} {seconds}"
            );
        }
    }
}

#[test]
fn rotation_language_and_frame_rate_are_known_from_the_header() {
    let media = Media::new();
    let flat = media.video("flat.mp4", "-metadata:s:a:0 language=deu");
    let turned = media.make(
        "turned.mp4",
        &format!("-i {} -map 0 -c copy -metadata:s:v:0 rotate=270", text(&flat)),
    );
    let input = Input::open_url(text(&turned), &file(), &Interrupt::new()).expect("opens");
    let streams = input.streams();
    // This tag of ffmpeg's counts anticlockwise.
    assert_eq!(streams[0].rotation, 90);
    assert_eq!(streams[0].frame_rate, (25, 1));
    assert_eq!(streams[1].language.as_deref(), Some("deu"));
    assert_eq!(streams[1].channels, 1);
    assert!(streams[0].default);
}

#[test]
fn a_protocol_that_is_not_allowed_is_refused_and_so_is_a_nul() {
    let media = Media::new();
    let path = media.video("a.ts", "");
    let nobody = OpenOptions::default();
    assert!(Input::open_url(text(&path), &nobody, &Interrupt::new()).is_err());
    let list = media.path("list.txt");
    std::fs::write(&list, format!("ffconcat version 1.0\nfile {}\n", text(&path))).expect("written");
    let list = std::fs::read(list).expect("read");
    let nested = Input::open_seekable(Box::new(Cursor::new(list)), &nobody, &Interrupt::new());
    assert!(nested.is_err());
    let nul = Input::open_url("a\0b", &file(), &Interrupt::new()).expect_err("a NUL");
    assert_eq!(nul.kind, ErrorKind::Internal);
    let missing = Input::open_url("/nowhere/at/all.mp4", &file(), &Interrupt::new()).expect_err("no file");
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let text_file = Input::open_reader(Box::new(&b"just some text\n"[..]), &nobody, &Interrupt::new());
    assert_eq!(text_file.expect_err("not media").kind, ErrorKind::Malformed);
    let empty = Input::open_reader(Box::new(io::empty()), &nobody, &Interrupt::new());
    assert!(empty.is_err());
}

#[test]
fn a_cut_file_ends_or_fails_and_never_panics() {
    let media = Media::new();
    for name in ["a.mp4", "a.ts", "a.flv", "a.mkv"] {
        let whole = std::fs::read(media.video(name, "")).expect("the file");
        for length in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let cut = Box::new(Cursor::new(whole[..length].to_vec()));
            let Ok(mut input) = Input::open_seekable(cut, &OpenOptions::default(), &Interrupt::new()) else {
                continue;
            };
            while let Ok(Some(packet)) = input.read() {
                assert!(packet.stream() < input.stream_count());
            }
        }
    }
}

/// Gives some bytes, then fails.
struct Failing(Cursor<Vec<u8>>, fn() -> io::Error);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err((self.1)()),
            count => Ok(count),
        }
    }
}

#[test]
fn a_reader_that_fails_is_an_error_and_not_the_end() {
    let media = Media::new();
    for (name, format) in [("a.ts", "mpegts"), ("a.flv", "flv"), ("a.mkv", "matroska")] {
        let whole = std::fs::read(media.video(name, "")).expect("the file");
        let half = Cursor::new(whole[..whole.len() / 2].to_vec());
        let reader = Failing(half, || {
            io::Error::new(io::ErrorKind::ConnectionReset, "segment 7 broke off")
        });
        let options = OpenOptions {
            format: Some(format.to_owned()),
            ..OpenOptions::default()
        };
        let mut input = Input::open_reader(Box::new(reader), &options, &Interrupt::new()).expect(name);
        let error = loop {
            match input.read() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{name}: a broken reader looks like the end"),
                Err(error) => break error,
            }
        };
        assert!(error.message.contains("segment 7 broke off"), "{name}: {error}");
    }
}

#[test]
fn a_reader_that_panics_is_an_error() {
    struct Panicking;
    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("on purpose")
        }
    }
    let opened = Input::open_reader(Box::new(Panicking), &OpenOptions::default(), &Interrupt::new());
    let error = opened.expect_err("nothing to read");
    assert!(error.message.contains("panicked"), "{error}");
}

/// Has these bytes and then nothing, for ever.
struct RunsDry(Cursor<Vec<u8>>);

impl Read for RunsDry {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn what_a_parser_held_does_not_begin_the_wait_anew() {
    let media = Media::new();
    let bytes = std::fs::read(media.video("film.ts", "")).expect("just made");
    let options = OpenOptions {
        format: Some("mpegts".to_owned()),
        ..OpenOptions::default()
    };
    let interrupt = Interrupt::new();
    let reader = Box::new(RunsDry(Cursor::new(bytes)));
    let mut input = Input::open_reader(reader, &options, &interrupt).expect("it opens");
    let deadline = Duration::from_millis(500);
    let (mut slow, mut packets) = (0, 0);
    let error = loop {
        // Each packet begins the wait anew, as a recorder does it.
        interrupt.set_deadline(deadline);
        let began = Instant::now();
        let read = input.read();
        // Deadlines are kept in whole milliseconds.
        slow += u32::from(began.elapsed() + Duration::from_millis(10) >= deadline);
        match read {
            Ok(Some(_)) => packets += 1,
            Ok(None) => panic!("it has no end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
    assert!(packets > 100, "{packets}");
    assert_eq!(slow, 1, "the deadline passed once");
}
