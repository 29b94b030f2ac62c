//! ffmpeg as the publisher of a live stream.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Process;

/// ffmpeg that pushes a file to an RTMP address at its natural speed, for ever.
#[derive(Debug)]
pub struct Publisher {
    process: Process,
    url: String,
    dir: TempDir,
}

/// What is published.
#[derive(Debug, Clone)]
pub struct Content {
    /// The file; its packets are copied.
    pub file: PathBuf,
    /// The first timestamp; zero is what an encoder sends after its restart.
    pub first_time: Duration,
}

impl Content {
    /// `file`, its timestamps beginning at 0.
    pub fn of(file: PathBuf) -> Content {
        Content {
            file,
            first_time: Duration::ZERO,
        }
    }

    /// The same with another first timestamp.
    pub fn starting_at(mut self, time: Duration) -> Content {
        self.first_time = time;
        self
    }
}

impl Publisher {
    /// Begins to publish to `url`.
    pub fn start(url: &str, content: &Content) -> Publisher {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let process = launch(url, content, dir.path());
        Publisher {
            process,
            url: url.to_owned(),
            dir,
        }
    }

    /// Kills it, as a power cut at the encoder would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Publishes again, after [`Publisher::kill`] or instead of what it does now.
    pub fn restart(&mut self, content: &Content) {
        self.process.kill();
        self.process = launch(&self.url, content, self.dir.path());
    }

    /// Asserts that it still publishes.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        assert!(self.process.is_running(), "{}", self.process.describe());
    }
}

fn launch(url: &str, content: &Content, dir: &Path) -> Process {
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "warning",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
    ]);
    command.arg(&content.file).args(["-map", "0", "-c", "copy"]);
    if !content.first_time.is_zero() {
        command.args([
            "-output_ts_offset",
            &format!("{}", content.first_time.as_secs_f64()),
        ]);
    }
    command.args(["-flush_packets", "1", "-f", "flv", url]);
    Process::start("publisher", &mut command, dir)
}
