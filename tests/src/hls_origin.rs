//! An HLS origin: ffmpeg writes playlist and segments, [`FileServer`] serves them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::file_server::FileServer;
use crate::ports;
use crate::process::{Process, output_of};

/// The container of the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// MPEG-TS.
    Ts,
    /// Fragmented MP4 with an init segment.
    Fmp4,
}

/// A live playlist that slides, at `/index.m3u8`.
#[derive(Debug)]
pub struct LiveHls {
    server: FileServer,
    writer: Process,
    dir: TempDir,
    log: TempDir,
}

impl LiveHls {
    /// Begins to write `file` as a live stream, over and over, and waits for three segments.
    pub fn start(file: &Path, segments: Segments) -> LiveHls {
        let (dir, log) = (tempfile::tempdir(), tempfile::tempdir());
        let (dir, log) = (
            dir.expect("a temporary directory"),
            log.expect("a temporary directory"),
        );
        let writer = launch(file, segments, dir.path(), log.path());
        let server = FileServer::start(dir.path());
        let live = LiveHls {
            server,
            writer,
            dir,
            log,
        };
        ports::wait_for("three live segments", Duration::from_secs(15), || {
            live.listed() >= 3
        });
        live
    }

    /// The playlist's address.
    pub fn url(&self) -> String {
        self.server.url("index.m3u8")
    }

    /// The HTTP server, to inject faults into.
    pub fn server(&self) -> &FileServer {
        &self.server
    }

    /// Kills the encoder: the playlist stays and no longer changes.
    pub fn kill_writer(&mut self) {
        self.writer.kill();
    }

    /// Starts an encoder again in the same directory, as after its restart: sequence and timestamps begin anew.
    pub fn restart_writer(&mut self, file: &Path, segments: Segments) {
        self.writer.kill();
        self.writer = launch(file, segments, self.dir.path(), self.log.path());
    }

    fn listed(&self) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("index.m3u8")).unwrap_or_default();
        text.lines().filter(|l| l.starts_with("#EXTINF")).count()
    }
}

/// A finished playlist at `/index.m3u8`.
#[derive(Debug)]
pub struct VodHls {
    server: FileServer,
    _dir: TempDir,
}

impl VodHls {
    /// Cuts `file` into segments; `encrypted` with AES-128, the key at `/key.bin`.
    pub fn make(file: &Path, segments: Segments, encrypted: bool) -> VodHls {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let server = FileServer::start(dir.path());
        let mut command = ffmpeg();
        command
            .arg("-i")
            .arg(file)
            .args(["-map", "0", "-c", "copy", "-f", "hls", "-hls_time", "2"]);
        command
            .args(["-hls_playlist_type", "vod"])
            .args(segment_options(segments));
        if encrypted {
            let key: Vec<u8> = (0_u8..16).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
            std::fs::write(dir.path().join("key.bin"), key).expect("a temporary directory is writable");
            let info = format!("key.bin\n{}\n", dir.path().join("key.bin").display());
            std::fs::write(dir.path().join("key.info"), info).expect("a temporary directory is writable");
            command.arg("-hls_key_info_file").arg(dir.path().join("key.info"));
        }
        output_of(command.arg("index.m3u8").current_dir(dir.path()));
        VodHls { server, _dir: dir }
    }

    /// The playlist's address.
    pub fn url(&self) -> String {
        self.server.url("index.m3u8")
    }

    /// The HTTP server, to inject faults into.
    pub fn server(&self) -> &FileServer {
        &self.server
    }
}

fn launch(file: &Path, segments: Segments, dir: &Path, log: &Path) -> Process {
    let mut command = ffmpeg();
    command
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(file)
        .args(["-map", "0", "-c", "copy", "-f", "hls"]);
    command.args(["-hls_time", "1", "-hls_list_size", "6"]);
    command.args(["-hls_flags", "delete_segments+program_date_time+temp_file"]);
    command
        .args(segment_options(segments))
        .arg("index.m3u8")
        .current_dir(dir);
    Process::start("hls-writer", &mut command, log)
}

fn segment_options(segments: Segments) -> [&'static str; 4] {
    match segments {
        Segments::Ts => [
            "-hls_segment_type",
            "mpegts",
            "-hls_segment_filename",
            "seg%05d.ts",
        ],
        Segments::Fmp4 => [
            "-hls_segment_type",
            "fmp4",
            "-hls_segment_filename",
            "seg%05d.m4s",
        ],
    }
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-y"]);
    command
}
