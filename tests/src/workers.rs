//! The processes in which a server reads media, as the system sees them.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A worker of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Worker(u32);

/// The workers of a server now.
pub fn of(server: u32) -> Vec<Worker> {
    let parent = format!("\nPPid:\t{server}\n");
    let mut workers = Vec::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let worker = Worker(id);
        if worker.read("status").contains(&parent) && worker.read("cmdline") == "mediastack\0worker\0" {
            workers.push(worker);
        }
    }
    workers
}

/// Waits for a worker that is at work, and stops it where it is: `kill -STOP`.
///
/// # Panics
/// When there is none within `limit`.
#[track_caller]
pub fn caught(server: u32, limit: Duration) -> Worker {
    let end = Instant::now() + limit;
    loop {
        for worker in of(server) {
            // It is confined before it reads; the second filter is the last of it.
            if worker.status("Seccomp_filters") == "2" {
                worker.signal(Signal::STOP);
                return worker;
            }
        }
        assert!(Instant::now() < end, "no worker within {limit:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Worker {
    /// Its process id.
    pub fn id(self) -> u32 {
        self.0
    }

    /// A file of `/proc` about it; empty when it is gone.
    pub fn read(self, name: &str) -> String {
        let bytes = fs::read(format!("/proc/{}/{name}", self.0)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A line of its status.
    pub fn status(self, name: &str) -> String {
        let status = self.read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    /// The soft limit of a resource as `/proc` names it, such as `Max data size`.
    pub fn limit(self, name: &str) -> String {
        let limits = self.read("limits");
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next())
            .unwrap_or_default()
            .to_owned()
    }

    /// What its open files are.
    pub fn files(self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.0));
        let entries = entries.into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|path| path.display().to_string()).collect()
    }

    /// Sends it a signal.
    pub fn signal(self, signal: Signal) {
        let id = i32::try_from(self.0).ok().and_then(Pid::from_raw);
        // Gone already: the caller finds out.
        let _ = id.map(|id| kill_process(id, signal));
    }

    /// Whether it runs, or waits to be buried.
    pub fn is_there(self) -> bool {
        !matches!(self.status("State").chars().next(), None | Some('Z'))
    }

    /// Waits until it is gone.
    ///
    /// # Panics
    /// When it is not within `limit`.
    #[track_caller]
    pub fn gone(self, limit: Duration) {
        let end = Instant::now() + limit;
        while self.is_there() {
            assert!(
                Instant::now() < end,
                "worker {} still runs after {limit:?}",
                self.0
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
