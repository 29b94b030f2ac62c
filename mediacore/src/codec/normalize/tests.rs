use proptest::prelude::*;

use super::*;
use crate::codec::annex_b::prefixed;
use crate::codec::fixtures::{AAC, ALL, Fixture, H264, HEVC, info, unhex};
use crate::codec::{h264, hevc};
use crate::error::ErrorKind;

fn opened(fixture: &Fixture) -> Normalizer {
    Normalizer::new(&info(fixture.codec, unhex(fixture.extradata))).expect(fixture.codec)
}

fn pushed(normalizer: &mut Normalizer, packet: &[u8]) -> Vec<Unit> {
    let data = Bytes::copy_from_slice(packet);
    normalizer.push(data, None).expect("a good packet").collect()
}

#[test]
fn samples_are_those_that_ffmpeg_writes() {
    for fixture in ALL {
        let mut normalizer = opened(&fixture);
        for (packet, sample) in fixture.packets.iter().zip(fixture.samples) {
            let units = pushed(&mut normalizer, &unhex(packet));
            assert_eq!(units.len(), 1, "{}", fixture.codec);
            assert_eq!(units[0].data, unhex(sample), "{}", fixture.codec);
            assert_eq!(units[0].changed, None, "{}", fixture.codec);
        }
    }
}

#[test]
fn hevc_sets_that_differ_stay_in_band() {
    let mut normalizer = opened(&HEVC);
    let mut packet = unhex(HEVC.packets[0]).to_vec();
    let sps = packet
        .windows(3)
        .position(|bytes| bytes == [1, 0x42, 1])
        .expect("an SPS");
    packet[sps + 18] += 3; // general_level_idc
    let unit = &pushed(&mut normalizer, &packet)[0];
    assert_eq!(unit.changed, Some(Change::Parameters));
    let kinds: Vec<_> = prefixed(&unit.data, 4).flatten().map(hevc::nal_type).collect();
    assert_eq!(
        kinds[..4],
        [hevc::NAL_AUD, hevc::NAL_VPS, hevc::NAL_SPS, hevc::NAL_PPS]
    );
    // The old sets come back: the decoder has the others, so these must stay too.
    let unit = &pushed(&mut normalizer, &unhex(HEVC.packets[0]))[0];
    assert!(
        prefixed(&unit.data, 4)
            .flatten()
            .any(|nal| hevc::nal_type(nal) == hevc::NAL_SPS)
    );
}

#[test]
fn tracks_are_those_of_ffmpegs_sample_entries() {
    for fixture in ALL {
        let mut normalizer = opened(&fixture);
        pushed(&mut normalizer, &unhex(fixture.packets[0]));
        let written = crate::mp4::sample_entry::parse(&unhex(fixture.entry)).expect(fixture.codec);
        let mut ours = normalizer.track().expect(fixture.codec).clone();
        if fixture.codec == "aac" {
            // FFmpeg appends an empty SBR extension.
            assert!(written.setup.starts_with(&ours.setup));
            ours.setup = written.setup.clone();
        }
        if let ("mp3", Media::Audio { channels, .. }) = (fixture.codec, &mut ours.media) {
            // FFmpeg writes two channels whatever there are.
            *channels = 2;
        }
        assert_eq!(ours, written, "{}", fixture.codec);
    }
}

#[test]
fn codec_strings_are_those_that_browsers_take() {
    let strings: Vec<_> = ALL
        .iter()
        .map(|fixture| {
            crate::mp4::sample_entry::parse(&unhex(fixture.entry))
                .expect(fixture.codec)
                .rfc6381()
        })
        .collect();
    let expected = [
        "avc1.64000A",
        "hvc1.1.6.L30.90",
        "av01.0.00M.08",
        "vp09.00.10.08",
        "mp4a.40.2",
        "mp4a.6B",
        "ac-3",
        "ec-3",
        "opus",
        "fLaC",
    ];
    assert_eq!(strings, expected);
}

#[test]
fn sync_and_durations_come_from_the_bitstream() {
    let mut h264 = opened(&H264);
    assert_eq!(pushed(&mut h264, &unhex(H264.packets[0]))[0].sync, Some(true));
    assert_eq!(pushed(&mut h264, &unhex(H264.packets[1]))[0].sync, Some(false));
    assert_eq!((h264.reorder(), h264.frame_rate()), (Some(2), Some((25, 1))));
    let durations: Vec<_> = ALL[4..]
        .iter()
        .map(|fixture| pushed(&mut opened(fixture), &unhex(fixture.packets[0]))[0].duration)
        .collect();
    let expected = [1024, 1152, 1536, 1536, 960, 4608].map(Some);
    assert_eq!(durations, expected);
}

#[test]
fn parameter_sets_that_arrive_late_describe_the_track() {
    for fixture in [H264, HEVC] {
        let mut normalizer = Normalizer::new(&info(fixture.codec, Bytes::new())).expect("sets may come late");
        assert!(pushed(&mut normalizer, &unhex(fixture.packets[1])).is_empty());
        assert_eq!(normalizer.track(), None);
        let units = pushed(&mut normalizer, &unhex(fixture.packets[0]));
        assert_eq!((units[0].sync, units[0].changed), (Some(true), None));
        assert_eq!(normalizer.track(), opened(&fixture).track());
    }
}

#[test]
fn length_prefixed_samples_are_handed_on_without_a_copy() {
    for fixture in [H264, HEVC] {
        let setup = opened(&fixture).track().expect("sets in extradata").setup.clone();
        let mut normalizer = Normalizer::new(&info(fixture.codec, setup.clone())).expect("a good record");
        assert_eq!(normalizer.track().map(|track| &track.setup), Some(&setup));
        let sample = unhex(fixture.samples[1]);
        let unit = normalizer
            .push(sample.clone(), None)
            .expect("a good packet")
            .next()
            .expect("one unit");
        assert_eq!(unit.data.as_ptr(), sample.as_ptr());
    }
}

/// The SPS of [`H264`] with another level: other bytes, the same picture.
fn other_level(sps: &[u8]) -> Vec<u8> {
    let mut sps = sps.to_vec();
    sps[3] = 11;
    sps
}

#[test]
fn sets_that_change_aside_are_put_in_band_and_the_picture_goes_on() {
    let track = opened(&H264).track().expect("sets in extradata").clone();
    let mut config = h264::AvcConfig::parse(&track.setup).expect("our own");
    let mut normalizer = Normalizer::new(&info("h264", track.setup)).expect("a good record");
    let sps = other_level(&config.sps[0]);
    config.sps = vec![sps.clone().into()];
    let record = config.to_bytes().expect("a good SPS");
    let idr = Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]);
    let unit = normalizer
        .push(idr, Some(record))
        .expect("a good packet")
        .next()
        .expect("one unit");
    assert_eq!(unit.changed, Some(Change::Parameters));
    assert_eq!(unit.data[4..4 + sps.len()], sps);
    assert!(unit.data.ends_with(&[0, 0, 0, 2, 0x65, 0x88]));
    assert_eq!(
        normalizer.track().map(Track::rfc6381).as_deref(),
        Some("avc1.64000B")
    );
}

/// NAL units with start codes.
fn packet(units: &[&[u8]]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [&[0, 0, 0, 1], *unit].concat())
        .collect()
}

/// The NAL units of a sample.
fn nals(unit: &Unit) -> Vec<&[u8]> {
    prefixed(&unit.data, 4).map(|nal| nal.expect("whole")).collect()
}

#[test]
fn a_packet_without_a_picture_is_no_sample_and_its_captions_go_in_front_of_the_next() {
    let cases: [(&Fixture, [&[u8]; 5]); 2] = [
        (
            &H264,
            [&[9, 0xF0], &[12, 0xFF], &[6, 4, 1, 7, 0x80], &[10], &[0x41, 0x9A]],
        ),
        (
            &HEVC,
            [
                &[70, 1, 0x50],
                &[76, 1, 0xFF],
                &[78, 1, 4, 1, 7, 0x80],
                &[72, 1],
                &[2, 1, 0xD0],
            ],
        ),
    ];
    for (fixture, [delimiter, filler, sei, end, slice]) in cases {
        let mut normalizer = opened(fixture);
        pushed(&mut normalizer, &unhex(fixture.packets[0]));
        // A connection broke behind the delimiter; filler, the end of a sequence and captions came by themselves.
        for units in [&[delimiter][..], &[filler], &[delimiter, sei, end]] {
            assert_eq!(pushed(&mut normalizer, &packet(units)), [], "{units:?}");
        }
        let units = pushed(&mut normalizer, &packet(&[delimiter, slice]));
        assert_eq!(nals(&units[0]), [delimiter, sei, slice], "{}", fixture.codec);
        assert_eq!(units[0].sync, Some(false));
        assert_eq!(nals(&pushed(&mut normalizer, &packet(&[slice]))[0]), [slice]);
    }
}

#[test]
fn sets_that_came_alone_go_in_front_of_their_picture() {
    let mut normalizer = opened(&H264);
    let track = normalizer.track().expect("sets in extradata").clone();
    let config = h264::AvcConfig::parse(&track.setup).expect("our own");
    let sps = other_level(&config.sps[0]);
    assert_eq!(pushed(&mut normalizer, &packet(&[&sps])), []);
    let idr: &[u8] = &[0x65, 0x88];
    let units = pushed(&mut normalizer, &packet(&[idr]));
    assert_eq!(units[0].changed, Some(Change::Parameters));
    assert_eq!(nals(&units[0]), [&sps[..], idr]);
    // A recovery point in a packet of its own leaves it to the source whether decoding can start at the picture.
    assert_eq!(pushed(&mut normalizer, &packet(&[&[6, 6, 1, 0xC0, 0x80]])), []);
    assert_eq!(pushed(&mut normalizer, &packet(&[&[0x41, 0x9A]]))[0].sync, None);
}

#[test]
fn what_waits_for_a_picture_has_a_limit() {
    let mut normalizer = opened(&H264);
    let mut sei = vec![6, 4];
    sei.resize(100_000, 0x55);
    for _ in 0..2 {
        assert_eq!(pushed(&mut normalizer, &packet(&[&sei])), []);
    }
    let error = normalizer
        .push(packet(&[&sei]).into(), None)
        .expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let slice: &[u8] = &[0x41, 0x9A];
    assert_eq!(nals(&pushed(&mut normalizer, &packet(&[slice]))[0]), [slice]);
}

#[test]
fn another_resolution_in_band_is_another_picture() {
    // 32x32, baseline, by x264.
    let small = unhex(
        "000000016742c00ada25b011000003000100000300320f1226a00000000168ce0fc80000016588843a26280c9d75e0",
    );
    let mut normalizer = opened(&H264);
    pushed(&mut normalizer, &unhex(H264.packets[0]));
    let units = pushed(&mut normalizer, &small);
    assert_eq!(units[0].changed, Some(Change::Picture));
    let media = normalizer.track().expect("known").media;
    assert!(matches!(media, Media::Video { width, height, .. } if (width, height) == (32, 32)));
    assert_eq!(normalizer.reorder(), Some(0));
    assert_eq!(pushed(&mut normalizer, &small)[0].changed, None);
}

#[test]
fn several_adts_frames_in_one_packet_become_several_samples() {
    let packet: Vec<u8> = AAC.packets.iter().flat_map(|packet| unhex(packet)).collect();
    let units = pushed(&mut opened(&AAC), &packet);
    let samples: Vec<_> = units.iter().map(|unit| unit.data.clone()).collect();
    assert_eq!(
        samples,
        AAC.samples.iter().map(|sample| unhex(sample)).collect::<Vec<_>>()
    );
}

#[test]
fn another_sample_rate_is_another_sound() {
    let mut normalizer = opened(&AAC);
    let mut packet = unhex(AAC.packets[0]).to_vec();
    pushed(&mut normalizer, &packet);
    packet[2] = packet[2] & !0x3C | 4 << 2;
    assert_eq!(pushed(&mut normalizer, &packet)[0].changed, Some(Change::Sound));
    assert_eq!(
        normalizer.track().map(|track| track.timescale().get()),
        Some(44_100)
    );
}

#[test]
fn an_oversized_sps_and_a_codec_without_mp4_form_are_refused() {
    let mut packet = vec![0, 0, 0, 1, 0x67, 100, 0, 10];
    packet.resize(70_000, 0x55);
    let error = opened(&H264).push(packet.into(), None).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let error = Normalizer::new(&info("pcm_mulaw", Bytes::new())).expect_err("not in MP4");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// A real packet with some bytes changed, or any bytes.
fn damaged() -> impl Strategy<Value = (usize, Vec<Vec<u8>>, Vec<u8>)> {
    let packet = (
        0..ALL.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    );
    (packet, any::<bool>(), prop::collection::vec(any::<u8>(), 0..120)).prop_map(
        |((which, changes), keep_extradata, noise)| {
            let spoil = |bytes: Bytes| {
                let mut bytes = bytes.to_vec();
                for (at, value) in &changes {
                    if !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] = *value;
                    }
                }
                bytes
            };
            let fixture = &ALL[which];
            let packets = fixture
                .packets
                .iter()
                .map(|packet| spoil(unhex(packet)))
                .chain([noise])
                .collect();
            let extradata = unhex(fixture.extradata);
            (
                which,
                packets,
                if keep_extradata {
                    extradata.to_vec()
                } else {
                    spoil(extradata)
                },
            )
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic((which, packets, extradata) in damaged()) {
        let extradata = Bytes::from(extradata);
        if let Ok(mut normalizer) = Normalizer::new(&info(ALL[which].codec, extradata.clone())) {
            for packet in packets {
                let _ = normalizer.push(packet.clone().into(), None).map(Iterator::count);
                let _ = normalizer.push(packet.into(), Some(extradata.clone())).map(Iterator::count);
                if let Some(track) = normalizer.track() {
                    let entry = crate::mp4::sample_entry::write(track);
                    let back = crate::mp4::sample_entry::parse(&entry);
                    prop_assert_eq!(back.map(|back| back.setup).ok(), Some(track.setup.clone()));
                    prop_assert!(!track.rfc6381().is_empty());
                }
            }
        }
    }

    #[test]
    fn noise_does_not_make_it_panic(which in 0..ALL.len(), extradata in prop::collection::vec(any::<u8>(), 0..80), data in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut normalizer) = Normalizer::new(&info(ALL[which].codec, extradata.into())) {
            let _ = normalizer.push(data.into(), None).map(Iterator::count);
        }
    }
}
