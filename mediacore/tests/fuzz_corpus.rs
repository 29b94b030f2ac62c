//! Replays the corpora of the fuzz targets, and mutations of them, with a stable compiler.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../fuzz/cases.rs"]
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

#[test]
fn mp4_index() {
    for (path, seed) in corpus("mp4_index") {
        println!("{}", path.display());
        cases::mp4_index(&seed);
    }
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
