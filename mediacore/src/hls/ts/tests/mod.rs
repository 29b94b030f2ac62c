//! Segments as they are sent.

mod demux;
mod encrypted;
mod film;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::aac::AdtsHeader;
use crate::codec::fixtures::{AAC, AC3, EAC3, H264, HEVC, MP3, unhex};
use crate::error::ErrorKind;
use crate::hls::Options;
use crate::layout::{Filled, Layout, Source, Wait};

use demux::{Sent, demux};
use film::{FilmTrack, Sample, film, open, segment};

const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;

fn options() -> TsOptions {
    Options::nginx_vod().ts
}

fn mux(segment: &Segment, options: &TsOptions) -> Arc<Mux> {
    Mux::new(segment, options, None).unwrap()
}

fn layout(make: &Arc<Mux>) -> Layout {
    let mut layout = Layout::new();
    layout.push_made(Arc::clone(make) as Arc<dyn Make>);
    layout
}

fn whole(make: &Arc<Mux>) -> Vec<u8> {
    let bytes = layout(make).to_bytes(1 << 30).unwrap().to_vec();
    assert_eq!(bytes.len() as u64, make.length());
    bytes
}

/// A picture of these NAL units with lengths of so many bytes.
fn picture(nals: &[Vec<u8>], length_size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in nals {
        out.extend_from_slice(&(nal.len() as u32).to_be_bytes()[4 - length_size..]);
        out.extend_from_slice(nal);
    }
    out
}

/// A NAL unit of `size` bytes, no two alike.
fn nal(kind: u8, size: usize, salt: u8) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend((1..size.max(1)).map(|at| (at as u8).wrapping_mul(salt | 1) | 4));
    out
}

/// 25 pictures a second, the first one in ten a key frame; one slice each after an SEI for key frames.
fn pictures(sizes: &[usize]) -> Vec<Sample> {
    let picture = |(number, size): (usize, &usize)| {
        let sync = number % 10 == 0;
        let mut nals = vec![nal(if sync { 0x65 } else { 0x41 }, *size, number as u8)];
        if sync {
            nals.insert(0, nal(6, 12, 3));
        }
        Sample {
            data: picture(&nals, 4),
            duration: 3_600,
            composition: 0,
            sync,
        }
    };
    sizes.iter().enumerate().map(picture).collect()
}

/// AAC of 48 kHz.
fn sounds(sizes: &[usize]) -> Vec<Sample> {
    let sound = |(number, size): (usize, &usize)| Sample {
        data: nal(0x21, *size, number as u8),
        duration: 1024,
        composition: 0,
        sync: true,
    };
    sizes.iter().enumerate().map(sound).collect()
}

fn both(video: &[usize], audio: &[usize]) -> Vec<FilmTrack> {
    vec![
        FilmTrack::new(&H264, pictures(video), 7),
        FilmTrack::new(&AAC, sounds(audio), 11),
    ]
}

/// What a picture of H.264 with lengths of four bytes becomes, padding included.
fn expected_picture(sample: &Sample, sets: &[Bytes]) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 1, 9, 0xF0];
    for set in sets.iter().filter(|_| sample.sync) {
        out.extend([0, 0, 0, 1]);
        out.extend_from_slice(set);
    }
    let end = out.len() + sample.data.len();
    for (number, nal) in crate::codec::annex_b::prefixed(&sample.data, 4).enumerate() {
        out.extend(if number == 0 {
            &[0, 0, 0, 1][..]
        } else {
            &[0, 0, 1]
        });
        out.extend_from_slice(nal.unwrap());
    }
    out.resize(end, 0);
    out
}

fn sets() -> Vec<Bytes> {
    let track = crate::mp4::sample_entry::parse(&unhex(H264.entry)).unwrap();
    let config = crate::codec::h264::AvcConfig::parse(&track.setup).unwrap();
    config.sps.iter().chain(&config.pps).cloned().collect()
}

fn joined<'a>(sent: impl IntoIterator<Item = &'a Sent>) -> Vec<u8> {
    sent.into_iter().flat_map(|sent| sent.payload.clone()).collect()
}

#[track_caller]
fn same(got: &[u8], expected: &[u8], what: &str) {
    let at = got
        .iter()
        .zip(expected)
        .position(|(got, expected)| got != expected);
    assert_eq!((got.len(), at), (expected.len(), None), "{what}");
}

/// Checks that all bytes of all frames are sent, in order and with nothing between.
#[track_caller]
fn check_media(data: &[u8], tracks: &[FilmTrack]) {
    let sent = demux(data);
    let sets = sets();
    let video: Vec<u8> = tracks[0]
        .samples
        .iter()
        .flat_map(|sample| expected_picture(sample, &sets))
        .collect();
    same(&joined(sent.get(&VIDEO).into_iter().flatten()), &video, "video");
    let audio = joined(sent.get(&AUDIO).into_iter().flatten());
    let mut rest = &audio[..];
    for sample in &tracks[1].samples {
        let header = AdtsHeader::parse(rest).unwrap();
        same(&rest[7..header.frame], &sample.data, "audio");
        rest = &rest[header.frame..];
    }
    assert!(rest.is_empty());
}

#[test]
fn segments_are_those_of_the_reference() {
    let data = include_bytes!("../../../../../fixtures/hls/l_short.mp4");
    let title = open(Bytes::from_static(data));
    let all = segment(&[title], 0);
    let only = |at: usize| Segment {
        streams: vec![all.streams[at].clone()],
        ..Segment::default()
    };
    let cipher = || {
        SampleCipher::new(
            crate::hls::crypt::key("mysecret/sampleaes/l_short.mp4"),
            1_u128.to_be_bytes(),
        )
    };
    let md5 = |bytes: &[u8]| {
        let hash: [u8; 16] = <md5::Md5 as md5::Digest>::digest(bytes).into();
        hash.map(|byte| format!("{byte:02x}")).concat()
    };
    let got = [
        md5(&whole(&mux(&all, &options()))),
        md5(&whole(&mux(&only(0), &options()))),
        md5(&whole(&mux(&only(1), &options()))),
        md5(&whole(&Mux::new(&all, &options(), Some(cipher())).unwrap())),
    ];
    assert_eq!(got, REFERENCE);
}

/// Video and audio, video, audio, both with SAMPLE-AES.
const REFERENCE: [&str; 4] = [
    "11c75a2fc513640350d2394e424b1c4a",
    "51db359f71723792b710a208e443b8f4",
    "7079db8c5673f65c7892d10db3c48e70",
    "fa1d19490737f7664ef6c05a8d1f08d1",
];

#[test]
fn an_empty_segment_is_its_two_tables() {
    let mut segment = segment(&[open(film(&both(&[100], &[100])))], 3);
    for stream in &mut segment.streams {
        stream.parts[0].samples = 0..0;
    }
    let mux = mux(&segment, &options());
    assert_eq!(mux.length(), 376);
    assert_eq!(whole(&mux)[3] & 15, 3);
    assert_eq!(mux.key_frames().count(), 0);
}

#[test]
fn times_and_clock_are_where_players_expect_them() {
    let mut tracks = both(&[500; 4], &[200; 8]);
    for (sample, composition) in tracks[0].samples.iter_mut().zip([7200, 14400, 0, 3600]) {
        sample.composition = composition;
    }
    let sent = demux(&whole(&mux(&segment(&[open(film(&tracks))], 0), &options())));
    let video: Vec<_> = sent[&VIDEO]
        .iter()
        .map(|sent| (sent.pts, sent.dts, sent.clock))
        .collect();
    let at = |dts: u64, delay: u64| (dts + delay + 9090, Some(dts + 9090), Some(dts + 4590));
    assert_eq!(
        video,
        [at(0, 7200), at(3600, 14400), at(7200, 0), at(10800, 3600)]
    );
    let audio = &sent[&AUDIO];
    assert_eq!((audio[0].pts, audio[0].dts, audio[0].clock), (9090, None, None));
    assert!(audio.iter().chain(&sent[&VIDEO]).all(|sent| sent.aligned));
}

#[test]
fn video_starts_with_the_audio_where_both_are_aligned() {
    let mut tracks = both(&[500; 4], &[200; 8]);
    for sample in &mut tracks[0].samples {
        sample.composition = 7200;
    }
    let options = TsOptions {
        align_pts: true,
        ..options()
    };
    let sent = demux(&whole(&mux(&segment(&[open(film(&tracks))], 0), &options)));
    let first = &sent[&VIDEO][0];
    // The clock can't start before zero.
    assert_eq!((first.pts, first.dts, first.clock), (9090, Some(1890), Some(0)));
    assert_eq!(sent[&AUDIO][0].pts, 9090);
}

#[test]
fn sound_waits_for_2930_bytes_or_350_ms() {
    // Frames of 21.3 ms: of 286 bytes with their header ten fit, of 2931 none.
    let tracks = both(&[100; 60], &[279; 22]);
    let sent = demux(&whole(&mux(&segment(&[open(film(&tracks))], 0), &options())));
    let sizes: Vec<_> = sent[&AUDIO].iter().map(|sent| sent.payload.len() / 286).collect();
    assert_eq!(sizes, [10, 10, 2]);
    // Tiny frames: the picture at 360 ms is the first after 350 ms, and the frame at 341 ms the last before it.
    let tracks = both(&[100; 60], &[13; 50]);
    let sent = demux(&whole(&mux(&segment(&[open(film(&tracks))], 0), &options())));
    let sizes: Vec<_> = sent[&AUDIO].iter().map(|sent| sent.payload.len() / 20).collect();
    assert_eq!(sizes, [17, 17, 16]);
    let tracks = both(&[100; 3], &[50, 2924, 50, 50]);
    let sent = demux(&whole(&mux(&segment(&[open(film(&tracks))], 0), &options())));
    let sizes: Vec<_> = sent[&AUDIO].iter().map(|sent| sent.payload.len()).collect();
    assert_eq!(sizes, [57, 2931, 114]);
}

#[test]
fn each_part_has_its_own_parameter_sets() {
    let first = film(&both(&[300, 200], &[100; 4]));
    let mut second = both(&[300, 200], &[100; 4]);
    let mut entry = second[0].entry.to_vec();
    let pps = &sets()[1];
    let at = memchr::memmem::find(&entry, pps).unwrap();
    // An unused last byte of the PPS is enough to tell them apart.
    entry[at + pps.len() - 1] ^= 0x55;
    second[0].entry = entry.into();
    let titles = [open(first), open(film(&second))];
    let mut segment = segment(&titles, 0);
    let joint = demux(&whole(&mux(&segment, &options())));
    let key = |sent: &[Sent], at: usize| memchr::memmem::find(&sent[at].payload, pps).is_some();
    assert!(key(&joint[&VIDEO], 0) && !key(&joint[&VIDEO], 2));
    assert_eq!(
        joint[&AUDIO].len(),
        2,
        "a picture a second later does not wait for sound"
    );
    // As clips of their own, each ends its streams.
    for stream in &mut segment.streams {
        stream.parts[1].clip = 1;
    }
    let apart = whole(&mux(&segment, &options()));
    assert_eq!(demux(&apart)[&AUDIO].len(), 2);
    assert_eq!(apart.len() as u64, 376 + 4 * 16 * 188);
}

#[test]
fn the_time_of_a_segment_is_an_id3_tag_after_the_first_picture() {
    let options = TsOptions {
        id3: true,
        announce_id3: false,
        ..options()
    };
    let mut segment = segment(&[open(film(&both(&[300, 200], &[100; 4])))], 2);
    for stream in &mut segment.streams {
        stream.parts[0].clock.base = 1_800_000;
    }
    segment.origin = 5;
    let data = whole(&mux(&segment, &options));
    let sent = demux(&data);
    let tag = &sent[&0x102];
    assert_eq!((tag.len(), tag[0].pts, tag[0].id), (1, 1_809_090, 0xBD));
    assert!(tag[0].payload.ends_with(b"{\"timestamp\":20005}\0"));
    let pids: Vec<_> = data.chunks(188).map(|packet| packet[2]).collect();
    assert_eq!(pids[2..6], [0, 0, 0, 2], "{pids:?}");
}

#[test]
fn other_codecs_are_announced_and_carried() {
    for (fixture, kind) in [(&MP3, 0x03), (&AC3, 0x81), (&EAC3, 0x81)] {
        let track = FilmTrack::new(fixture, sounds(&[300; 5]), 2);
        let data = whole(&mux(
            &segment(&[open(film(std::slice::from_ref(&track)))], 0),
            &options(),
        ));
        assert_eq!(data[188 + 34], kind, "{}", fixture.codec);
        let sent = demux(&data);
        assert!(sent[&VIDEO][0].clock.is_some(), "sound alone carries the clock");
        let expected: Vec<u8> = track.samples.into_iter().flat_map(|sample| sample.data).collect();
        assert_eq!(joined(&sent[&VIDEO]), expected);
    }
    let mut track = FilmTrack::new(&HEVC, pictures(&[300; 3]), 2);
    track.samples[1].data = picture(&[vec![0x46, 1, 0x50], nal(2, 40, 1)], 4);
    let segment = segment(&[open(film(&[track]))], 0);
    for (registered_hevc, kind) in [(false, 0x06), (true, 0x24)] {
        let options = TsOptions {
            registered_hevc,
            ..options()
        };
        let data = whole(&mux(&segment, &options));
        assert_eq!(data[188 + 34], kind);
        let sent = demux(&data);
        let second = &sent[&VIDEO][1].payload;
        assert!(
            second.starts_with(&[0, 0, 0, 1, 0x46, 1, 0x50, 0, 0, 0, 1, 2]),
            "{second:?}"
        );
        assert!(second.ends_with(&[0; 7]), "the delimiter's bytes become padding");
    }
}

#[test]
fn lengths_of_two_bytes_give_the_exact_length_too() {
    let mut tracks = both(&[0; 12], &[100; 20]);
    let mut entry = tracks[0].entry.to_vec();
    let at = memchr::memmem::find(&entry, b"avcC").unwrap();
    entry[at + 8] = 0xFD;
    tracks[0].entry = entry.into();
    let mut expected = Vec::new();
    for (number, sample) in tracks[0].samples.iter_mut().enumerate() {
        let nals = [nal(6, 30, 1), nal(0x41, 100 + number * 97, 2), nal(0x41, 50, 3)];
        sample.data = picture(&nals, 2);
        let long = Sample {
            data: picture(&nals, 4),
            ..sample.clone()
        };
        let mut payload = expected_picture(&long, &sets());
        payload.truncate(payload.len() - 2);
        expected.extend(payload);
    }
    let segment = segment(&[open(film(&tracks))], 0);
    let mux = mux(&segment, &options());
    same(&joined(&demux(&whole(&mux))[&VIDEO]), &expected, "video");
    let mut keys = Vec::new();
    key_frames(&segment, &options(), &mut keys).unwrap();
    assert_eq!(keys, mux.key_frames().collect::<Vec<_>>());
}

#[test]
fn key_frames_are_told_by_their_packets() {
    let tracks = both(&[3000; 25], &[300; 40]);
    for interleave_frames in [false, true] {
        let options = TsOptions {
            interleave_frames,
            ..options()
        };
        let segment = segment(&[open(film(&tracks))], 0);
        let mux = mux(&segment, &options);
        let data = whole(&mux);
        let found: Vec<_> = mux.key_frames().collect();
        assert_eq!(found.len(), 3);
        for (key, number) in found.iter().zip([0, 10, 20]) {
            assert_eq!(key.pts, number * 3600);
            let at = key.offset as usize..(key.offset + key.size) as usize;
            let part = [&data[..376], &data[at]].concat();
            let mut padded = demux_one(&part);
            let expected = expected_picture(&tracks[0].samples[number as usize], &sets());
            padded.truncate(expected.len());
            same(&padded, &expected, "key frame");
        }
        let mut alone = Vec::new();
        key_frames(&segment, &options, &mut alone).unwrap();
        assert_eq!(alone, found);
    }
}

/// The payload of the one PES packet of a part of a segment.
fn demux_one(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in part[376..].chunks(188) {
        assert_eq!(packet[2], 0, "only the picture's PID");
        let from = if packet[3] & 0x20 != 0 {
            5 + usize::from(packet[4])
        } else {
            4
        };
        out.extend_from_slice(&packet[from + if packet[1] & 0x40 != 0 { 19 } else { 0 }..]);
    }
    out
}

#[test]
fn damage_is_an_error_and_never_wrong_bytes() {
    // A length that leads beyond its sample shows when it is sent.
    let mut tracks = both(&[300; 3], &[100; 4]);
    tracks[0].samples[1].data[2] = 9;
    let error = layout(&mux(&segment(&[open(film(&tracks))], 0), &options()))
        .to_bytes(1 << 20)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error:?}");
    // With lengths of two bytes it shows before.
    let mut entry = tracks[0].entry.to_vec();
    let at = memchr::memmem::find(&entry, b"avcC").unwrap();
    entry[at + 8] = 0xFD;
    tracks[0].entry = entry.into();
    let refusal = Mux::new(&segment(&[open(film(&tracks))], 0), &options(), None).unwrap_err();
    assert_eq!(refusal.reason, Reason::BadData);
    // Frames that ADTS can't tell.
    let refusal = Mux::new(
        &segment(&[open(film(&both(&[10], &[9000])))], 0),
        &options(),
        None,
    )
    .unwrap_err();
    assert_eq!(refusal.reason, Reason::BadData);
    // A file that became shorter since it was opened.
    let data = film(&both(&[300; 3], &[100; 4]));
    let shrinking = Shrinking(data, AtomicBool::new(false));
    let source: Arc<Shrinking> = Arc::new(shrinking);
    let title = open(Shared(Arc::clone(&source)));
    let mux = mux(&segment(&[title], 0), &options());
    source.1.store(true, Ordering::Relaxed);
    let error = layout(&mux).to_bytes(1 << 20).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error:?}");
}

/// Ends after 600 bytes once it is told to.
struct Shrinking(Bytes, AtomicBool);

struct Shared(Arc<Shrinking>);

impl Source for Shared {
    fn length(&self) -> u64 {
        self.0.0.length()
    }

    fn read(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<usize>> {
        if self.0.1.load(Ordering::Relaxed) {
            return self.0.0.slice(..600).read(buf, offset.min(600), wait);
        }
        self.0.0.read(buf, offset, wait)
    }
}

/// Nothing is in memory until it was waited for.
struct Cold(Bytes, AtomicBool);

impl Source for Cold {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<Option<usize>> {
        // Every second read that may not wait fails.
        if wait == Wait::No && self.1.fetch_xor(true, Ordering::Relaxed) {
            return Ok(None);
        }
        self.0.read(buf, offset, wait)
    }
}

/// Reads a range in steps of `room`; what would wait is asked for again without and with waiting in turns.
fn read(mux: &Arc<Mux>, range: Range<u64>, room: usize) -> Vec<u8> {
    let mut producer = Arc::clone(mux).open(range);
    let mut out = vec![1, 2, 3];
    let mut wait = Wait::No;
    loop {
        let before = out.len();
        let filled = producer.fill(&mut out, room, wait).unwrap();
        assert!(out.len() - before <= room);
        match filled {
            Filled::More => assert!(out.len() > before),
            Filled::Cold => {
                assert_eq!(out.len(), before);
                assert_eq!(wait, Wait::No);
                wait = Wait::Yes;
                continue;
            }
            Filled::End => {
                assert_eq!(out.len(), before);
                break;
            }
        }
        wait = Wait::No;
    }
    out.split_off(3)
}

#[test]
fn every_slice_is_the_slice_of_the_whole() {
    let data = film(&both(&[10, 700, 1200, 60], &[250; 14]));
    for (align_frames, interleave_frames) in [(true, false), (false, false), (true, true), (false, true)] {
        let options = TsOptions {
            align_frames,
            interleave_frames,
            ..options()
        };
        let mux = mux(
            &segment(&[open(Cold(data.clone(), AtomicBool::new(true)))], 0),
            &options,
        );
        let all = whole(&mux);
        for start in (0..all.len()).step_by(37) {
            for length in [1, 187, 188, 189, 2000, all.len()] {
                let end = (start + length).min(all.len());
                for room in [1000, 4096] {
                    let got = read(&mux, start as u64..end as u64, room);
                    same(&got, &all[start..end], &format!("{start}..{end} by {room}"));
                }
            }
        }
        for room in [1, 100, 187, 188, 190, 100_000] {
            same(
                &read(&mux, 0..all.len() as u64, room),
                &all,
                &format!("by {room}"),
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_of_every_frame_is_sent_once(
        video in prop::collection::vec(prop_oneof![1..400_usize, 100..5000_usize, 150..200_usize], 1..40),
        audio in prop::collection::vec(prop_oneof![1..600_usize, 140..200_usize, 2800..3100_usize], 1..60),
        align_frames in any::<bool>(),
        interleave_frames in any::<bool>(),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        room in 1..3000_usize,
    ) {
        let tracks = both(&video, &audio);
        let data = film(&tracks);
        let options = TsOptions { align_frames, interleave_frames, ..options() };
        let mux = mux(&segment(&[open(Cold(data, AtomicBool::new(true)))], 0), &options);
        let all = whole(&mux);
        check_media(&all, &tracks);
        let (a, b) = (cut.0.index(all.len() + 1), cut.1.index(all.len() + 1));
        let range = a.min(b)..a.max(b);
        let got = read(&mux, range.start as u64..range.end as u64, room);
        same(&got, &all[range], "slice");
        let mut keys = Vec::new();
        key_frames(&segment(&[open(film(&tracks))], 0), &options, &mut keys).unwrap();
        prop_assert_eq!(keys, mux.key_frames().collect::<Vec<_>>());
    }
}
