//! Damaged files and hostile requests: each gets the answer of the table, and the server goes on.

use std::fs;
use std::path::{Path, PathBuf};

use mediastack_tests::faults::Fault;
use mediastack_tests::fixtures::{corrupt, media};
use mediastack_tests::http::Client;
use mediastack_tests::vod::Vod;

/// What is asked for of every file.
const NAMES: [&str; 8] = [
    "master.m3u8",
    "index.m3u8",
    "iframes.m3u8",
    "init-v1-a1.mp4",
    "seg-1.ts",
    "seg-1-v1-a1.m4s",
    "seg-1-v1.m4s",
    "seg-100000.ts",
];

/// The most memory that the server may have taken for all of this, in kB.
const MEMORY: u64 = 200_000;

fn peak_memory(vod: &Vod) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", vod.id())).expect("a running server");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the peak of its memory")
}

/// Where the payload of the first box called `name` starts, found by its letters.
fn inside(file: &[u8], name: &[u8; 4]) -> usize {
    let at = file.windows(4).position(|four| four == name);
    at.unwrap_or_else(|| panic!("no {}", name.escape_ascii())) + 4
}

fn put(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// One damage, and the status of a media playlist and of the first segment then.
type Damage = (&'static str, fn(&mut Vec<u8>), u16, u16);

/// A `moov` of nothing but tracks without anything.
fn a_million_tracks(file: &mut Vec<u8>) {
    let mvhd = inside(file, b"mvhd") - 8;
    let mvhd = file[mvhd..mvhd + 108].to_vec();
    let moov = u32::try_from(8 + mvhd.len() + 8_000_000).expect("small");
    file.truncate(file.windows(4).position(|four| four == b"moov").expect("a moov") - 4);
    file.extend(moov.to_be_bytes());
    file.extend(b"moov");
    file.extend(mvhd);
    file.extend(b"\0\0\0\x08trak".repeat(1_000_000));
}

const DAMAGES: [Damage; 20] = [
    ("a million tracks", a_million_tracks, 400, 400),
    (
        "stts of 2^32 entries",
        |f| {
            let at = inside(f, b"stts");
            put(f, at + 4, u32::MAX)
        },
        404,
        404,
    ),
    (
        "ctts of 2^32 entries",
        |f| {
            let at = inside(f, b"ctts");
            put(f, at + 4, u32::MAX)
        },
        404,
        404,
    ),
    (
        "stsc of 2^32 entries",
        |f| {
            let at = inside(f, b"stsc");
            put(f, at + 4, u32::MAX)
        },
        404,
        404,
    ),
    (
        "stsz of 2^32 entries",
        |f| {
            let at = inside(f, b"stsz");
            put(f, at + 8, u32::MAX)
        },
        404,
        404,
    ),
    (
        "stco of 2^32 entries",
        |f| {
            let at = inside(f, b"stco");
            put(f, at + 4, u32::MAX)
        },
        404,
        404,
    ),
    (
        "stss of 2^32 entries",
        |f| {
            let at = inside(f, b"stss");
            put(f, at + 4, u32::MAX)
        },
        404,
        404,
    ),
    (
        "stsd of 2^32 entries",
        |f| {
            let at = inside(f, b"stsd");
            put(f, at + 4, u32::MAX)
        },
        200,
        200,
    ),
    (
        "a timescale of zero",
        |f| {
            let at = inside(f, b"mdhd");
            put(f, at + 12, 0)
        },
        404,
        404,
    ),
    (
        "a movie timescale of zero",
        |f| {
            let at = inside(f, b"mvhd");
            put(f, at + 12, 0)
        },
        404,
        404,
    ),
    (
        "a duration of 2^32 - 2",
        |f| {
            let at = inside(f, b"mdhd");
            put(f, at + 16, u32::MAX - 1)
        },
        200,
        200,
    ),
    (
        "a moov that ends in the middle",
        |f| {
            let at = inside(f, b"stsz");
            f.truncate(at)
        },
        404,
        404,
    ),
    (
        "a moov of size 2^31",
        |f| {
            let at = inside(f, b"moov");
            put(f, at - 8, 1 << 31)
        },
        404,
        404,
    ),
    (
        "a trak that reaches beyond the moov",
        |f| {
            let at = inside(f, b"trak");
            put(f, at - 8, 1 << 30)
        },
        404,
        404,
    ),
    (
        "an stbl of its own header's size",
        |f| {
            let at = inside(f, b"stbl");
            put(f, at - 8, 8)
        },
        200,
        404,
    ),
    (
        "a box of size 1 to 7",
        |f| {
            let at = inside(f, b"stbl");
            put(f, at - 8, 4)
        },
        404,
        404,
    ),
    (
        "an avcC of nothing",
        |f| {
            let at = inside(f, b"avcC");
            f[at..at + 20].fill(0)
        },
        404,
        404,
    ),
    (
        "chunks far beyond the file",
        |f| {
            let at = inside(f, b"stco");
            for chunk in 0..20 {
                put(f, at + 8 + chunk * 4, 0xFFFF_FF00)
            }
        },
        200,
        404,
    ),
    (
        "samples of 4 GB",
        |f| {
            let at = inside(f, b"stsz");
            for sample in 0..20 {
                put(f, at + 12 + sample * 4, u32::MAX)
            }
        },
        200,
        404,
    ),
    (
        "media cut after a kilobyte",
        |f| {
            let at = inside(f, b"mdat");
            f.truncate(at + 1000)
        },
        200,
        404,
    ),
];

#[test]
fn damaged_files_get_the_answer_of_the_table() {
    let mut fault = Fault::new(38, super::viewers_many::CROWD.0, super::viewers_many::CROWD.1);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let whole = fs::read(media("av_h264_aac_faststart.mp4")).expect("a fixture");
    for (number, (_, damage, ..)) in DAMAGES.iter().enumerate() {
        let mut file = whole.clone();
        damage(&mut file);
        fs::write(folder.path().join(format!("{number}.mp4")), file).expect("a file");
    }
    let vod = Vod::start(folder.path(), &["--preset", "nginx-vod"]);
    let mut client = Client::new(vod.port(), "h");
    let mut wrong = Vec::new();
    for (number, (what, _, index, segment)) in DAMAGES.iter().enumerate() {
        for (name, expected) in [("index.m3u8", index), ("seg-1-v1.ts", segment)] {
            let answer = client.get(&format!("/{number}.mp4/{name}"));
            if answer.status != *expected {
                wrong.push(format!(
                    "{what}, {name}: {} instead of {expected}: {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
        for name in NAMES {
            let answer = client.get(&format!("/{number}.mp4/{name}"));
            let known = [0, 200, 400, 403, 404].contains(&answer.status);
            assert!(
                known && (answer.complete || answer.status != 404),
                "{what}, {name}: {}",
                answer.status
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(peak_memory(&vod) < MEMORY, "{} kB", peak_memory(&vod));
    fault.seen("20 damages: the answer of the table for each");
}

#[test]
fn no_hostile_file_is_a_server_error() {
    let mut fault = Fault::new(38, super::viewers_many::CROWD.0, super::viewers_many::CROWD.1);
    let files: Vec<PathBuf> = corrupt();
    let root = files[0].parent().expect("a folder").to_path_buf();
    for preset in ["nginx-vod", "mediastack"] {
        let vod = Vod::start(&root, &["--preset", preset]);
        let mut client = Client::new(vod.port(), "h");
        for file in &files {
            let file = file.file_name().expect("a name").to_string_lossy().into_owned();
            for name in NAMES {
                let answer = client.get(&format!("/{file}/{name}"));
                assert!(
                    [0, 200, 400, 403, 404].contains(&answer.status),
                    "{file}/{name}: {}",
                    answer.status
                );
                assert!(
                    answer.status != 0 || name.starts_with("seg"),
                    "{file}/{name}: no answer"
                );
            }
        }
        assert!(peak_memory(&vod) < MEMORY, "{} kB", peak_memory(&vod));
        assert_eq!(client.get("/none.mp4/index.m3u8").status, 404, "it still answers");
    }
    fault.seen("damaged and fuzzed files: 400, 403 or 404, memory bounded");
}

#[test]
fn no_path_leaves_the_root() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("directory")).expect("a folder");
    let source = media("av_h264_aac_faststart.mp4");
    fs::copy(&source, folder.path().join("secret.mp4")).expect("a copy");
    fs::copy(&source, root.join("a.mp4")).expect("a copy");
    link("../secret.mp4", &root.join("out.mp4"));
    link(folder.path().to_str().expect("UTF-8"), &root.join("up"));
    link("a.mp4", &root.join("in.mp4"));
    let vod = Vod::start(&root, &["--preset", "nginx-vod"]);
    let mut client = Client::new(vod.port(), "h");
    assert_eq!(client.get("/a.mp4/index.m3u8").status, 200);
    assert_eq!(client.get("/in.mp4/index.m3u8").status, 200);
    let long = "x".repeat(5000);
    for (path, expected) in [
        ("/../secret.mp4", vec![400, 404]),
        ("/%2e%2e/secret.mp4", vec![400, 404]),
        ("/..%2fsecret.mp4", vec![400, 404]),
        ("/directory/../../secret.mp4", vec![400, 404]),
        ("/out.mp4", vec![404]),
        ("/up/secret.mp4", vec![404]),
        ("/a.mp4%00", vec![400]),
        ("/%zz.mp4", vec![400]),
        ("/directory", vec![403]),
        ("//etc/passwd", vec![404]),
        (&format!("/{long}.mp4"), vec![400, 404]),
        (&format!("/{}a.mp4", "b/".repeat(2000)), vec![400, 404]),
    ] {
        let answer = client.get(&format!("{path}/index.m3u8"));
        assert!(expected.contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:"), "{path}");
    }
}

fn link(target: &str, path: &Path) {
    std::os::unix::fs::symlink(target, path).expect("a symlink");
}
