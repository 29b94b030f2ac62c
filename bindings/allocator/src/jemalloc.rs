use std::ffi::CStr;
use std::ptr::null_mut;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What jemalloc reads before it hands out the first block: as many arenas as processors, a quarter of its own choice, because what is free
/// in one is no use to the threads of another; no huge pages, of which all is resident as soon as one byte is; each thread keeps only small
/// blocks for itself, since a recording has one that seldom asks for the same twice; pages that were empty for a second are given back at
/// once.
// SAFETY: the C library has no such symbol; jemalloc declares its own weakly, as a pointer to characters up to a zero.
#[unsafe(export_name = "malloc_conf")]
static CONFIGURATION: &[u8; 80] =
    b"narenas_ratio:1,thp:never,lg_tcache_max:11,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

/// The order to give back the free pages of all arenas.
const PURGE: &CStr = c"arena.4096.purge";

pub(crate) fn purge() {
    // Named, so that the linker takes it along.
    std::hint::black_box(CONFIGURATION);
    // SAFETY: an order without parameters and results; jemalloc takes its own locks, and gives back only pages that nobody has.
    let code = unsafe { tikv_jemalloc_sys::mallctl(PURGE.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
    debug_assert_eq!(code, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that jemalloc keeps.
    fn number<T: Default>(name: &CStr) -> T {
        let (mut value, mut size) = (T::default(), size_of::<T>());
        // SAFETY: a place for a number of that size; nothing is set.
        let code = unsafe {
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                (&raw mut value).cast(),
                &raw mut size,
                null_mut(),
                0,
            )
        };
        assert_eq!((code, size), (0, size_of::<T>()), "{name:?}");
        value
    }

    #[test]
    fn it_is_set_up_as_written_here_and_serves_shared_libraries_too() {
        purge();
        let processors = std::thread::available_parallelism().unwrap().get();
        // One more is jemalloc's own for large blocks.
        let arenas = number::<u32>(c"arenas.narenas") as usize;
        assert!((processors..=processors + 1).contains(&arenas), "{arenas}");
        assert_eq!(number::<isize>(c"opt.dirty_decay_ms"), 1000);
        assert_eq!(number::<usize>(c"arenas.tcache_max"), 2 << 10);

        let before: u64 = number(c"thread.allocated");
        // SAFETY: a string that ends with a zero.
        let copy = std::hint::black_box(unsafe { libc::strdup(c"of a shared library".as_ptr()) });
        let taken = number::<u64>(c"thread.allocated") - before;
        // SAFETY: the block that `strdup` has taken.
        unsafe { libc::free(copy.cast()) };
        assert!((20..64).contains(&taken), "{taken} bytes");
    }

    #[test]
    fn clocks_tell_the_time() {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        assert!(now.as_secs() > 1_700_000_000);
        let clock = |which| {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: a place for a time.
            assert_eq!(unsafe { libc::clock_gettime(which, &raw mut time) }, 0);
            time
        };
        let (coarse, fine) = (clock(libc::CLOCK_MONOTONIC_COARSE), clock(libc::CLOCK_MONOTONIC));
        assert!((0..=1).contains(&(fine.tv_sec - coarse.tv_sec)));
        // SAFETY: no clock has this number; an error is told as the C library tells it.
        assert_eq!(unsafe { libc::clock_gettime(99, std::ptr::null_mut()) }, -1);
    }
}
