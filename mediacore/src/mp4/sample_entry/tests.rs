use proptest::prelude::*;

use super::*;
use crate::codec::fixtures::{ALL, H264, unhex};
use crate::codec::{Language, Media, Rotation};

#[test]
fn what_is_written_reads_back() {
    for fixture in ALL {
        let track = parse(&unhex(fixture.entry)).expect(fixture.codec);
        assert_eq!(track.codec.as_str(), fixture.codec);
        assert_eq!(parse(&write(&track)).ok(), Some(track), "{}", fixture.codec);
    }
}

#[test]
fn pictures_have_their_colours_and_pixel_shape() {
    let track = parse(&unhex(H264.entry)).expect("ffmpeg's own");
    let entry = write(&track);
    let fields = Fields::new(&entry[86..]);
    assert_eq!(
        fields.find(b"colr"),
        Some(&b"nclx\x00\x01\x00\x01\x00\x01\x00"[..])
    );
    assert_eq!(fields.find(b"pasp"), Some(&[0, 0, 0, 12, 0, 0, 0, 11][..]));
    // Apart from libav's `btrt` the entries are the same bytes.
    assert_eq!(entry[8..], unhex(H264.entry)[8..entry.len()]);
}

#[test]
fn he_aac_counts_in_its_output_rate() {
    // AOT 5, 24 kHz core, stereo, 48 kHz output, AOT 2.
    let track = Track {
        codec: Codec::Aac,
        setup: Bytes::from_static(&[0x2B, 0x11, 0x88, 0x00]),
        media: Media::Audio {
            sample_rate: 48_000,
            channels: 2,
            packet: 2048,
        },
        language: Language::UNDETERMINED,
        rotation: Rotation::None,
    };
    assert_eq!(parse(&write(&track)).ok(), Some(track.clone()));
    assert_eq!(track.rfc6381(), "mp4a.40.5");
}

#[test]
fn an_encrypted_entry_is_unsupported_and_says_so() {
    let mut entry = unhex(H264.entry).to_vec();
    entry[4..8].copy_from_slice(b"encv");
    let error = parse(&entry).expect_err("encrypted");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "sample entry encv is encrypted (sinf)");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        which in 0..ALL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        length in any::<prop::sample::Index>(),
    ) {
        let mut entry = unhex(ALL[which].entry).to_vec();
        for (at, value) in changes {
            let at = at.index(entry.len());
            entry[at] = value;
        }
        if let Ok(track) = parse(&entry) {
            prop_assert_eq!(parse(&write(&track)).ok().map(|back| back.setup), Some(track.setup.clone()));
            prop_assert!(!track.rfc6381().is_empty());
        }
        let end = length.index(entry.len());
        let _ = parse(&entry[..end]);
    }
}
