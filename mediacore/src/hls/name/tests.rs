//! File names.

use super::*;
use crate::hls::Options;

fn parse(name: &str) -> Option<Name> {
    Name::parse(name, &Options::nginx_vod().urls.names).ok()
}

fn segment(name: &str) -> Option<u32> {
    match parse(name)?.what {
        What::Segment { number, .. } => Some(number),
        _ => None,
    }
}

#[test]
fn names_that_the_reference_takes() {
    for (name, number) in [
        ("seg-1.ts", 0),
        ("seg-01-v1-a1.ts", 0),
        ("seg1-v1-a1.ts", 0),
        ("seg-1v1a1.ts", 0),
        ("seg-1-i1-v1.ts", 1),
        ("seg-4294967297.ts", 0),
        ("seg-99999999999.ts", 1_215_752_190),
        ("seg-1-v1-a1-p9000.ts", 0),
        ("seg-1-leng.ts", 0),
        ("seg-1-sfoo.ts", 0),
        ("seg-1.vtt", 0),
        ("seg-7.m4s", 6),
    ] {
        assert_eq!(segment(name), Some(number), "{name}");
    }
    for name in [
        "index.m3u8",
        "index-.m3u8",
        "indexv1.m3u8",
        "index-v0-a0.m3u8",
        "index-v1-v1.m3u8",
        "index-v65.m3u8",
        "index-a1-a2.m3u8",
        "index-x3.m3u8",
        "index-f1-v1-f2-a1.m3u8",
        "master-leng-lfra.m3u8",
        "init-c2-v1-a1.mp4",
        "encryption-f1.key",
        "iframes-v1-x2.m3u8",
    ] {
        assert!(parse(name).is_some(), "{name}");
    }
}

#[test]
fn names_that_the_reference_refuses() {
    for name in [
        "seg-1-lund.ts",
        "seg-1-lzzz.ts",
        "seg-1-c1.ts",
        "index-v1-a1-extra.m3u8",
        "index-zz.m3u8",
        "foo.m3u8",
        "foo",
        "foo.ts",
        "seg-1.mp4",
        "seg-0.ts",
        "seg-.ts",
        "seg-abc.ts",
        "Master.m3u8",
        "seg-1-v1-a1.M4S",
        "",
        "index-f33.m3u8",
        "index-f0.m3u8",
        "master-lund.m3u8",
        "index-s1-s2-s3-s4-s5.m3u8",
        "seg-1-p0.ts",
        "seg-1-v1-p1-i1.ts",
        "a_h264_aac.mp4",
    ] {
        assert!(parse(name).is_none(), "{name}");
    }
}

#[test]
fn selectors_say_which_tracks_of_which_sequence() {
    let name = parse("seg-1-f1-v1-f2-a1-p3-lfra-x2.ts").unwrap();
    let place = |place, tracks| Selector {
        sequence: Some(SequenceName::Place(place)),
        tracks: TrackMask::parse(tracks),
    };
    assert_eq!(name.selectors, [place(0, "v1"), place(1, "a1")]);
    assert_eq!((name.pts_delay, name.version), (3, 2));
    assert_eq!(name.languages, [Language::new("fra")]);

    let ids = parse("index-slo-v1-shi.m3u8").unwrap().selectors;
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0].sequence, Some(SequenceName::Id("lo".to_owned())));
    assert_eq!((ids[0].tracks, ids[1].tracks), (TrackMask::parse("v1"), None));

    let mask = parse("index-v2-a0.m3u8").unwrap().selectors[0].tracks.unwrap();
    assert_eq!((mask.video, mask.audio), (2, u64::MAX));
    let none = parse("index-v65.m3u8").unwrap().selectors[0].tracks.unwrap();
    assert!(none.is_empty());
}

proptest::proptest! {
    #[test]
    fn no_name_panics(name in "(seg|index|init|master)?[-0-9vafsicplx]{0,20}(\\.ts|\\.m3u8|\\.mp4)?|.{0,20}") {
        let _ = parse(&name);
    }
}
