//! Fragments that reached the disk and not the journal: read back from their own `moof`, believed by their own CRC.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::clock::WallTime;
use crate::mp4::fragment::{CRC_MAGIC, Run, SampleRow};

use super::journal::FragmentRecord;

/// A `moof` is some kilobytes long; ours never come near this.
const MAX_MOOF: u32 = 16 << 20;
/// A fragment's media is bounded by the cutter; a longer one is not ours.
const MAX_MDAT: u32 = 1 << 30;

/// The whole, undamaged fragment at `offset`, or `None` when there is none (the end, or one that was being written).
pub(super) fn fragment_at(file: &File, offset: u64, end: u64) -> io::Result<Option<FragmentRecord>> {
    let Some(moof) = read_box(file, offset, end, b"moof", MAX_MOOF)? else {
        return Ok(None);
    };
    let mdat_at = offset + moof.len() as u64;
    let Some(mdat) = read_box(file, mdat_at, end, b"mdat", MAX_MDAT)? else {
        return Ok(None);
    };
    let (header, payload) = mdat.split_at(8);
    let carried = moof.last_chunk::<4>().map(|crc| u32::from_be_bytes(*crc));
    let marked = moof.len() > 16 && &moof[moof.len() - 8..moof.len() - 4] == CRC_MAGIC;
    let computed = crate::mp4::fragment::inner_crc(&moof, header, std::iter::once(payload));
    if !marked || carried != Some(computed) {
        return Ok(None);
    }
    let Some(runs) = runs_of(&moof) else {
        return Ok(None);
    };
    let size = runs.iter().map(Run::size).fold(0u64, u64::saturating_add);
    if size != payload.len() as u64 {
        return Ok(None);
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&moof), &mdat);
    Ok(Some(FragmentRecord {
        offset,
        len: (moof.len() + mdat.len()) as u64,
        head: u32::try_from(moof.len() + 8).unwrap_or(u32::MAX),
        crc,
        wall: WallTime(0),
        runs,
    }))
}

/// Whether the bytes of a fragment are those that the journal saw.
pub(super) fn matches_crc(file: &File, fragment: &FragmentRecord) -> io::Result<bool> {
    let mut crc = 0;
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    while at < fragment.len {
        let some = usize::try_from(fragment.len - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        match file.read_exact_at(&mut buffer[..some], fragment.offset + at) {
            Ok(()) => crc = crc32c::crc32c_append(crc, &buffer[..some]),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        at += some as u64;
    }
    Ok(crc == fragment.crc)
}

/// The type of the box at `offset`, when there is one.
pub(super) fn box_type_at(file: &File, offset: u64) -> io::Result<Option<(u32, [u8; 4])>> {
    let mut header = [0; 8];
    match file.read_exact_at(&mut header, offset) {
        Ok(()) => {
            let [a, b, c, d, kind @ ..] = header;
            Ok(Some((u32::from_be_bytes([a, b, c, d]), kind)))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_box(file: &File, offset: u64, end: u64, kind: &[u8; 4], limit: u32) -> io::Result<Option<Vec<u8>>> {
    let Some((size, found)) = box_type_at(file, offset)? else {
        return Ok(None);
    };
    let fits = offset
        .checked_add(u64::from(size))
        .is_some_and(|box_end| box_end <= end);
    if found != *kind || size < 8 || size > limit || !fits {
        return Ok(None);
    }
    // Bounded by the file's own length, which was checked above.
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(Some(bytes))
}

/// The runs of a `moof` as [`Fragment`](crate::mp4::Fragment) writes it.
fn runs_of(moof: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    for (kind, body) in Boxes(moof.get(8..)?) {
        if &kind == b"traf" {
            runs.push(run_of(body)?);
        }
    }
    Some(runs)
}

fn run_of(traf: &[u8]) -> Option<Run> {
    let mut run = Run {
        track: 0,
        dts: 0,
        rows: Vec::new(),
    };
    let (mut duration, mut size, mut flags) = (0, 0, 0);
    for (kind, body) in Boxes(traf) {
        let mut input = Numbers(body);
        let full = input.u32()? & 0x00ff_ffff;
        match &kind {
            b"tfhd" => {
                run.track = input.u32()?;
                duration = if full & 0x08 != 0 { input.u32()? } else { 0 };
                size = if full & 0x10 != 0 { input.u32()? } else { 0 };
                flags = if full & 0x20 != 0 { input.u32()? } else { 0 };
            }
            b"tfdt" => run.dts = u64::from(input.u32()?) << 32 | u64::from(input.u32()?),
            b"trun" => {
                let count = input.u32()?;
                input.u32()?;
                let mut first_flags = if full & 0x04 != 0 {
                    Some(input.u32()?)
                } else {
                    None
                };
                // Rows without a field of their own take no bytes, so the count is bounded by itself.
                if count > MAX_ROWS {
                    return None;
                }
                for _ in 0..count {
                    let duration = if full & 0x100 != 0 { input.u32()? } else { duration };
                    let size = if full & 0x200 != 0 { input.u32()? } else { size };
                    let own = if full & 0x400 != 0 { input.u32()? } else { flags };
                    let composition = if full & 0x800 != 0 {
                        input.u32()?.cast_signed()
                    } else {
                        0
                    };
                    let sync = first_flags.take().unwrap_or(own) & 0x0001_0000 == 0;
                    run.rows.push(SampleRow {
                        size,
                        duration,
                        composition,
                        sync,
                    });
                }
            }
            _ => {}
        }
    }
    (run.track != 0).then_some(run)
}

/// More samples than any fragment of ours has.
const MAX_ROWS: u32 = 1 << 20;

struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        let [a, b, c, d, kind @ ..] = *head;
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d]))
            .ok()?
            .checked_sub(8)?;
        let (body, rest) = rest.split_at_checked(size)?;
        self.0 = rest;
        Some((kind, body))
    }
}

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (value, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*value))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;

    use super::*;
    use crate::mp4::Fragment;

    fn fragment() -> Fragment {
        let row = |size, duration, composition, sync| SampleRow {
            size,
            duration,
            composition,
            sync,
        };
        let video = Run {
            track: 1,
            dts: 9000,
            rows: vec![row(5, 3000, 0, true), row(3, 3000, -1, false)],
        };
        let audio = Run {
            track: 2,
            dts: 4800,
            rows: vec![row(2, 1024, 0, true); 3],
        };
        let payload = vec![
            Bytes::from_static(b"aaaaa"),
            Bytes::from_static(b"bbb"),
            Bytes::from_static(b"ccddee"),
        ];
        Fragment::new(7, vec![video, audio], payload)
    }

    fn file_with(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn bytes_of(fragment: &Fragment) -> Vec<u8> {
        let mut bytes = fragment.head.clone();
        fragment
            .payload
            .iter()
            .for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    #[test]
    fn a_fragment_is_read_back_as_it_was_laid_out() {
        let fragment = fragment();
        let bytes = bytes_of(&fragment);
        assert_eq!(bytes.len() as u64, fragment.len);
        let mut padded = vec![0; 100];
        padded.extend_from_slice(&bytes);
        let file = file_with(&padded);
        let found = fragment_at(&file, 100, padded.len() as u64).unwrap().unwrap();
        assert_eq!(found.runs, fragment.runs);
        assert_eq!((found.len, found.crc), (fragment.len, fragment.crc));
        assert!(matches_crc(&file, &found).unwrap());
    }

    #[test]
    fn a_torn_or_changed_fragment_is_not_believed() {
        let bytes = bytes_of(&fragment());
        for cut in 0..bytes.len() {
            let file = file_with(&bytes[..cut]);
            assert_eq!(fragment_at(&file, 0, cut as u64).unwrap(), None, "cut at {cut}");
            let mut changed = bytes.clone();
            changed[cut] ^= 1;
            let file = file_with(&changed);
            assert_eq!(
                fragment_at(&file, 0, bytes.len() as u64).unwrap(),
                None,
                "changed at {cut}"
            );
        }
    }
}
