//! One look at the machine.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::statvfs;
use sysinfo::{MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::domain::time::Micros;

/// What the machine does at one moment. Percentages are 0 to 100.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: Micros,
    pub(crate) cpu_percent: f64,
    pub(crate) memory_percent: f64,
    pub(crate) memory_total: u64,
    pub(crate) memory_used: u64,
    pub(crate) disk_total: u64,
    pub(crate) disk_used: u64,
    pub(crate) disk_free: u64,
    pub(crate) disk_percent: f64,
    /// Bytes per second, without the loopback.
    pub(crate) network_in: u64,
    pub(crate) network_out: u64,
    /// Over one, five and fifteen minutes.
    pub(crate) load: [f64; 3],
    /// Seconds since the machine started.
    pub(crate) uptime_s: u64,
    /// Bytes of memory that this process has.
    pub(crate) process_memory: u64,
    /// If the disk goes on filling up as it did.
    pub(crate) hours_until_full: Option<f64>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            at: Micros(0),
            cpu_percent: 0.0,
            memory_percent: 0.0,
            memory_total: 0,
            memory_used: 0,
            disk_total: 0,
            disk_used: 0,
            disk_free: 0,
            disk_percent: 0.0,
            network_in: 0,
            network_out: 0,
            load: [0.0; 3],
            uptime_s: 0,
            process_memory: 0,
            hours_until_full: None,
        }
    }
}

/// What looks.
pub(super) struct Sampler {
    storage: PathBuf,
    system: Option<System>,
    networks: Option<Networks>,
    pid: Option<Pid>,
    last: Instant,
    /// The disk as it was when it last answered.
    disk: (u64, u64),
}

/// Hundredths, which are enough for people.
fn percent(part: f64, whole: f64) -> f64 {
    if whole <= 0.0 {
        return 0.0;
    }
    rounded((part / whole * 100.0).clamp(0.0, 100.0))
}

pub(super) fn rounded(value: f64) -> f64 {
    if value.is_finite() {
        (value * 100.0).round() / 100.0
    } else {
        0.0
    }
}

impl Sampler {
    pub(super) fn new(storage: &Path) -> Self {
        let told = |what: &str, error: &dyn std::fmt::Display| {
            tracing::warn!("{what} can't be watched: {error}");
        };
        Self {
            storage: storage.to_path_buf(),
            system: System::new()
                .map_err(|error| told("processors and memory", &error))
                .ok(),
            networks: Networks::new_with_refreshed_list()
                .map_err(|error| told("networks", &error))
                .ok(),
            pid: sysinfo::get_current_pid().ok(),
            last: Instant::now(),
            disk: (0, 0),
        }
    }

    pub(super) fn take(&mut self) -> Sample {
        let elapsed = self.last.elapsed().as_secs_f64().max(0.001);
        self.last = Instant::now();
        let mut sample = Sample {
            at: Micros::now(),
            uptime_s: System::uptime().unwrap_or(0),
            ..Sample::default()
        };
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            sample.cpu_percent = rounded(f64::from(system.global_cpu_usage()).clamp(0.0, 100.0));
            (sample.memory_total, sample.memory_used) = (system.total_memory(), system.used_memory());
            // The limit of a container is what there is.
            if let Some(limits) = system.cgroup_limits()
                && limits.total_memory > 0
                && limits.total_memory < sample.memory_total
            {
                sample.memory_total = limits.total_memory;
                sample.memory_used = limits.total_memory.saturating_sub(limits.free_memory);
            }
            sample.memory_percent = percent(sample.memory_used as f64, sample.memory_total as f64);
            if let Some(pid) = self.pid {
                let kind = ProcessRefreshKind::nothing().with_memory();
                system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
                sample.process_memory = system.process(pid).map_or(0, sysinfo::Process::memory);
            }
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            let rate = |bytes: u64| (bytes as f64 / elapsed) as u64;
            let outside = || networks.iter().filter(|(name, _)| *name != "lo");
            sample.network_in = rate(outside().map(|(_, data)| data.received()).sum());
            sample.network_out = rate(outside().map(|(_, data)| data.transmitted()).sum());
        }
        if let Ok(load) = System::load_average() {
            sample.load = [rounded(load.one), rounded(load.five), rounded(load.fifteen)];
        }
        self.disk = space(&self.storage).unwrap_or(self.disk);
        let (total, free) = self.disk;
        sample.disk_total = total;
        sample.disk_free = free;
        sample.disk_used = total.saturating_sub(free);
        sample.disk_percent = percent(sample.disk_used as f64, total as f64);
        sample
    }
}

/// Bytes of the disk that holds a folder, and those that can still be written.
fn space(folder: &Path) -> Option<(u64, u64)> {
    let stat = statvfs(folder).ok()?;
    let unit = if stat.f_frsize > 0 {
        stat.f_frsize
    } else {
        stat.f_bsize
    };
    let total = stat.f_blocks.saturating_mul(unit);
    // What is kept for the superuser can't be written: it counts as used.
    Some((total, stat.f_bavail.saturating_mul(unit)))
}
