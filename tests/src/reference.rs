//! What `ffmpeg -c copy` makes of the same source at the same time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Process;

/// ffmpeg while it records the reference.
#[derive(Debug)]
pub struct Reference {
    process: Process,
    path: PathBuf,
    _dir: TempDir,
}

impl Reference {
    /// Begins to record `length` of `url` into an MP4. `input` are options before `-i` (`-rtsp_transport tcp`), `output` after it.
    pub fn start(url: &str, length: Duration, input: &[&str], output: &[&str]) -> Reference {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("reference.mp4");
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-y"])
            .args(input)
            .args(["-i", url]);
        command.args([
            "-t",
            &format!("{}", length.as_secs_f64()),
            "-map",
            "0:v?",
            "-map",
            "0:a?",
            "-c",
            "copy",
        ]);
        command.args(output).arg(&path);
        let process = Process::start("reference", &mut command, dir.path());
        Reference {
            process,
            path,
            _dir: dir,
        }
    }

    /// Waits for its end; the file lives as long as this does.
    ///
    /// # Panics
    /// When ffmpeg fails or takes longer than `limit`.
    #[track_caller]
    pub fn finish(&mut self, limit: Duration) -> &Path {
        let status = self.process.wait(limit);
        assert!(
            status.is_some_and(|s| s.success()),
            "{status:?} {}",
            self.process.describe()
        );
        &self.path
    }
}

/// Copies the packets of a file into `out`, whose suffix chooses the container.
pub fn copy(input: &Path, out: &Path, options: &[&str]) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-i"])
        .arg(input);
    command
        .args(["-map", "0:v?", "-map", "0:a?", "-c", "copy"])
        .args(options)
        .arg(out);
    crate::process::output_of(&mut command);
}
