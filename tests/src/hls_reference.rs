//! What nginx-vod-module answered: the files of `fixtures/hls/reference`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::fixtures::{media, repository};

/// One request and what came back.
#[derive(Debug, Clone)]
pub struct Request {
    /// The location, which stands for one configuration.
    pub location: String,
    /// The method.
    pub method: String,
    /// The path below the location, query included.
    pub target: String,
    /// A header line to send.
    pub header: Option<String>,
    /// The status; 0 when the connection ended without one.
    pub status: u16,
    /// Headers that were looked at, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What came.
    pub what: What,
}

/// What came.
#[derive(Debug, Clone)]
pub enum What {
    /// Nothing that matters.
    Nothing,
    /// A text, with `@` for host and location and for the value of an IV.
    Text(Vec<u8>),
    /// Bytes.
    Body(Body),
}

/// Bytes that are known by their hashes.
#[derive(Debug, Clone)]
pub struct Body {
    /// SHA-256, in hex, or its first 16 digits.
    pub hash: String,
    /// How many there are.
    pub size: u64,
    /// SHA-256 before they were encrypted.
    pub clear: Option<String>,
    /// What ffprobe says.
    pub packets: Option<Packets>,
}

/// A list of packets as ffprobe prints them: `stream,pts,dts,size,K` or `_` for those that are no sync samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// How many.
    pub count: usize,
    /// SHA-256 of the lines.
    pub hash: String,
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
}

impl Packets {
    /// The summary of a list.
    pub fn of(lines: &[String]) -> Packets {
        Packets {
            count: lines.len(),
            hash: hash(lines.join("\n").as_bytes()),
            first: lines.first().cloned().unwrap_or_default(),
            last: lines.last().cloned().unwrap_or_default(),
        }
    }
}

/// SHA-256 in hex.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The folder of the reference's files.
pub fn folder() -> PathBuf {
    repository().join("fixtures/hls/reference")
}

/// The folder of the media that were packaged, when they are here byte for byte: another ffmpeg encodes them otherwise.
pub fn media_folder() -> Option<PathBuf> {
    let folder = media("hls");
    for line in read(&self::folder().join("media.tsv")).lines() {
        let (name, expected) = line.split_once('\t').expect("two columns");
        let bytes = std::fs::read(folder.join(name)).expect("the fixture script makes every file");
        if hash(&bytes) != expected {
            eprintln!("{name} is not the file that the reference packaged: another ffmpeg made it");
            return None;
        }
    }
    Some(folder)
}

/// All requests in their order.
pub fn requests() -> Vec<Request> {
    let folder = folder();
    let texts = texts(&std::fs::read(folder.join("texts.txt")).expect("a committed file"));
    let bodies = bodies(&read(&folder.join("bodies.tsv")));
    let rows = read(&folder.join("requests.tsv"));
    rows.lines().map(|line| request(line, &texts, &bodies)).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn some(text: &str) -> Option<String> {
    (text != "-").then(|| text.to_owned())
}

fn request(line: &str, texts: &HashMap<String, Vec<u8>>, bodies: &HashMap<String, Body>) -> Request {
    let columns: Vec<&str> = line.split('\t').collect();
    let [location, method, target, header, status, kind, range, other, what] = columns[..] else {
        panic!("nine columns: {line}");
    };
    let mut headers = Vec::new();
    headers.extend(some(kind).map(|kind| ("content-type".to_owned(), kind)));
    headers.extend(some(range).map(|range| ("content-range".to_owned(), range)));
    for line in some(other).iter().flat_map(|other| other.split("; ")) {
        let (name, value) = line.split_once(": ").expect("a header line");
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Request {
        location: location.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        header: some(header).map(|header| header.replacen('=', ": ", 1)),
        status: status.parse().expect("a status"),
        headers,
        what: match what.get(..1) {
            Some("t") => What::Text(texts[what].clone()),
            Some("b") => What::Body(bodies[what].clone()),
            _ => What::Nothing,
        },
    }
}

fn texts(mut file: &[u8]) -> HashMap<String, Vec<u8>> {
    let mut texts = HashMap::new();
    while let Some(end) = file.iter().position(|byte| *byte == b'\n') {
        let head = std::str::from_utf8(&file[..end]).expect("a heading");
        let mut words = head.split(' ').skip(1);
        let name = words.next().expect("a name").to_owned();
        let size: usize = words.next().and_then(|size| size.parse().ok()).expect("a size");
        let text = &file[end + 1..end + 1 + size];
        texts.insert(name, text.to_vec());
        file = &file[end + 1 + size + 1..];
    }
    texts
}

fn bodies(file: &str) -> HashMap<String, Body> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, hash, size, clear, count, listed, first, last] = columns[..] else {
            panic!("eight columns: {line}");
        };
        let packets = some(listed).map(|hash| Packets {
            count: count.parse().expect("a count"),
            hash,
            first: first.to_owned(),
            last: last.to_owned(),
        });
        let body = Body {
            hash: hash.to_owned(),
            size: size.parse().expect("a size"),
            clear: some(clear),
            packets,
        };
        (name.to_owned(), body)
    };
    file.lines().map(row).collect()
}
