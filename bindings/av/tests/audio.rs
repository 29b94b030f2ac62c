//! Transcoding, and the files that libav muxes.

mod support;

use std::f64::consts::TAU;
use std::time::Duration;

use av::{
    AudioParameters, EncodedPacket, Input, Interrupt, OpenOptions, Output, StreamKind, TargetAudio,
    Transcoder,
};
use support::{Media, text};

fn file() -> OpenOptions {
    OpenOptions {
        protocols: "file".to_owned(),
        ..OpenOptions::default()
    }
}

fn mulaw() -> AudioParameters {
    AudioParameters {
        codec: "pcm_mulaw".to_owned(),
        sample_rate: 8000,
        channels: 1,
        bits_per_sample: 8,
        block_align: 1,
        ..AudioParameters::default()
    }
}

fn to(codec: &str) -> TargetAudio {
    TargetAudio {
        codec: codec.to_owned(),
        ..TargetAudio::default()
    }
}

/// 20 ms of something that is not silence.
fn chunk(index: i64) -> Vec<u8> {
    (0..160)
        .map(|i| (((index * 160 + i) as f64 * 440.0 * TAU / 8000.0).sin() * 60.0) as i8 as u8)
        .collect()
}

/// The packets' times follow each other without a hole or an overlap.
fn assert_gapless(packets: &[EncodedPacket]) {
    for pair in packets.windows(2) {
        assert_eq!(
            pair[0].pts + pair[0].duration,
            pair[1].pts,
            "{:?}",
            (pair[0].pts, pair[1].pts)
        );
    }
}

#[test]
fn mulaw_becomes_aac_with_its_times() {
    let mut transcoder = Transcoder::new(&mulaw(), &to("aac")).expect("codecs");
    assert_eq!((transcoder.sample_rate(), transcoder.channels()), (8000, 1));
    assert_eq!(transcoder.initial_padding(), 1024);
    assert_eq!(
        transcoder.extradata()[0] >> 3,
        2,
        "an AudioSpecificConfig of AAC-LC"
    );
    let mut packets = Vec::new();
    for i in 0..100 {
        packets.extend(
            transcoder
                .push(&chunk(i), Some(80_000 + i * 160))
                .expect("good audio"),
        );
    }
    packets.extend(transcoder.flush().expect("the rest"));
    assert_eq!(packets[0].pts, 80_000 - 1024);
    assert_gapless(&packets[..packets.len() - 1]);
    let last = packets.last().expect("packets");
    let end = last.pts + last.duration;
    assert!((80_000 + 16_000..=80_000 + 16_000 + 1024).contains(&end), "{end}");
    assert_eq!(transcoder.skipped(), 0);
    assert!(transcoder.push(&chunk(0), None).is_err() && transcoder.flush().expect("twice").is_empty());
}

#[test]
fn a_gap_restarts_the_times_and_slow_clocks_do_not_drift() {
    let mut transcoder = Transcoder::new(&mulaw(), &to("aac")).expect("codecs");
    let mut packets = Vec::new();
    for i in 0..50 {
        packets.extend(transcoder.push(&chunk(i), Some(i * 160)).expect("good"));
    }
    // Ten seconds are missing.
    for i in 50..100 {
        packets.extend(transcoder.push(&chunk(i), Some(80_000 + i * 160)).expect("good"));
    }
    packets.extend(transcoder.flush().expect("the rest"));
    let jumps: Vec<_> = packets
        .windows(2)
        .filter(|p| p[1].pts - p[0].pts != 1024)
        .collect();
    assert_eq!(jumps.len(), 1, "one gap");
    assert_eq!(jumps[0][1].pts, 88_000);

    // A source whose samples come 1 % too slowly for its times: 40 s of times, 39.6 s of samples.
    let mut transcoder = Transcoder::new(&mulaw(), &to("aac")).expect("codecs");
    let mut packets = Vec::new();
    for i in 0..2000 {
        let pts = i * 160 * 101 / 100;
        packets.extend(transcoder.push(&chunk(i), Some(pts)).expect("good"));
    }
    let last = packets.last().expect("packets");
    let late = 2000 * 160 * 101 / 100 - (last.pts + last.duration);
    assert!((-400..=400 + 3 * 1024).contains(&late), "{late} samples behind");
}

#[test]
fn an_overlap_is_left_out_and_a_reset_clock_is_ignored() {
    let mut transcoder = Transcoder::new(&mulaw(), &to("pcm_s16le")).expect("codecs");
    let mut samples = 0;
    let mut push = |transcoder: &mut Transcoder, i: i64, pts: i64| {
        for packet in transcoder.push(&chunk(i), Some(pts)).expect("good") {
            samples += packet.duration;
        }
    };
    for i in 0..50 {
        push(&mut transcoder, i, i * 160);
    }
    // The last 100 ms come again.
    for i in 45..60 {
        push(&mut transcoder, i, i * 160);
    }
    // A clock that starts over goes on.
    for i in 0..40 {
        push(&mut transcoder, i, i * 160 - 800_000);
    }
    samples += transcoder
        .flush()
        .expect("the rest")
        .iter()
        .map(|packet| packet.duration)
        .sum::<i64>();
    let want = 100 * 160;
    assert!(
        (want - 400..=want + 400).contains(&samples),
        "{samples} of {want}"
    );
}

#[test]
fn a_packet_that_can_not_be_decoded_is_skipped() {
    let media = Media::new();
    let path = media.video("a.m4a", "-vn");
    let mut input = Input::open_url(text(&path), &file(), &Interrupt::new()).expect("opens");
    let from = AudioParameters::from(&input.stream(0).expect("audio"));
    let mut transcoder = Transcoder::new(&from, &to("libopus")).expect("codecs");
    assert_eq!(transcoder.sample_rate(), 48000);
    let (mut index, mut packets) = (0, Vec::new());
    while let Some(packet) = input.read().expect("good") {
        let data = if index == 20 {
            b"\xff\xff\xff\xff\xff\xff".to_vec()
        } else {
            packet.data().to_vec()
        };
        packets.extend(transcoder.push(&data, packet.pts()).expect("skips"));
        index += 1;
    }
    packets.extend(transcoder.flush().expect("the rest"));
    assert_eq!(transcoder.skipped(), 1);
    let length: i64 = packets.iter().map(|packet| packet.duration).sum();
    assert!((94_000..100_000).contains(&length), "{length}");
}

#[test]
fn unknown_and_senseless_codecs_are_errors() {
    let none = AudioParameters {
        codec: "nothing".to_owned(),
        ..mulaw()
    };
    assert!(Transcoder::new(&none, &to("aac")).is_err());
    assert!(Transcoder::new(&mulaw(), &to("nothing")).is_err());
    assert!(Transcoder::new(&mulaw(), &to("a\0c")).is_err());
    let zero = AudioParameters {
        sample_rate: 0,
        ..mulaw()
    };
    assert!(Transcoder::new(&zero, &to("aac")).is_err());
    let g726 = AudioParameters {
        codec: "adpcm_g726".to_owned(),
        bits_per_sample: 4,
        ..mulaw()
    };
    let mut transcoder = Transcoder::new(&g726, &to("aac")).expect("codecs");
    for i in 0..100 {
        transcoder
            .push(&[0x5a; 80], Some(i * 160))
            .expect("any bytes are G.726");
    }
    assert!(!transcoder.flush().expect("the rest").is_empty());
}

#[test]
fn every_file_of_an_output_opens_again_with_its_length() {
    let media = Media::new();
    for (name, format, encoder, codec) in [
        ("a.mp3", "mp3", "libmp3lame", "mp3"),
        ("a.opus", "ogg", "libopus", "opus"),
        ("a.flac", "flac", "flac", "flac"),
        ("a.wav", "wav", "pcm_s16le", "pcm_s16le"),
    ] {
        let path = media.path(name);
        let mut transcoder = Transcoder::new(&mulaw(), &to(encoder)).expect(name);
        let mut output = Output::create(&path, format, &[transcoder.output_track()]).expect(name);
        for i in 0..100 {
            for packet in transcoder.push(&chunk(i), Some(i * 160)).expect(name) {
                output.write(0, &packet).expect(name);
            }
        }
        for packet in transcoder.flush().expect(name) {
            output.write(0, &packet).expect(name);
        }
        assert!(
            output
                .write(
                    1,
                    &EncodedPacket {
                        pts: 0,
                        duration: 0,
                        data: bytes::Bytes::new(),
                        new_extradata: None
                    }
                )
                .is_err()
        );
        output.finish().expect(name);

        let mut input = Input::open_url(text(&path), &file(), &Interrupt::new()).expect(name);
        input.find_stream_info(Duration::from_secs(1)).expect(name);
        let stream = input.stream(0).expect(name);
        assert_eq!(
            (stream.kind, stream.codec.as_str()),
            (StreamKind::Audio, codec),
            "{name}"
        );
        let length = input.duration().expect(name);
        assert!(
            length.abs_diff(Duration::from_secs(2)) < Duration::from_millis(200),
            "{name} {length:?}"
        );
    }
    let missing = Output::create(&media.path("no/such/dir.wav"), "wav", &[]);
    assert!(missing.is_err());
    assert!(Output::create(&media.path("x"), "no format", &[]).is_err());
}
