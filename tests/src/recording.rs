//! A recording by the binary, and the same source taken by ffmpeg beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{self, Run, Running};
use crate::judge::{self, Times, Verdict, assert_faststart, assert_same_over_common_span};
use crate::ports;
use crate::reference::Reference;

/// A directory that a recording goes to.
#[derive(Debug)]
pub struct Target {
    dir: TempDir,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }
}

impl Target {
    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The recording's path.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("out.mp4")
    }

    /// Starts `mediastack record URL FILE --json` with more options.
    pub fn record(&self, url: &str, options: &[&str]) -> Running {
        binary::spawn_command(&mut self.command(url, options))
    }

    /// The command of [`Target::record`], to add to.
    pub fn command(&self, url: &str, options: &[&str]) -> std::process::Command {
        let mut command = binary::command(&["record", url]);
        command.arg(self.file()).arg("--json").args(options);
        command
    }

    /// Waits until media has been written to the disk.
    pub fn wait_until_recording(&self) {
        ports::wait_for("the recording to grow", Duration::from_secs(20), || {
            self.bytes() > 20_000
        });
    }

    /// Asserts that no file but the finished recordings is left: no journal, no temporary copy.
    #[track_caller]
    pub fn assert_tidy(&self) {
        for entry in self.entries() {
            let name = entry.to_string_lossy().into_owned();
            assert!(
                name.ends_with(".mp4") || name.ends_with(".parts.json"),
                "left behind: {name}"
            );
        }
    }

    /// Every file in the directory.
    pub fn entries(&self) -> Vec<PathBuf> {
        let read = std::fs::read_dir(self.dir()).expect("the directory is there");
        read.map(|e| e.expect("readable").path()).collect()
    }

    fn bytes(&self) -> u64 {
        self.entries()
            .iter()
            .filter_map(|p| p.metadata().ok())
            .map(|m| m.blocks_in_use())
            .sum()
    }
}

/// How a source is recorded and compared.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The address.
    pub url: &'a str,
    /// Options of `mediastack record`.
    pub options: &'a [&'a str],
    /// ffmpeg's options before `-i`.
    pub input: &'a [&'a str],
    /// ffmpeg's options after it.
    pub output: &'a [&'a str],
    /// The kinds of track whose packets must be ffmpeg's.
    pub copied: &'a [&'a str],
    /// How their times are compared.
    pub times: Times,
}

/// What [`record_beside_ffmpeg`] gives for more assertions.
#[derive(Debug)]
pub struct Outcome {
    /// The binary's report.
    pub report: Value,
    /// Our file.
    pub ours: Verdict,
    /// Where it is.
    pub target: Target,
}

/// Records `seconds` of a source while ffmpeg does the same, and asserts all that a finished recording promises:
/// a faststart file that ffprobe opens without a warning, the same packets over the common span, times that agree.
#[track_caller]
pub fn record_beside_ffmpeg(plan: Plan<'_>, seconds: u32) -> Outcome {
    let target = Target::default();
    let length = format!("{seconds}s");
    let options: Vec<&str> = ["--duration", &length]
        .into_iter()
        .chain(plan.options.iter().copied())
        .collect();
    let mut reference = Reference::start(
        plan.url,
        Duration::from_secs(u64::from(seconds) + 2),
        plan.input,
        plan.output,
    );
    let running = target.record(plan.url, &options);
    let limit = Duration::from_secs(u64::from(seconds) + 25);
    let run = running.finish(limit).success();
    let reference = judge::probe(reference.finish(limit));

    let report = run.json();
    assert_eq!(report["status"], "completed", "{report:#}");
    assert_eq!(report["reconnects"], 0, "{report:#}");
    assert!(report["gaps"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    let ours = assert_finished(&target.file());
    target.assert_tidy();
    for kind in plan.copied {
        let (ours, reference) = (ours.first(kind), reference.first(kind));
        assert_eq!((&ours.codec, &ours.tag), (&reference.codec, &reference.tag));
        assert_same_over_common_span(ours, reference, ours.packets.len() / 3, plan.times);
    }
    assert_report_fits(&run, &ours, &target.file());
    // Counted from the first packet or from the first key frame: a GOP of the sources is a second at most.
    let asked = f64::from(seconds);
    assert!(
        (ours.duration - asked).abs() < 1.1,
        "{} s recorded, {asked} s asked for",
        ours.duration
    );
    Outcome { report, ours, target }
}

/// Asserts that a file is a finished recording, and gives ffprobe's view of it.
#[track_caller]
pub fn assert_finished(path: &Path) -> Verdict {
    assert_faststart(path);
    let verdict = judge::probe(path);
    verdict.assert_clean();
    verdict.assert_duration();
    verdict.assert_starts_together();
    verdict
}

/// Asserts that the report says what ffprobe says.
#[track_caller]
pub fn assert_report_fits(run: &Run, file: &Verdict, path: &Path) {
    let report = run.json();
    let number = |key: &str| {
        report[key]
            .as_f64()
            .unwrap_or_else(|| panic!("no number {key}: {report:#}"))
    };
    assert!(
        (number("duration_s") - file.duration).abs() < 0.05,
        "file {} s, report {report:#}",
        file.duration
    );
    let size = path.metadata().expect("the file is there").len();
    assert_eq!(number("size_bytes"), size as f64, "{report:#}");
    assert!(number("finish_ms") >= 0.0);
    let method = report["finish_method"].as_str().unwrap_or_default();
    assert!(
        ["reserved", "insert_range", "copy"].contains(&method),
        "{report:#}"
    );
    let tracks = report["tracks"]
        .as_array()
        .unwrap_or_else(|| panic!("no tracks: {report:#}"));
    assert_eq!(tracks.len(), file.tracks.len(), "{report:#}");
    for track in &file.tracks {
        let told = tracks.iter().find(|t| t["kind"] == track.kind.as_str());
        let told = told.unwrap_or_else(|| panic!("no {} track in {report:#}", track.kind));
        for key in ["width", "height", "channels"] {
            if track.fields[key].is_number() {
                assert_eq!(told[key], track.fields[key], "{key} of {told:#}");
            }
        }
    }
}

trait DiskUse {
    fn blocks_in_use(&self) -> u64;
}

impl DiskUse for std::fs::Metadata {
    /// Room that is reserved but not written counts as nothing where the file system leaves a hole.
    fn blocks_in_use(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.len().min(self.blocks() * 512)
    }
}
