//! When the source sent which packet: a second player of the same stream that stamps every packet with the wall clock.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::Process;

/// One video packet as it came by.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// The MD5 of its bytes, as [`crate::judge::Packet::hash`] has it.
    pub hash: String,
}

/// ffmpeg that plays a stream and reports each video packet.
#[derive(Debug)]
pub struct Monitor {
    seen: Arc<Mutex<Vec<Seen>>>,
    process: Process,
    _dir: TempDir,
}

impl Monitor {
    /// Begins to watch `url`.
    pub fn start(url: &str) -> Monitor {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("ffmpeg");
        command.args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "warning",
            "-fflags",
            "nobuffer",
            "-i",
            url,
        ]);
        command.args([
            "-map",
            "0:v",
            "-c",
            "copy",
            "-flush_packets",
            "1",
            "-f",
            "framehash",
            "-hash",
            "md5",
            "-",
        ]);
        let (process, out) = Process::start_piped("monitor", &mut command, dir.path());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if !line.starts_with('#')
                    && let Some(hash) = line.rsplit(',').next()
                {
                    let packet = Seen {
                        at: Instant::now(),
                        hash: hash.trim().to_owned(),
                    };
                    sink.lock().expect("no holder panics").push(packet);
                }
            }
        });
        Monitor {
            seen,
            process,
            _dir: dir,
        }
    }

    /// Begins to watch `url` and waits for packets, connecting again when the server has no such stream yet.
    pub fn start_on_air(url: &str) -> Monitor {
        let mut monitor = Monitor::start(url);
        crate::ports::wait_for("the stream", Duration::from_secs(20), || {
            if monitor.has_ended() {
                monitor = Monitor::start(url);
            }
            monitor.count() > 5
        });
        monitor
    }

    /// How many packets came by so far.
    pub fn count(&self) -> usize {
        self.seen.lock().expect("no holder panics").len()
    }

    /// Whether the server ended the connection.
    pub fn has_ended(&mut self) -> bool {
        !self.process.is_running()
    }

    /// When the packet with `hash` was last sent, before `limit`.
    pub fn sent_before(&self, hash: &str, limit: Instant) -> Option<Instant> {
        let seen = self.seen.lock().expect("no holder panics");
        seen.iter()
            .rev()
            .find(|s| s.at <= limit && s.hash == hash)
            .map(|s| s.at)
    }
}
