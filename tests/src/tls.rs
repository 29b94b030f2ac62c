//! TLS in front of a server that has none, with a certificate that nobody signed, as cameras have it.

use std::process::Command;

use tempfile::TempDir;

use crate::fixtures::repository;
use crate::ports;
use crate::process::Process;

const PROXY: &str = include_str!("tls_proxy.py");

/// A running proxy.
#[derive(Debug)]
pub struct TlsProxy {
    _process: Process,
    port: u16,
    _dir: TempDir,
}

impl TlsProxy {
    /// Starts one that passes plain bytes on to `target` on loopback.
    pub fn start(target: u16) -> TlsProxy {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let script = dir.path().join("tls_proxy.py");
        std::fs::write(&script, PROXY).expect("a temporary directory is writable");
        let port = ports::free();
        let files = repository().join("fixtures/tls");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([port.to_string(), target.to_string()]);
        command
            .arg(files.join("camera.pem"))
            .arg(files.join("camera.key.pem"));
        let process = Process::start("tls-proxy", &mut command, dir.path());
        ports::wait_until_open(port, || process.describe());
        TlsProxy {
            _process: process,
            port,
            _dir: dir,
        }
    }

    /// The port that speaks TLS.
    pub fn port(&self) -> u16 {
        self.port
    }
}
