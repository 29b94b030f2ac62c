//! `mediastack vod` on a free port.

use std::path::Path;

use crate::binary::{self, Running};
use crate::ports;

/// A running packager.
pub struct Vod {
    running: Running,
    port: u16,
}

impl Vod {
    /// Serves the media below `root`, with more arguments.
    pub fn start(root: &Path, more: &[&str]) -> Vod {
        let port = ports::free();
        let listen = format!("127.0.0.1:{port}");
        let root = root.to_str().expect("a path of UTF-8");
        let mut args = vec!["vod", "--root", root, "--listen", &listen];
        args.extend(more);
        let running = binary::spawn(&args);
        ports::wait_until_open(port, || format!("mediastack {args:?}"));
        Vod { running, port }
    }

    /// The URL of a path that starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}
