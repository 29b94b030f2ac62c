//! How the C library's allocator, which Rust and libav share, keeps memory that was given back to it.

/// From how many bytes on an allocation is a mapping of its own, which the system has back as soon as it is freed. glibc raises that
/// border by itself to the size of whatever was freed once: then 19 MiB for checking a password stay with the process for good.
#[cfg(target_env = "gnu")]
const OWN_MAPPING: i32 = 8 << 20;

/// Makes the process give large blocks back when they are freed, and share small ones among a few arenas: one for each processor, at
/// least two. To be called once, before there are threads. Nothing happens where the C library isn't glibc.
pub fn settle() {
    #[cfg(target_env = "gnu")]
    {
        let processors = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let arenas = i32::try_from(processors).unwrap_or(i32::MAX);
        // SAFETY: sets a number of the allocator; memory that is in use is not touched.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING) };
        // SAFETY: as above.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
}

/// Gives back to the system what is free now. Takes milliseconds, while which others wait for memory.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: the allocator takes its own locks, and gives back only pages that nobody has.
        unsafe { libc::malloc_trim(0) };
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_is_freed_is_the_systems_again() {
        settle();
        let before = resident();
        for _ in 0..3 {
            drop(std::hint::black_box(vec![1_u8; 24 << 20]));
        }
        let small: Vec<Vec<u8>> = (0..10_000).map(|_| std::hint::black_box(vec![1; 2000])).collect();
        drop(small);
        trim();
        let kept = resident().saturating_sub(before);
        assert!(kept < 8 << 10, "{kept} kB of 24 MiB and 20 MB");
    }
}
