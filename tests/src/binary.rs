//! The binary under test: found or built once, run, signalled, and its report read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::repository;
use crate::process::Process;

/// The `mediastack` binary: `$MEDIASTACK_BIN`, or else built by cargo, once.
pub fn path() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("MEDIASTACK_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

/// What one run of the binary left behind.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Time from the start to the end.
    pub wall: Duration,
}

impl Run {
    /// The one JSON object that `--json` prints.
    ///
    /// # Panics
    /// When standard output is not exactly one JSON object.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(self.stdout.trim())
            .unwrap_or_else(|e| panic!("standard output is not one JSON value ({e}): {self:#?}"));
        assert!(value.is_object(), "not a JSON object: {self:#?}");
        value
    }

    /// Asserts exit code 0 and gives itself back.
    #[track_caller]
    pub fn success(self) -> Run {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Asserts an orderly failure: an exit code that is not 0 and not a panic's, and an error of one line.
    #[track_caller]
    pub fn clear_error(self) -> Run {
        let code = self
            .code
            .unwrap_or_else(|| panic!("ended by a signal: {self:#?}"));
        assert!(code != 0 && code != 101, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        let lines = self.stderr.lines().filter(|l| !l.trim().is_empty()).count();
        assert_eq!(lines, 1, "an error is one line: {self:#?}");
        self
    }
}

/// The binary while it runs.
#[derive(Debug)]
pub struct Running {
    process: Process,
    started: Instant,
    _dir: TempDir,
}

/// A command that runs the binary with `args`.
pub fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(path());
    command
        .args(args)
        .env_remove("RUST_LOG")
        .env("RUST_BACKTRACE", "1");
    command
}

/// Starts the binary with `args`.
pub fn spawn<S: AsRef<OsStr>>(args: &[S]) -> Running {
    spawn_command(&mut command(args))
}

/// Starts a command made by [`command`], after the caller has added to it.
pub fn spawn_command(command: &mut Command) -> Running {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let process = Process::start("mediastack", command, dir.path());
    Running {
        process,
        started: Instant::now(),
        _dir: dir,
    }
}

/// Runs the binary to its end.
///
/// # Panics
/// When it takes longer than `limit`.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(args: &[S], limit: Duration) -> Run {
    spawn(args).finish(limit)
}

/// As [`run`], with at most `bytes` of address space.
#[track_caller]
pub fn run_in_memory<S: AsRef<OsStr>>(args: &[S], bytes: u64, limit: Duration) -> Run {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--as={bytes}"))
        .arg(path())
        .args(args)
        .env_remove("RUST_LOG")
        .env("RUST_BACKTRACE", "1");
    spawn_command(&mut command).finish(limit)
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// `kill -9`, and gives the instant just before it.
    pub fn kill(&mut self) -> Instant {
        let at = Instant::now();
        self.process.kill();
        at
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it takes longer than `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Run {
        let status = self
            .process
            .wait(limit)
            .unwrap_or_else(|| panic!("still running after {limit:?}\n{}", self.process.describe()));
        Run {
            code: status.code(),
            stdout: self.process.stdout(),
            stderr: self.process.stderr(),
            wall: self.started.elapsed(),
        }
    }
}

fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "mediastack"])
        .current_dir(repository());
    crate::process::output_of(&mut cargo);
    // This program is <target>/debug/deps/<name>-<hash>.
    let me = std::env::current_exe().expect("the test's own path");
    let profile = me.ancestors().nth(2).expect("two directories up");
    profile.join("mediastack")
}
