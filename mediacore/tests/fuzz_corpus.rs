//! Replays the corpora of the fuzz targets, and mutations of them, with a stable compiler.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mediacore::clock::WallTime;
use mediacore::codec::{Kind, Language, Rotation};
use mediacore::mp4::moov::MovieTrack;
use mediacore::mp4::{Run, SampleRow};
use mediacore::record::journal::{FragmentRecord, GapRecord, MAGIC, Record};
use mediacore::time::Timescale;
use proptest::prelude::*;

#[path = "../fuzz/cases.rs"]
#[expect(
    dead_code,
    reason = "a target that takes one way of many; here each input goes all of them"
)]
mod cases;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/corpus")
        .join(target);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "the corpus of {target} is there");
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn replay(target: &str, case: fn(&[u8])) {
    for (path, seed) in corpus(target) {
        println!("{}", path.display());
        case(&seed);
    }
}

#[test]
fn mp4_index() {
    replay("mp4_index", cases::mp4_index);
}

#[test]
fn journal() {
    replay("journal", cases::journal);
}

#[test]
fn timeline() {
    replay("timeline", cases::timeline);
}

#[test]
fn codec() {
    replay("codec", cases::codec);
}

#[test]
fn hls_name() {
    replay("hls_name", cases::hls_name);
}

#[test]
fn hls_mapping() {
    replay("hls_mapping", cases::hls_mapping);
}

#[test]
fn hls_package() {
    replay("hls_package", cases::hls_package);
}

#[test]
fn hls_plan() {
    replay("hls_plan", cases::hls_plan);
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Word(usize, u32),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Cut(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0_usize..20_000;
    let words = prop::sample::select(vec![0, 1, 2, 7, 8, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
    prop_oneof![
        4 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (at.clone(), words).prop_map(|(at, word)| Change::Word(at, word)),
        1 => (at.clone(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, new)| Change::Insert(at, new)),
        1 => (at.clone(), 1_usize..64).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => at.prop_map(Change::Cut),
    ]
}

fn apply(seed: &mut Vec<u8>, change: Change) {
    if seed.is_empty() {
        return;
    }
    let len = seed.len();
    match change {
        Change::Set(at, byte) => seed[at % len] = byte,
        Change::Word(at, word) => {
            // Numbers in boxes stand at multiples of four.
            let at = at % len / 4 * 4;
            seed.splice(at..(at + 4).min(len), word.to_be_bytes());
        }
        Change::Insert(at, new) => drop(seed.splice(at % len..at % len, new)),
        Change::Remove(at, count) => drop(seed.drain(at % len..(at % len + count).min(len))),
        Change::Cut(at) => seed.truncate(at % len),
    }
}

/// Puts the `moov` and `moof` boxes first, so that changes hit tables and seldom media.
fn without_media(seed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = seed;
    while let Some(size) = rest.first_chunk::<4>() {
        let size = (u32::from_be_bytes(*size) as usize)
            .clamp(8, rest.len().max(8))
            .min(rest.len());
        if rest.get(4..8) != Some(b"mdat") {
            out.extend_from_slice(&rest[..size]);
        }
        rest = &rest[size..];
    }
    // Room for what the offsets point at.
    let media = u32::try_from(seed.len() + 8).unwrap();
    out.extend_from_slice(&media.to_be_bytes());
    out.extend_from_slice(b"mdat");
    out.resize(out.len() + seed.len(), 0);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn mutated_mp4_files_are_packaged_or_refused(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        mutated("hls_package", cases::hls_package, seed, changes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_mp4_files_are_read_or_refused(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        thread_local! {
            static SEEDS: Vec<Vec<u8>> =
                corpus("mp4_index").iter().map(|(_, seed)| without_media(seed)).collect();
        }
        let mut bytes = SEEDS.with(|seeds| seed.get(seeds).clone());
        let tables = bytes.len() / 2;
        for change in changes {
            apply(&mut bytes, change.within(tables));
        }
        cases::mp4_index(&bytes);
    }

    #[test]
    fn mutated_journals_are_read_up_to_the_damage(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        mutated("journal", cases::journal, seed, changes);
    }

    #[test]
    fn mutated_mappings_and_paths_are_read_or_refused(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        mutated("hls_mapping", |bytes| { cases::hls_mapping(bytes); cases::hls_name(bytes) }, seed, changes);
    }

    #[test]
    fn any_bytes_are_a_timeline_that_is_covered(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        cases::hls_plan(&bytes);
    }

    #[test]
    fn mutated_packets_become_samples_or_errors(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        mutated("codec", cases::codec, seed, changes);
    }
}

fn mutated(target: &str, case: fn(&[u8]), seed: prop::sample::Index, changes: Vec<Change>) {
    thread_local! {
        static SEEDS: OnceCell<Vec<(PathBuf, Vec<u8>)>> = const { OnceCell::new() };
    }
    // Each test has a thread of its own, so this is its own corpus.
    let mut bytes = SEEDS.with(|seeds| seed.get(seeds.get_or_init(|| corpus(target))).1.clone());
    for change in changes {
        apply(&mut bytes, change);
    }
    case(&bytes);
}

impl Change {
    /// The same change in the first `len` bytes.
    fn within(self, len: usize) -> Self {
        let len = len.max(1);
        match self {
            Self::Set(at, byte) => Self::Set(at % len, byte),
            Self::Word(at, word) => Self::Word(at % len, word),
            Self::Insert(at, new) => Self::Insert(at % len, new),
            Self::Remove(at, count) => Self::Remove(at % len, count),
            Self::Cut(at) => Self::Cut(at),
        }
    }
}

/// Writes the journals of the corpus: `cargo test -p mediacore --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes into fixtures/"]
fn make_the_journal_corpus() {
    let begin = Record::Begin {
        header_end: 65_536,
        part: 1,
        wall: WallTime(1_790_000_000_000_000),
    };
    let track = |id, kind, entry: &[u8]| Record::Track {
        track: MovieTrack {
            id,
            kind,
            timescale: Timescale::MPEG,
            entry: entry.to_vec(),
            display: (640, 360),
            language: Language::new("deu"),
            rotation: Rotation::Clockwise90,
        },
        start: 6000,
    };
    let row = |size, composition, sync| SampleRow {
        size,
        duration: 3000,
        composition,
        sync,
    };
    let fragment = |offset, rows: Vec<SampleRow>| {
        let runs = vec![
            Run {
                track: 1,
                dts: 9000,
                rows,
            },
            Run {
                track: 2,
                dts: 4800,
                rows: vec![row(300, 0, true); 8],
            },
        ];
        let head = 200;
        Record::Fragment(FragmentRecord {
            offset,
            len: u64::from(head) + runs.iter().map(Run::size).sum::<u64>(),
            head,
            crc: 0xdead_beef,
            wall: WallTime(-5),
            runs,
        })
    };
    let gap = |track| {
        Record::Gap(GapRecord {
            at: Duration::from_millis(12_345),
            length: Duration::from_secs(20),
            cause: "connection reset".to_owned(),
            track,
        })
    };
    let insert = Record::Insert {
        at: 65_536,
        len: 4096,
        size_before: 1 << 33,
    };
    let rows = vec![row(70_000, 6000, true), row(900, -3000, false), row(0, 0, false)];
    let journals = [
        ("empty", vec![]),
        (
            "begun",
            vec![begin.clone(), track(1, Kind::Video, b"\0\0\0\x08avc1")],
        ),
        (
            "whole",
            vec![
                begin,
                track(1, Kind::Video, b"\0\0\0\x08hvc1"),
                track(2, Kind::Audio, b"\0\0\0\x08mp4a"),
                fragment(70_000, rows.clone()),
                gap(None),
                fragment(150_000, rows),
                gap(Some(2)),
                insert,
            ],
        ),
    ];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/corpus/journal");
    std::fs::create_dir_all(&directory).unwrap();
    for (name, records) in journals {
        let mut bytes = MAGIC.to_vec();
        for record in records {
            let encoded = record.encode(bytes.len() as u64);
            bytes.extend_from_slice(&encoded);
        }
        std::fs::write(directory.join(name), bytes).unwrap();
    }
}
