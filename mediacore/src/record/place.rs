//! What bytes go where in a recording's file: the pure part of writing and of finishing.
//!
//! ```text
//! while recording   ftyp │ free ─────────────── reserved room ──────────────┤ moov (no samples) │ moof mdat │ moof mdat │ …
//! finished          ftyp │ free(8) │ moov (complete) │ free │ mdat header ──┤ moov (no samples) │ moof mdat │ moof mdat │ …
//! ```
//! The complete `moov` is written inside the room while the `free` box still covers it; then the size of that `free` box is
//! set to 8, one write of four bytes. Before it the file is the fragmented one, after it the progressive one, so there is no
//! moment at which a crash leaves anything else.

use crate::mp4::moov::{TrackTables, complete, ftyp};
use crate::mp4::write::{MDAT_HEADER_LEN, boxed, mdat_header, put_u32};

/// Size of the box header that hides the room, and of the empty box that it becomes.
pub(super) const FREE_HEADER: u64 = 8;

/// The front of a file: `ftyp`, then room up to `header_end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Where the `free` box begins.
    pub start: u64,
    /// Where it ends: the first byte of the `moov` in front of the fragments.
    pub end: u64,
}

impl Room {
    /// Room for `wanted` bytes of `moov`, rounded up so that the media begins on a multiple of `block` (a power of two), which
    /// inserting and sharing of blocks need.
    pub fn new(wanted: u64, block: u64) -> Self {
        let start = ftyp().len() as u64;
        let least = start + FREE_HEADER + MDAT_HEADER_LEN as u64 + wanted.min(MAX_ROOM);
        Self {
            start,
            end: least.next_multiple_of(block.max(8)),
        }
    }

    /// The same room after `more` bytes were inserted at its end.
    pub const fn grown(self, more: u64) -> Self {
        Self {
            start: self.start,
            end: self.end + more,
        }
    }

    /// The first bytes of the file: `ftyp` and the header of `free`. The room itself stays a hole.
    pub fn header(self) -> Vec<u8> {
        let mut out = ftyp();
        out.extend_from_slice(&self.free_header());
        out
    }

    /// The header of the `free` box over the whole room.
    pub fn free_header(self) -> [u8; 8] {
        let mut header = *b"\0\0\0\0free";
        let size = u32::try_from(self.end - self.start).unwrap_or(u32::MAX);
        header[..4].copy_from_slice(&size.to_be_bytes());
        header
    }

    /// Whether a `moov` of `len` bytes fits: exactly, or with at least a box header to spare.
    pub fn fits(self, len: u64) -> bool {
        let room = self.end - self.start - FREE_HEADER;
        let need = len + MDAT_HEADER_LEN as u64;
        need == room || need + FREE_HEADER <= room
    }

    /// By how many bytes (a multiple of `block`) the room must grow for a `moov` of `len` bytes.
    pub fn missing(self, len: u64, block: u64) -> u64 {
        let need = self.start + FREE_HEADER + len + MDAT_HEADER_LEN as u64 + FREE_HEADER;
        need.saturating_sub(self.end).next_multiple_of(block)
    }

    /// What stands between the `free` header and the media: `moov`, padding, and the header of an `mdat` that hides
    /// `payload` bytes. The `moov` must fit.
    pub fn fill(self, moov: &[u8], payload: u64) -> Vec<u8> {
        let len = usize::try_from(self.end - self.start - FREE_HEADER).unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(moov);
        let pad = len.saturating_sub(moov.len() + MDAT_HEADER_LEN);
        if pad > 0 {
            boxed(&mut out, b"free", |out| {
                out.resize(out.len() + pad.saturating_sub(8), 0)
            });
        }
        out.extend_from_slice(&mdat_header(payload));
        out
    }
}

/// No room is larger: the `free` box has a 32-bit size, and a `moov` for a week stays below it.
const MAX_ROOM: u64 = 1 << 30;

/// The `free` box after the switch: empty, so that what follows is seen.
pub(super) fn empty_free_size() -> [u8; 4] {
    8u32.to_be_bytes()
}

/// Whether chunk offsets need 64 bits when the media ends at `media_end` and moves up by what the `moov` needs.
pub(super) fn is_wide(tracks: &[TrackTables], media_end: u64) -> bool {
    let moov: u64 = tracks
        .iter()
        .map(|track| track.tables.len() as u64 * 16 + 4096)
        .sum();
    media_end.saturating_add(moov).saturating_add(1 << 21) > u64::from(u32::MAX)
}

/// The `moov` for media that moves by `shift` (two's complement).
pub(super) fn moov(tracks: &[TrackTables], media_end: u64, shift: u64) -> Vec<u8> {
    complete(tracks, shift, is_wide(tracks, media_end))
}

/// The front of a new file into which the media is copied: everything up to the media, which begins on a multiple of `block`.
pub(super) fn copied_front(tracks: &[TrackTables], media: std::ops::Range<u64>, block: u64) -> Vec<u8> {
    let len = moov(tracks, media.end, 0).len() as u64;
    let mut room = Room::new(len, block);
    if !room.fits(len) {
        room = room.grown(block.max(8));
    }
    // Two's complement: the media moves down when the old room was larger than the `moov` needs.
    let moov = moov(tracks, media.end, room.end.wrapping_sub(media.start));
    let mut out = ftyp();
    put_u32(&mut out, 8);
    out.extend_from_slice(b"free");
    out.extend_from_slice(&room.fill(&moov, media.end - media.start));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_filled_to_the_byte_or_not_at_all() {
        for len in 0..9000u64 {
            let mut room = Room::new(4000, 4096);
            if !room.fits(len) {
                let more = room.missing(len, 4096);
                assert!(more > 0 && more.is_multiple_of(4096), "{len}");
                room = room.grown(more);
            }
            assert!(room.fits(len), "{len}");
            let filled = room.fill(&vec![7; len as usize], 1000);
            assert_eq!(filled.len() as u64, room.end - room.start - 8, "{len}");
            assert_eq!(&filled[filled.len() - 16..], &mdat_header(1000));
            let free = &filled[len as usize..filled.len() - 16];
            if !free.is_empty() {
                assert_eq!(
                    free.len(),
                    u32::from_be_bytes(free[..4].try_into().unwrap()) as usize
                );
            }
        }
    }
}
