//! What work costs: time on the wall, time on the processors, bytes written, memory.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// Time that something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// Of all threads, in the program and in the kernel.
    pub cpu: Duration,
}

impl Cost {
    /// This cost in units of `peer`'s: wall, then processor time.
    pub fn ratio(self, peer: Self) -> (f64, f64) {
        (
            self.wall.as_secs_f64() / peer.wall.as_secs_f64(),
            self.cpu.as_secs_f64() / peer.cpu.as_secs_f64(),
        )
    }
}

/// Runs a program to its end, quietly.
///
/// # Errors
/// It can't be started, or it fails; then with what it said.
pub fn run(command: &mut Command) -> io::Result<Cost> {
    let (start, before) = (Instant::now(), children_cpu()?);
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    let wall = start.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!(
            "{}: {}, {}",
            command.get_program().display(),
            output.status,
            said.trim()
        )));
    }
    Ok(Cost {
        wall,
        cpu: children_cpu()?.saturating_sub(before),
    })
}

/// Processor time of all child processes that have ended and were waited for.
///
/// # Errors
/// What the operating system says.
pub fn children_cpu() -> io::Result<Duration> {
    Ok(cpu(&getrusage(UsageWho::RUSAGE_CHILDREN)?))
}

/// Processor time of this process.
///
/// # Errors
/// What the operating system says.
pub fn own_cpu() -> io::Result<Duration> {
    Ok(cpu(&getrusage(UsageWho::RUSAGE_SELF)?))
}

fn cpu(usage: &Usage) -> Duration {
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| {
            let part = |value: i64| u64::try_from(value).unwrap_or(0);
            Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
        })
        .sum()
}

/// Bytes that this process and its ended children have given to `write` and its like.
///
/// # Errors
/// `/proc/self/io` can't be read.
pub fn bytes_written() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    field(&text, "wchar:").ok_or_else(|| io::Error::other("/proc/self/io has no wchar"))
}

/// Memory of a process in bytes: its fair share of what it shares with others, and all that it uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Proportional set size.
    pub pss: u64,
    /// Resident set size.
    pub rss: u64,
}

/// The memory of a running child; zero when it has just ended.
pub fn memory(child: &Child) -> Memory {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap_or_default();
    let bytes = |name| field(&text, name).unwrap_or(0) * 1024;
    Memory {
        pss: bytes("Pss:"),
        rss: bytes("Rss:"),
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The middle of `values`; of an even number the lower one of the two. Zero of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(0.0)
}
