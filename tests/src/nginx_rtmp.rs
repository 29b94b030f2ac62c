//! nginx with the RTMP module, with a configuration of its own and nothing of /etc.

use std::process::Command;

use tempfile::TempDir;

use crate::ports;
use crate::process::Process;

/// Where Debian's `libnginx-mod-rtmp` puts the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// An RTMP server with the application `live`.
#[derive(Debug)]
pub struct NginxRtmp {
    process: Process,
    port: u16,
    dir: TempDir,
}

/// What players see when the publisher is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenPublisherLeaves {
    /// The server keeps the players connected and silent until a publisher returns (nginx-rtmp's default).
    KeepPlayers,
    /// The server closes the players' connections.
    DropPlayers,
}

impl NginxRtmp {
    /// Starts a server on a free port.
    pub fn start(leave: WhenPublisherLeaves) -> NginxRtmp {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = ports::free();
        let process = launch(port, leave, &dir);
        ports::wait_until_open(port, || process.describe());
        NginxRtmp { process, port, dir }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a stream, to publish to and to play from.
    pub fn url(&self, stream: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{stream}", self.port)
    }

    /// Kills the server; every connection ends.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self, leave: WhenPublisherLeaves) {
        self.process.kill();
        self.process = launch(self.port, leave, &self.dir);
        ports::wait_until_open(self.port, || self.process.describe());
    }
}

fn launch(port: u16, leave: WhenPublisherLeaves, dir: &TempDir) -> Process {
    let root = dir.path().display();
    let idle = if leave == WhenPublisherLeaves::KeepPlayers {
        "on"
    } else {
        "off"
    };
    let text = format!(
        "load_module {MODULE};
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log info;
events {{ worker_connections 1024; }}
rtmp {{
    server {{
        listen 127.0.0.1:{port};
        chunk_size 4096;
        application live {{
            live on;
            wait_key on;
            idle_streams {idle};
            drop_idle_publisher 10s;
        }}
    }}
}}
"
    );
    let config = dir.path().join("nginx.conf");
    std::fs::write(&config, text).expect("a temporary directory is writable");
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(dir.path())
        .arg("-c")
        .arg(config)
        .arg("-e")
        .arg(dir.path().join("error.log"));
    Process::start("nginx", &mut command, dir.path())
}
