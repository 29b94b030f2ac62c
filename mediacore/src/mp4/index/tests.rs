//! Files made by hand: hostile tables, and the forms that ffmpeg does not write.

use super::*;
use crate::error::ErrorKind;

fn make(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let len = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = u32::try_from(len).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A track of video whose tables can be replaced one by one.
#[derive(Clone)]
struct Tables {
    stts: Vec<u32>,
    stsc: Vec<u32>,
    stsz: Vec<u32>,
    stco: Vec<u32>,
    extra: Vec<u8>,
    handler: [u8; 4],
}

impl Tables {
    /// Four samples of 10, 20, 30 and 40 bytes in two chunks at 1000 and 2000.
    fn new() -> Self {
        Self {
            stts: vec![0, 1, 4, 100],
            stsc: vec![0, 1, 1, 2, 1],
            stsz: vec![0, 0, 4, 10, 20, 30, 40],
            stco: vec![0, 2, 1000, 2000],
            extra: Vec::new(),
            handler: *b"vide",
        }
    }

    fn trak(&self) -> Vec<u8> {
        let stbl = make(
            b"stbl",
            &[
                &make(b"stsd", &[&words(&[0, 0])]),
                &make(b"stts", &[&words(&self.stts)]),
                &make(b"stsc", &[&words(&self.stsc)]),
                &make(b"stsz", &[&words(&self.stsz)]),
                &make(b"stco", &[&words(&self.stco)]),
                &self.extra,
            ],
        );
        let mut tkhd = vec![0; 21];
        tkhd[3] = 1;
        let hdlr = make(b"hdlr", &[&[0; 8], &self.handler, &[0; 13]]);
        let mdhd = make(b"mdhd", &[&words(&[0, 0, 0, 1000, 400, 0x55c4_0000])]);
        let mdia = make(b"mdia", &[&mdhd, &hdlr, &make(b"minf", &[&stbl])]);
        make(b"trak", &[&make(b"tkhd", &[&words(&tkhd)]), &mdia])
    }

    fn open(&self) -> Result<SampleIndex> {
        open(&file(&[self.trak()]))
    }

    fn error(&self) -> String {
        let error = self.open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        error.to_string()
    }
}

fn file(traks: &[Vec<u8>]) -> Vec<u8> {
    let mvhd = make(b"mvhd", &[&words(&[0, 0, 0, 1000, 400])]);
    let traks: Vec<u8> = traks.concat();
    let mut out = make(b"ftyp", &[b"isom"]);
    out.extend(make(b"moov", &[&mvhd, &traks]));
    let room = 3000_usize.saturating_sub(out.len() + 8);
    out.extend(make(b"mdat", &[&vec![0; room]]));
    out
}

fn open(bytes: &[u8]) -> Result<SampleIndex> {
    SampleIndex::open(bytes, bytes.len() as u64)
}

#[test]
fn the_plain_case_by_hand() {
    let index = Tables::new().open().unwrap();
    let track = index.track(1).unwrap();
    let places: Vec<_> = track
        .samples(0..9)
        .map(|sample| (sample.offset, sample.size))
        .collect();
    assert_eq!(places, [(1000, 10), (1010, 20), (2000, 30), (2030, 40)]);
    assert_eq!((track.duration(), index.media_bytes()), (Ticks(400), 100));
    assert_eq!(
        (track.media_range(), track.language().as_str()),
        (1000..2070, "und")
    );
    assert_eq!(index.notes(), []);
}

#[test]
fn counts_of_all_ones_are_refused_before_anything_is_sized_by_them() {
    let plain = Tables::new();
    let text = Tables {
        stts: vec![0, u32::MAX, 4, 100],
        ..plain.clone()
    }
    .error();
    assert!(
        text.starts_with("moov/trak[0]/mdia/minf/stbl/stts at byte "),
        "{text}"
    );
    assert!(
        text.ends_with("4294967295 entries need 34359738360 bytes, 8 are left"),
        "{text}"
    );
    let stsz = vec![0, 0, u32::MAX, 10];
    assert!(
        Tables {
            stsz,
            ..plain.clone()
        }
        .error()
        .contains("stsz at byte")
    );
    let stsc = vec![0, u32::MAX, 1, 2, 1];
    assert!(
        Tables {
            stsc,
            ..plain.clone()
        }
        .error()
        .contains("stsc at byte")
    );
    let stco = vec![0, u32::MAX, 1000];
    assert!(
        Tables {
            stco,
            ..plain.clone()
        }
        .error()
        .contains("stco at byte")
    );
    let extra = make(b"stss", &[&words(&[0, u32::MAX])]);
    assert!(
        Tables {
            extra,
            ..plain.clone()
        }
        .error()
        .contains("stss at byte")
    );
    let extra = make(b"ctts", &[&words(&[0, 1, 4])]);
    assert!(Tables { extra, ..plain }.error().contains("ctts at byte"));
}

#[test]
fn samples_of_one_size_claim_no_memory() {
    let index = Tables {
        stsz: vec![0, 1, u32::MAX],
        stsc: vec![0, 1, 1, u32::MAX, 1],
        stts: vec![0, 1, u32::MAX, u32::MAX],
        ..Tables::new()
    };
    let index = index.open().unwrap();
    // What lies in the file, and nothing of what does not.
    assert_eq!(index.tracks()[0].sample_count(), 2000);
    assert_eq!(index.tracks()[0].sample(1999).unwrap().end(), 3000);
    assert!(index.heap_size() < 1000, "{}", index.heap_size());
    assert!(
        matches!(
            index.notes(),
            [
                ..,
                Note::Truncated {
                    track: 1,
                    first: 2000
                }
            ]
        ),
        "{:?}",
        index.notes()
    );
}

#[test]
fn chunks_must_come_in_order() {
    for stsc in [
        vec![0, 2, 1, 1, 1, 1, 1, 1],
        vec![0, 1, 2, 1, 1],
        vec![0, 1, 0, 1, 1],
    ] {
        let text = Tables {
            stsc,
            ..Tables::new()
        }
        .error();
        assert!(
            text.contains("stsc at byte") && text.contains("starts at chunk"),
            "{text}"
        );
    }
}

#[test]
fn samples_beyond_the_end_are_left_out_with_a_note() {
    let stco = vec![0, 2, 1000, 2960];
    let index = Tables {
        stco,
        ..Tables::new()
    };
    let index = index.open().unwrap();
    assert_eq!(index.tracks()[0].sample_count(), 3);
    assert_eq!(index.notes(), [Note::Truncated { track: 1, first: 3 }]);
    let stco = vec![0, 2, 3000, u32::MAX];
    let text = Tables {
        stco,
        ..Tables::new()
    }
    .error();
    assert!(
        text.ends_with("none of the 4 samples lies within the file's 3000 bytes"),
        "{text}"
    );
}

#[test]
fn chunks_may_overlap_and_run_backwards() {
    let stco = vec![0, 2, 2000, 1999];
    let index = Tables {
        stco,
        ..Tables::new()
    };
    let index = index.open().unwrap();
    assert_eq!(index.tracks()[0].media_range(), 1999..2069);
    assert_eq!(index.tracks()[0].sample(2).unwrap().offset, 1999);
}

#[test]
fn tables_that_disagree_are_noted_and_stsz_decides() {
    let index = Tables {
        stts: vec![0, 1, 2, 100],
        stsc: vec![0, 1, 1, 3, 1],
        ..Tables::new()
    };
    let index = index.open().unwrap();
    let track = &index.tracks()[0];
    assert_eq!((track.sample_count(), track.duration()), (4, Ticks(400)));
    let stts = Note::Disagreement {
        track: 1,
        table: "stts",
        described: 2,
        samples: 4,
    };
    assert_eq!(index.notes(), [stts]);
}

#[test]
fn a_missing_table_and_a_zero_timescale_say_where() {
    let whole = file(&[Tables::new().trak()]);
    let at = whole.windows(4).position(|kind| kind == b"stco").unwrap();
    let mut bytes = whole.clone();
    bytes[at..at + 4].copy_from_slice(b"free");
    let error = open(&bytes).unwrap_err().to_string();
    assert!(error.ends_with("box 'stco' is missing"), "{error}");
    let at = whole.windows(4).position(|kind| kind == b"mdhd").unwrap();
    let mut bytes = whole;
    bytes[at + 16..at + 20].fill(0);
    let error = open(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "moov/trak[0]/mdia/mdhd at byte {}: the timescale is zero",
            at + 16
        )
    );
}

#[test]
fn a_bad_track_that_is_no_media_is_left_out() {
    let bad = Tables {
        handler: *b"text",
        stts: vec![0, 9],
        ..Tables::new()
    };
    let index = open(&file(&[bad.trak(), Tables::new().trak()])).unwrap();
    assert_eq!(index.tracks().len(), 1);
    assert!(matches!(index.notes(), [Note::SkippedTrack { number: 0, .. }]));
}

#[test]
fn more_than_64_tracks_and_a_moov_beyond_its_limit_are_refused() {
    let traks = vec![Tables::new().trak(); 200];
    let error = open(&file(&traks)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);

    /// Zeros as far as anybody asks, behind a `moov` header.
    struct Sparse;
    impl ReadAt for Sparse {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
            buf.fill(0);
            if offset == 0 {
                b"\0\0\0\x01moov\0\0\0\x01\0\0\0\0".as_slice().read_at(buf, 0)?;
            }
            Ok(buf.len())
        }
    }
    let error = SampleIndex::open(&Sparse, 1 << 40).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let error = SampleIndex::open(&Sparse, 1 << 20).unwrap_err();
    assert_eq!(
        error.to_string(),
        "moov at byte 0: box 'moov' says that it has 4294967296 bytes, 1048576 are left"
    );
}

#[test]
fn what_is_no_mp4_says_so() {
    for bytes in [
        &b""[..],
        b"hello, this is a text file",
        b"\0\0\0\x07free",
        b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0",
    ] {
        let error = open(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().starts_with("no moov in the file's "), "{error}");
    }
}

/// An empty track in a fragmented file, and then `moofs` with room for media behind them.
fn fragmented(moofs: &[Vec<u8>]) -> Vec<u8> {
    let empty = Tables {
        stts: vec![0, 0],
        stsc: vec![0, 0],
        stsz: vec![0, 0, 0],
        stco: vec![0, 0],
        ..Tables::new()
    };
    let trex = make(b"trex", &[&words(&[0, 1, 1, 50, 5, 0])]);
    let mvhd = make(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
    let mut out = make(b"moov", &[&mvhd, &empty.trak(), &make(b"mvex", &[&trex])]);
    moofs.iter().for_each(|moof| out.extend_from_slice(moof));
    out.extend(make(b"mdat", &[&[0; 1000]]));
    out
}

fn moof(tfhd: &[u32], tfdt: u32, truns: &[&[u32]]) -> Vec<u8> {
    let mut traf = make(b"tfhd", &[&words(tfhd)]);
    traf.extend(make(b"tfdt", &[&words(&[0, tfdt])]));
    truns
        .iter()
        .for_each(|trun| traf.extend(make(b"trun", &[&words(trun)])));
    make(b"moof", &[&make(b"traf", &[&traf])])
}

#[test]
fn fragments_inherit_from_trex_and_leave_gaps_as_long_samples() {
    let bytes = fragmented(&[
        // Defaults only; the second run follows the first one's data.
        moof(&[0x02_0000, 1], 1000, &[&[1, 2, 200], &[0, 1]]),
        // A gap of 30 ticks; all fields of the entry given, the first sample's flags apart.
        moof(
            &[0x02_0000, 1],
            1180,
            &[&[0x0100_0b05, 2, 300, 0x1_0000, 60, 7, u32::MAX, 60, 8, 2]],
        ),
        // A step back that no duration can express.
        moof(&[0x02_0000, 1], 100, &[&[1, 1, 100]]),
    ]);
    let index = open(&bytes).unwrap();
    let track = &index.tracks()[0];
    let first = bytes.windows(4).position(|kind| kind == b"moof").unwrap() as u64 - 4;
    let got: Vec<_> = track
        .samples(0..9)
        .map(|s| {
            (
                s.offset - first,
                s.size,
                s.dts.0,
                s.composition,
                s.duration.0,
                s.sync,
            )
        })
        .take(5)
        .collect();
    let second = moof(&[0x02_0000, 1], 1000, &[&[1, 2, 200], &[0, 1]]).len() as u64;
    assert_eq!(
        got,
        [
            (200, 5, 1000, 0, 50, true),
            (205, 5, 1050, 0, 50, true),
            (210, 5, 1100, 0, 80, true),
            (second + 300, 7, 1180, -1, 60, false),
            (second + 307, 8, 1240, 2, 60, true),
        ]
    );
    assert_eq!(
        (track.sample_count(), track.start(), track.end()),
        (6, Ticks(1000), Ticks(1350))
    );
    let back = Note::BadStart {
        track: 1,
        declared: Ticks(100),
        taken: Ticks(1300),
    };
    assert_eq!(index.notes(), [back]);
}

#[test]
fn fragments_that_claim_samples_without_bytes_are_refused() {
    // No field for each sample, default size 0: billions of samples from 20 bytes.
    let bytes = fragmented(&[moof(&[0x02_0010, 1, 0], 0, &[&[0, u32::MAX]])]);
    assert_eq!(open(&bytes).unwrap_err().kind(), ErrorKind::LimitExceeded);
    let bytes = fragmented(&[moof(&[0x02_0000, 1], 0, &[&[0x200, u32::MAX, 5]])]);
    let error = open(&bytes).unwrap_err();
    assert!(
        error.to_string().starts_with("moof/traf[0]/trun[0] at byte"),
        "{error}"
    );
}

#[test]
fn a_bad_fragment_after_good_ones_costs_only_itself() {
    let good = moof(&[0x02_0000, 1], 0, &[&[1, 2, 200]]);
    let bad = moof(&[0x02_0000, 1], 100, &[&[0x200, 9, 5]]);
    let index = open(&fragmented(&[good, bad])).unwrap();
    assert_eq!(index.tracks()[0].sample_count(), 2);
    assert!(
        matches!(index.notes(), [Note::BadFragment { .. }]),
        "{:?}",
        index.notes()
    );
}
