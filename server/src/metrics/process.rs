//! The process as the kernel sees it.

use std::fs;

use super::{Kind, Page};

/// Ticks of a second in `/proc`: Linux shows the same number whatever its own clock does.
const TICKS: f64 = 100.0;

/// What `/proc/self` says. What can't be read is left out.
pub(crate) fn render(page: &mut Page) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may have spaces in it; it stands in parentheses.
    let fields: Vec<&str> = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    // Numbered from 3, as proc(5) has it.
    let field = |number: usize| -> Option<f64> { fields.get(number - 3)?.parse().ok() };
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        page.one(
            "process_cpu_seconds_total",
            Kind::Counter,
            "Processor time, of the program and in the kernel for it.",
            (user + system) / TICKS,
        );
    }
    if let (Some(begun), Some(boot)) = (field(22), boot_time()) {
        page.one(
            "process_start_time_seconds",
            Kind::Gauge,
            "When the program started, in seconds since 1970.",
            boot + begun / TICKS,
        );
    }
    if let Some(threads) = field(20) {
        page.one("process_threads", Kind::Gauge, "Threads.", threads);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024.0)
    };
    if let Some(bytes) = bytes("VmSize:") {
        page.one(
            "process_virtual_memory_bytes",
            Kind::Gauge,
            "Memory that is mapped.",
            bytes,
        );
    }
    if let Some(bytes) = bytes("VmRSS:") {
        page.one(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory that is there.",
            bytes,
        );
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder opens one more.
        let open = open.count().saturating_sub(1);
        page.one(
            "process_open_fds",
            Kind::Gauge,
            "Files that are open.",
            open as f64,
        );
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit {
        page.one(
            "process_max_fds",
            Kind::Gauge,
            "Files that can be open.",
            limit as f64,
        );
    }
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_there_and_plausible() {
        let mut page = Page::default();
        render(&mut page);
        let text = page.finish();
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
        };
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!((now - 3600.0..now + 60.0).contains(&value("process_start_time_seconds")));
        assert!(value("process_cpu_seconds_total") < 3600.0);
        assert!((1e6..1e10).contains(&value("process_resident_memory_bytes")));
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") > value("process_open_fds"));
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    }
}
