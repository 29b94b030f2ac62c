//! ffprobe as the judge of files, and a look at their boxes with our own eyes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::output_of;

/// What ffprobe says about a file.
#[derive(Debug)]
pub struct Verdict {
    /// The tracks in their order.
    pub tracks: Vec<Track>,
    /// The duration that the container declares, in seconds.
    pub duration: f64,
    /// Lines on standard error at level `warning`; a good file has none.
    pub warnings: Vec<String>,
}

/// One track of a file.
#[derive(Debug)]
pub struct Track {
    /// `video` or `audio`.
    pub kind: String,
    /// ffprobe's codec name, `h264`.
    pub codec: String,
    /// The sample entry's FourCC, `avc1`.
    pub tag: String,
    /// All of ffprobe's stream fields.
    pub fields: Value,
    /// The packets in file order.
    pub packets: Vec<Packet>,
}

/// One packet. Times are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// Presentation time.
    pub pts: f64,
    /// Decoding time.
    pub dts: f64,
    /// How long it lasts; 0 where the container doesn't say.
    pub duration: f64,
    /// Whether decoding can start here.
    pub key: bool,
    /// Whether it is decoded and not shown: an encoder's priming, or what lies before the first edit.
    pub hidden: bool,
    /// MD5 of the bytes, in hex.
    pub hash: String,
}

/// Probes a file with every packet.
///
/// # Panics
/// When ffprobe can't open it.
pub fn probe(path: &Path) -> Verdict {
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "warning",
        "-of",
        "json",
        "-show_streams",
        "-show_format",
        "-show_packets",
    ]);
    command.args(["-show_data_hash", "md5"]).arg(path);
    let (out, err) = output_of(&mut command);
    let json: Value = serde_json::from_str(&out).expect("ffprobe writes JSON");
    let mut tracks: Vec<Track> = list(&json, "streams").iter().map(track).collect();
    for row in list(&json, "packets") {
        let index = row["stream_index"].as_u64().expect("a packet has a stream") as usize;
        tracks[index].packets.push(packet(row));
    }
    let warnings = err
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(str::to_owned)
        .collect();
    Verdict {
        tracks,
        duration: seconds(&json["format"]["duration"]).unwrap_or(0.0),
        warnings,
    }
}

impl Verdict {
    /// The first track of a kind.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn first(&self, kind: &str) -> &Track {
        self.tracks
            .iter()
            .find(|t| t.kind == kind)
            .unwrap_or_else(|| panic!("no {kind} track: {self:#?}"))
    }

    /// Asserts that ffprobe had nothing to complain about and that the times are in order.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.warnings.is_empty(), "ffprobe warns: {:#?}", self.warnings);
        for track in &self.tracks {
            for pair in track.packets.windows(2) {
                assert!(
                    pair[0].dts < pair[1].dts,
                    "{} DTS do not increase: {pair:?}",
                    track.kind
                );
            }
            for packet in &track.packets {
                assert!(
                    packet.pts + 1e-6 >= packet.dts,
                    "{} PTS before DTS: {packet:?}",
                    track.kind
                );
            }
        }
    }

    /// Asserts that the declared duration is that of the samples, within one frame.
    #[track_caller]
    pub fn assert_duration(&self) {
        let end = self.tracks.iter().map(Track::end).fold(0.0, f64::max);
        let off = (self.duration - end).abs();
        assert!(
            off <= self.frame(),
            "declared {} s, samples end at {end} s",
            self.duration
        );
    }

    /// Asserts that all tracks start within one frame.
    #[track_caller]
    pub fn assert_starts_together(&self) {
        for track in &self.tracks {
            let late = track.start() - self.start();
            assert!(
                late <= self.frame(),
                "{} starts {late} s after the first track",
                track.kind
            );
        }
    }

    /// The longest frame of any track, and a little for rounding.
    fn frame(&self) -> f64 {
        self.tracks.iter().map(Track::frame).fold(0.0, f64::max) + 0.002
    }

    /// When the first track starts.
    pub fn start(&self) -> f64 {
        self.tracks.iter().map(Track::start).fold(f64::INFINITY, f64::min)
    }
}

impl Track {
    /// The usual distance of two packets (the median).
    pub fn frame(&self) -> f64 {
        let mut steps: Vec<f64> = self.packets.windows(2).map(|p| p[1].dts - p[0].dts).collect();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied().unwrap_or(0.0)
    }

    /// The earliest presentation time.
    pub fn start(&self) -> f64 {
        self.packets
            .iter()
            .filter(|p| !p.hidden)
            .map(|p| p.pts)
            .fold(f64::INFINITY, f64::min)
    }

    /// The end of the last packet shown.
    pub fn end(&self) -> f64 {
        self.packets
            .iter()
            .map(|p| p.pts + p.duration)
            .fold(0.0, f64::max)
    }

    /// From the first packet shown to the end of the last.
    pub fn length(&self) -> f64 {
        self.end() - self.start()
    }
}

/// How the times of two recordings of one source are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// All of them, to within rounding (2 ms).
    All,
    /// The steps between packets, and one in eight of them may be another. An RTSP player guesses the times until an
    /// RTCP sender report corrects it, which comes to each player at another packet.
    MostSteps,
}

/// Asserts that two tracks hold the same packets from the first that both have to the last that both have, with
/// the same distances in time (see [`Times`]), and gives how many these are.
///
/// One packet at either end may be torn. Repeated packets are told apart by their place: the shift that makes most packets meet is the one that counts.
///
/// # Panics
/// When they differ inside the span, or when the span is shorter than `at_least` packets.
#[track_caller]
pub fn assert_same_over_common_span(ours: &Track, reference: &Track, at_least: usize, times: Times) -> usize {
    let (a, b) = (&ours.packets, &reference.packets);
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, packet) in b.iter().enumerate() {
        places.entry(&packet.hash).or_default().push(place);
    }
    let mut votes: HashMap<i64, usize> = HashMap::new();
    for (place, packet) in a.iter().enumerate() {
        for other in places.get(packet.hash.as_str()).into_iter().flatten() {
            *votes.entry(*other as i64 - place as i64).or_default() += 1;
        }
    }
    let kind = &ours.kind;
    let shift = votes
        .iter()
        .max_by_key(|(shift, votes)| (**votes, **shift))
        .map(|(shift, _)| *shift);
    let shift =
        shift.unwrap_or_else(|| panic!("{kind}: none of {} and {} packets in common", a.len(), b.len()));
    // Only the ends of the two recordings may lie outside.
    let (from_a, from_b) = (
        usize::try_from(-shift).unwrap_or(0),
        usize::try_from(shift).unwrap_or(0),
    );
    let count = (a.len().saturating_sub(from_a)).min(b.len().saturating_sub(from_b));
    assert!(
        count >= at_least,
        "{kind}: only {count} of {} and {} packets overlap",
        a.len(),
        b.len()
    );
    let (mut a, mut b) = (&a[from_a..from_a + count], &b[from_b..from_b + count]);
    // A player that joins in the middle of a picture may have got a torn first packet, one that leaves a torn last one.
    if count > 2 && a[0].hash != b[0].hash {
        (a, b) = (&a[1..], &b[1..]);
    }
    if count > 2 && a.last().map(|p| &p.hash) != b.last().map(|p| &p.hash) {
        (a, b) = (&a[..a.len() - 1], &b[..b.len() - 1]);
    }
    for (index, (x, y)) in a.iter().zip(b).enumerate() {
        assert_eq!(
            x.hash, y.hash,
            "{kind}: packet {index} of {count} in the common span differs: {x:?} {y:?}"
        );
        assert_eq!(
            x.key, y.key,
            "{kind}: key flag of packet {index} of {count}: {x:?} {y:?}"
        );
    }
    let time = |packets: &[Packet], index: usize| match times {
        Times::All => packets[index].dts - packets[packets.len() - 1].dts,
        Times::MostSteps => packets[index].dts - packets[index.saturating_sub(1)].dts,
    };
    let differ: Vec<usize> = (0..a.len())
        .filter(|i| (time(a, *i) - time(b, *i)).abs() > 0.002)
        .collect();
    let allowed = if times == Times::All { 0 } else { a.len() / 8 };
    assert!(
        differ.len() <= allowed,
        "{kind}: {} of {count} packets are at other times: {:?}",
        differ.len(),
        differ
            .iter()
            .take(8)
            .map(|i| (*i, time(a, *i), time(b, *i)))
            .collect::<Vec<_>>()
    );
    a.len()
}

/// Asserts that two tracks hold exactly the same packets.
#[track_caller]
pub fn assert_same_packets(ours: &Track, reference: &Track) {
    let kind = &ours.kind;
    assert_eq!(
        ours.packets.len(),
        reference.packets.len(),
        "{kind}: number of packets"
    );
    let same = assert_same_over_common_span(ours, reference, ours.packets.len(), Times::All);
    assert_eq!(same, ours.packets.len(), "{kind}: a packet at an end differs");
}

/// Asserts what a progressive player wants of an MP4: `ftyp`, `moov` before `mdat`, and nothing of fragments to be seen.
#[track_caller]
pub fn assert_faststart(path: &Path) {
    let boxes = top_level_boxes(path);
    let names: Vec<&str> = boxes.iter().map(|b| b.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|n| *n == name);
    assert_eq!(names.first(), Some(&"ftyp"), "{names:?}");
    let (Some(moov), Some(mdat)) = (place("moov"), place("mdat")) else {
        panic!("no moov or no mdat: {names:?}")
    };
    assert!(moov < mdat, "moov is not in front: {names:?}");
    for name in ["moof", "sidx", "mfra", "styp"] {
        assert!(!names.contains(&name), "{name} is visible: {names:?}");
    }
    assert_eq!(names.iter().filter(|n| **n == "moov").count(), 1, "{names:?}");
    let mut bytes = Vec::new();
    let mut file = File::open(path).expect("the file was just read");
    file.seek(SeekFrom::Start(boxes[moov].offset))
        .expect("inside the file");
    file.take(boxes[moov].size)
        .read_to_end(&mut bytes)
        .expect("inside the file");
    assert!(
        !bytes.windows(4).any(|w| w == b"mvex"),
        "moov declares fragments (mvex)"
    );
}

/// One box at the top of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopBox {
    /// Its FourCC.
    pub name: String,
    /// Where its header begins.
    pub offset: u64,
    /// Its size with the header.
    pub size: u64,
}

/// The boxes at the top of an MP4.
///
/// # Panics
/// When they do not tile the file exactly.
pub fn top_level_boxes(path: &Path) -> Vec<TopBox> {
    let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let length = file.metadata().expect("an open file").len();
    let (mut boxes, mut offset) = (Vec::new(), 0);
    while offset < length {
        let mut head = [0; 16];
        file.seek(SeekFrom::Start(offset)).expect("inside the file");
        let read = file.read(&mut head).expect("inside the file");
        assert!(
            read >= 8,
            "{} stray bytes at {offset} of {}",
            length - offset,
            path.display()
        );
        let size = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            0 => length - offset,
            1 => u64::from_be_bytes(head[8..16].try_into().expect("eight bytes")),
            size => u64::from(size),
        };
        let name = String::from_utf8_lossy(&head[4..8]).into_owned();
        assert!(
            size >= 8 && size <= length - offset,
            "{name} at {offset} has the size {size}, file {length}"
        );
        boxes.push(TopBox { name, offset, size });
        offset += size;
    }
    boxes
}

fn track(row: &Value) -> Track {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Track {
        kind: text("codec_type"),
        codec: text("codec_name"),
        tag: text("codec_tag_string"),
        fields: row.clone(),
        packets: Vec::new(),
    }
}

fn packet(row: &Value) -> Packet {
    let dts = seconds(&row["dts_time"])
        .or_else(|| seconds(&row["pts_time"]))
        .unwrap_or(f64::NAN);
    let flag = |letter: char| row["flags"].as_str().is_some_and(|f| f.contains(letter));
    let hash = row["data_hash"].as_str().unwrap_or_default();
    Packet {
        pts: seconds(&row["pts_time"]).unwrap_or(dts),
        dts,
        duration: seconds(&row["duration_time"]).unwrap_or(0.0),
        key: flag('K'),
        hidden: flag('D'),
        hash: hash.trim_start_matches("MD5:").to_owned(),
    }
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

fn seconds(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}
