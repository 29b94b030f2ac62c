//! Media made by ffmpeg, and ffprobe as the judge.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "test support")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A folder with one clip of four seconds in several containers: 320x180 H.264 with B-frames, AAC.
pub struct Media {
    folder: tempfile::TempDir,
}

impl Media {
    pub fn new() -> Self {
        let media = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mother = media.path("a.mkv");
        let sources = [
            "testsrc2=size=320x180:rate=25:duration=4",
            "sine=frequency=500:sample_rate=48000:duration=4",
        ];
        ffmpeg(&format!(
            "-f lavfi -i {} -f lavfi -i {} -c:v libx264 -preset ultrafast -bf 2 -g 25 -threads 1 -c:a aac -ac 2 {}",
            sources[0],
            sources[1],
            mother.display()
        ));
        media
    }

    /// The same packets in another container.
    pub fn copied(&self, name: &str, options: &str) -> PathBuf {
        let path = self.path(name);
        ffmpeg(&format!(
            "-i {} -c copy {options} {}",
            self.path("a.mkv").display(),
            path.display()
        ));
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names in the folder, hidden ones too.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub fn ffmpeg(arguments: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ffmpeg {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What ffprobe says; it must have nothing to complain about.
#[track_caller]
pub fn probe(path: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "warning",
            "-of",
            "json",
            "-show_streams",
            "-show_format",
            "-show_packets",
        ])
        .args(["-show_data_hash", "md5"])
        .arg(path)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.trim().is_empty(), "{}: {complaints}", path.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn seconds(value: &Value) -> f64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::NAN)
}

pub fn duration(probe: &Value) -> f64 {
    seconds(&probe["format"]["duration"])
}

/// Hash, PTS and DTS of every packet of the first track of a kind.
pub fn packets(probe: &Value, kind: &str) -> Vec<(String, f64, f64)> {
    let streams = probe["streams"].as_array().unwrap();
    let index = streams
        .iter()
        .position(|stream| stream["codec_type"] == kind)
        .unwrap();
    let all = probe["packets"].as_array().unwrap().iter();
    all.filter(|packet| packet["stream_index"] == index)
        .map(|packet| {
            let hash = packet["data_hash"].as_str().unwrap().to_owned();
            (hash, seconds(&packet["pts_time"]), seconds(&packet["dts_time"]))
        })
        .collect()
}

/// Names of the boxes at the top of a file.
pub fn boxes(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut names) = (0, Vec::new());
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        names.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += match size {
            1 => usize::try_from(u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap())).unwrap(),
            size => size as usize,
        };
    }
    assert_eq!(at, bytes.len(), "the boxes fill the file: {names:?}");
    names.retain(|name| name != "free");
    names
}
