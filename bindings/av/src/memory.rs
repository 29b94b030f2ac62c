//! Memory that a process has and never uses again, given back to the system.

/// Gives back the pages of the program and of its libraries that loading them read: symbols, relocations, what lies beside them. libav
/// comes with some 130 libraries, of which most are never used. What is used again is read again, from the page cache as a rule. Takes
/// some milliseconds. To be called once, before there are threads: with any, it does nothing.
pub fn forget_loading() {
    #[cfg(target_os = "linux")]
    for (start, length) in unchanged_mappings() {
        // SAFETY: private mappings of files, none of whose pages was written to: what is dropped is read from the file when it is touched
        // again. This thread is the only one, so that nothing else was mapped there in between.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// Start and length of the mappings of files that can't be written to and never were: the system counts no page of theirs as anonymous.
#[cfg(target_os = "linux")]
fn unchanged_mappings() -> Vec<(usize, usize)> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let (1, Ok(maps)) = (threads, std::fs::read_to_string("/proc/self/smaps")) else {
        return Vec::new();
    };
    named(&maps)
}

#[cfg(target_os = "linux")]
fn named(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in maps.lines() {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            found.extend(mapping.take().filter(|_| anonymous.trim() == "0 kB"));
        } else if let Some(read_only) = read_only_file(line) {
            mapping = read_only;
        }
    }
    found
}

/// `None` for a line that begins no mapping; `Some(None)` for a mapping of another kind.
#[cfg(target_os = "linux")]
fn read_only_file(line: &str) -> Option<Option<(usize, usize)>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let kind = words.next()?;
    let path = words.nth(3).unwrap_or_default();
    let wanted = matches!(kind, "r--p" | "r-xp") && path.starts_with('/');
    Some(wanted.then(|| (start, end.saturating_sub(start))))
}

/// Gives back the pages of a block that hold nothing but zeros: they read as zeros as before, and are there again when they are written to.
/// libav writes zeros to what it takes, of which a demuxer of FLV or RTMP has 2 MiB for a case that hardly ever comes.
///
/// # Safety
/// `block` came from the C library's allocator, and nobody writes to it meanwhile.
pub(crate) unsafe fn forget_zeros(block: *mut libc::c_void) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: asks for a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
        if !page.is_power_of_two() {
            return;
        }
        // SAFETY: the caller says where the block comes from; null has no size.
        let size = unsafe { libc::malloc_usable_size(block) };
        let start = (block as usize).next_multiple_of(page);
        let pages = (block as usize).saturating_add(size).saturating_sub(start) / page;
        let mut empty = 0;
        for number in 0..=pages {
            let at = start + number * page;
            // SAFETY: a whole page of the block; the allocator's own notes lie outside of it.
            let zeros = number < pages
                && unsafe { std::slice::from_raw_parts(at as *const u64, page / 8) }
                    .iter()
                    .all(|word| *word == 0);
            if zeros {
                empty += 1;
            } else if empty > 0 {
                let length = empty * page;
                // SAFETY: pages of private, anonymous memory that are zeros, and which the system fills with zeros when they are touched.
                unsafe { libc::madvise((at - length) as *mut libc::c_void, length, libc::MADV_DONTNEED) };
                empty = 0;
            }
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = block;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mappings_that_read_a_file_are_named() {
        let read = |line: &str| read_only_file(line);
        assert_eq!(
            read("7f00-7f20 r-xp 00001000 fe:00 42   /usr/lib/libx.so.1"),
            Some(Some((0x7f00, 0x20)))
        );
        assert_eq!(
            read("7f00-7f20 r--p 00000000 fe:00 42   /usr/lib/libx.so.1"),
            Some(Some((0x7f00, 0x20)))
        );
        for other in [
            "7f00-7f20 rw-p 00001000 fe:00 42   /usr/lib/libx.so.1",
            "7f00-7f20 r--s 00001000 fe:00 42   /a/file",
            "7f00-7f20 r--p 00000000 00:00 0    [vvar]",
            "7f00-7f20 r--p 00000000 00:00 0",
        ] {
            assert_eq!(read(other), Some(None), "{other}");
        }
        assert_eq!(read("Rss:                   4 kB"), None);
        assert!(named(&std::fs::read_to_string("/proc/self/smaps").unwrap()).len() > 10);
        // This program has threads.
        assert_eq!(unchanged_mappings(), []);
    }

    /// How many whole pages of `block` are in memory.
    fn pages_of(block: &[u8]) -> usize {
        const PAGE: usize = 4096;
        let start = block.as_ptr().addr().next_multiple_of(PAGE);
        let length = (block.as_ptr().addr() + block.len() - start) / PAGE * PAGE;
        let mut there = vec![0_u8; length / PAGE];
        // SAFETY: whole pages of a block that is borrowed, and a byte for each.
        let code = unsafe { libc::mincore(start as *mut libc::c_void, length, there.as_mut_ptr()) };
        assert_eq!(code, 0);
        there.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn pages_of_zeros_are_given_back_and_stay_zeros() {
        let mut block = vec![1_u8; 3 << 20];
        block[1000..2_900_000].fill(0);
        block[2_000_000] = 7;
        assert!(pages_of(&block) > 700);
        // SAFETY: Rust's allocator is the C library's; the block is borrowed here alone.
        unsafe { forget_zeros(block.as_mut_ptr().cast()) };
        assert!(pages_of(&block) < 100, "{} pages of 768", pages_of(&block));
        let mut there = vec![1_u8; 3 << 20];
        there[1000..2_900_000].fill(0);
        there[2_000_000] = 7;
        assert!(block == there);
        let mut small = vec![0_u8; 100];
        // SAFETY: as above.
        unsafe { forget_zeros(small.as_mut_ptr().cast()) };
        // SAFETY: null is no block.
        unsafe { forget_zeros(std::ptr::null_mut()) };
        assert_eq!(small, [0; 100]);
    }
}
