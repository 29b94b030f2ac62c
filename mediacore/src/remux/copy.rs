//! Copies ranges of one file to another, inside the kernel where it can.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::copy_file_range;
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::ReadAt;
use crate::source::{Interrupt, stopped};

/// Bytes between two looks at the interrupt; a multiple of every block size.
const SLICE: u64 = 32 << 20;
/// Ranges shorter than this are gathered before they are written.
const SMALL: u64 = 128 << 10;
const WINDOW: usize = 1 << 20;

/// Ranges of a file in ascending order, none touching another, and where each goes in what is copied.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extents {
    ranges: Vec<Range<u64>>,
    /// Bytes of all ranges before each.
    starts: Vec<u64>,
    total: u64,
}

impl Extents {
    /// The union of `ranges`. When these are nearly all of what lies between the first and the last byte, that is taken whole.
    pub(crate) fn of(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.retain(|range| range.start < range.end);
        ranges.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        if let (Some(first), Some(last)) = (merged.first(), merged.last()) {
            let whole = first.start..last.end;
            let wanted: u64 = merged.iter().map(|range| range.end - range.start).sum();
            if u128::from(wanted) * 100 >= u128::from(whole.end - whole.start) * 95 {
                merged = vec![whole];
            }
        }
        let mut total = 0;
        let starts = merged
            .iter()
            .map(|range| {
                let start = total;
                total += range.end - range.start;
                start
            })
            .collect();
        Self {
            ranges: merged,
            starts,
            total,
        }
    }

    /// Bytes of all.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The first byte of the first range; 0 when there is none.
    pub(crate) fn first(&self) -> u64 {
        self.ranges.first().map_or(0, |range| range.start)
    }

    /// Where the byte at `offset` of the file goes, counted from the first one copied.
    pub(crate) fn place(&self, offset: u64) -> u64 {
        let after = self.ranges.partition_point(|range| range.start <= offset);
        let index = after.saturating_sub(1);
        match (self.ranges.get(index), self.starts.get(index)) {
            (Some(range), Some(start)) => start.saturating_add(offset.saturating_sub(range.start)),
            _ => 0,
        }
    }

    /// Copies all to `to`, from `at` on; `told` hears how many bytes are done.
    pub(crate) fn copy(
        &self,
        from: &File,
        to: &File,
        at: u64,
        interrupt: &Interrupt,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut window = Window::default();
        let mut gathered = Vec::new();
        let mut gathered_at = at;
        let mut until_told = SLICE;
        for (range, start) in self.ranges.iter().zip(&self.starts) {
            let out = at + start;
            let len = range.end - range.start;
            if len >= SMALL {
                flush(&mut gathered, to, gathered_at)?;
                copy_range(from, to, range.clone(), out, interrupt, &mut |done| {
                    told(start + done)
                })?;
                gathered_at = out + len;
                continue;
            }
            window.append(from, range.clone(), &mut gathered)?;
            if gathered.len() >= WINDOW {
                let written = gathered.len() as u64;
                flush(&mut gathered, to, gathered_at)?;
                gathered_at += written;
                until_told = until_told.saturating_sub(written);
                if until_told == 0 {
                    stopped(interrupt, || "copy the media".to_owned())?;
                    told(start + len);
                    until_told = SLICE;
                }
            }
        }
        flush(&mut gathered, to, gathered_at)?;
        told(self.total);
        stopped(interrupt, || "copy the media".to_owned())
    }
}

fn flush(gathered: &mut Vec<u8>, to: &File, at: u64) -> Result<()> {
    to.write_all_at(gathered, at).map_err(write_failed)?;
    gathered.clear();
    Ok(())
}

fn copy_range(
    from: &File,
    to: &File,
    range: Range<u64>,
    mut out: u64,
    interrupt: &Interrupt,
    told: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut at = range.start;
    let mut in_kernel = true;
    let mut buffer = Vec::new();
    while at < range.end {
        stopped(interrupt, || "copy the media".to_owned())?;
        // Slices end on a block of the input, which sharing of blocks needs.
        let slice = (SLICE - at % 4096).min(range.end - at);
        let copied = if in_kernel {
            let (mut read_at, mut write_at) = (at, out);
            let len = usize::try_from(slice).unwrap_or(usize::MAX);
            match copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), len) {
                Ok(copied) => copied as u64,
                Err(Errno::INTR) => continue,
                Err(
                    Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF,
                ) => {
                    in_kernel = false;
                    continue;
                }
                Err(error) => return Err(write_failed(error.into())),
            }
        } else {
            buffer.resize(WINDOW, 0);
            let len = usize::try_from(slice).unwrap_or(usize::MAX).min(WINDOW);
            let piece = &mut buffer[..len];
            let read = from.read_full_at(piece, at).map_err(read_failed)?;
            to.write_all_at(&piece[..read], out).map_err(write_failed)?;
            read as u64
        };
        if copied == 0 {
            return Err(too_short(at));
        }
        at += copied;
        out += copied;
        told(at - range.start);
    }
    Ok(())
}

/// A piece of the input in memory, so that many short ranges need few reads.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// Appends a range, which must be shorter than the window.
    fn append(&mut self, from: &File, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        if range.start < self.start || range.end > self.start + self.bytes.len() as u64 {
            self.bytes.resize(WINDOW, 0);
            let read = from
                .read_full_at(&mut self.bytes, range.start)
                .map_err(read_failed)?;
            self.bytes.truncate(read);
            self.start = range.start;
        }
        let index = |offset: u64| usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let piece = self.bytes.get(index(range.start)..index(range.end));
        out.extend_from_slice(piece.ok_or_else(|| too_short(range.end))?);
        Ok(())
    }
}

fn too_short(at: u64) -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("the input became shorter than {at} bytes while it was read"),
    )
}

fn read_failed(error: io::Error) -> Error {
    Error::storage("read the input's media", error)
}

fn write_failed(error: io::Error) -> Error {
    Error::storage("write the media", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_where_it_was_put() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3_000_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let path = folder.path().join("in");
        std::fs::write(&path, &bytes).unwrap();
        let from = File::open(&path).unwrap();
        let small = |n: u64| n * 1000..n * 1000 + 300;
        let mut ranges: Vec<_> = (0..1500).map(small).collect();
        ranges.extend([1_600_000..2_000_001, 1_900_000..2_100_000, 2_900_000..2_900_000]);
        let wanted = ranges.clone();
        let extents = Extents::of(ranges);
        assert_eq!(extents.total(), 1500 * 300 + 500_000);
        let to = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.path().join("out"))
            .unwrap();
        let mut last = 0;
        extents
            .copy(&from, &to, 77, &Interrupt::new(), &mut |done| last = done)
            .unwrap();
        assert_eq!(last, extents.total());
        assert_eq!(to.metadata().unwrap().len(), 77 + extents.total());
        for range in wanted.into_iter().filter(|range| !range.is_empty()) {
            let mut copied = vec![0; usize::try_from(range.end - range.start).unwrap()];
            to.read_exact_at(&mut copied, 77 + extents.place(range.start))
                .unwrap();
            assert_eq!(
                copied,
                &bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
            );
        }
    }

    #[test]
    fn little_between_the_ranges_is_taken_with_them() {
        let extents = Extents::of(vec![100..200, 205..300]);
        assert_eq!((extents.total(), extents.place(205)), (200, 105));
        let extents = Extents::of(vec![100..200, 305..400]);
        assert_eq!((extents.total(), extents.place(305)), (195, 100));
    }

    #[test]
    fn an_interrupt_stops_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        let (from, to) = (
            File::open(&path).unwrap(),
            File::create(folder.path().join("out")).unwrap(),
        );
        let interrupt = Interrupt::new();
        interrupt.cancel();
        let copied =
            Extents::of(std::iter::once(0..1 << 20).collect()).copy(&from, &to, 0, &interrupt, &mut |_| ());
        assert_eq!(copied.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
