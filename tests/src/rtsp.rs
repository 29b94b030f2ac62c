//! GStreamer's RTSP server with one live mount.

use std::process::Command;

use tempfile::TempDir;

use crate::ports;
use crate::process::Process;

const SERVER: &str = include_str!("rtsp_server.py");

/// Debian's own Python has the GObject bindings; another one earlier in the path would not.
const PYTHON: &str = "/usr/bin/python3";

/// What an RTSP server sends: 320x180 at 25 fps, a key frame about every half second.
#[derive(Debug, Clone, Copy)]
pub struct Mount {
    /// `h264`, `h265` or `none`.
    pub video: &'static str,
    /// `aac` (48 kHz stereo), `alaw`, `mulaw` (8 kHz mono) or `none`.
    pub audio: &'static str,
    /// `tcp`, `udp` or `both`.
    pub protocols: &'static str,
}

/// A running server.
#[derive(Debug)]
pub struct RtspServer {
    process: Process,
    port: u16,
    mount: Mount,
    dir: TempDir,
}

impl RtspServer {
    /// Starts it on a free port.
    pub fn start(mount: Mount) -> RtspServer {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("rtsp_server.py"), SERVER).expect("a temporary directory is writable");
        let port = ports::free();
        let process = launch(port, mount, &dir);
        ports::wait_until_open(port, || process.describe());
        RtspServer {
            process,
            port,
            mount,
            dir,
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of the mount.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Kills the server; every connection ends.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port; its RTP timestamps begin anywhere.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = launch(self.port, self.mount, &self.dir);
        ports::wait_until_open(self.port, || self.process.describe());
    }
}

fn launch(port: u16, mount: Mount, dir: &TempDir) -> Process {
    let mut command = Command::new(PYTHON);
    command
        .arg(dir.path().join("rtsp_server.py"))
        .arg(port.to_string());
    command.args([mount.video, mount.audio, mount.protocols]);
    // GStreamer's plug-in cache stays out of the home directory when there is none to write to.
    if std::env::var_os("HOME").is_none() {
        command.env("GST_REGISTRY", dir.path().join("registry.bin"));
    }
    Process::start("rtsp-server", &mut command, dir.path())
}
