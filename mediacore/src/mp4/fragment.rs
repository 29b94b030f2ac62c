//! One fragment: `moof` and `mdat`, and the sample rows that the journal and the final `moov` share with it.

use bytes::Bytes;

use super::write::{boxed, full_boxed, put_i32, put_u32, put_u64};

/// What an MP4 says about one sample, in ticks of its track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SampleRow {
    /// Bytes.
    pub size: u32,
    /// Time to the next sample's decoding.
    pub duration: u32,
    /// Composition time less decoding time; may be negative.
    pub composition: i32,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// Consecutive samples of one track whose bytes lie one after the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// `track_ID`, from 1.
    pub track: u32,
    /// Decoding time of the first sample (`baseMediaDecodeTime`).
    pub dts: u64,
    /// The samples in decoding order.
    pub rows: Vec<SampleRow>,
}

impl Run {
    /// Bytes of all samples.
    pub fn size(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.size)).sum()
    }

    /// Ticks of all samples.
    pub fn duration(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.duration)).sum()
    }
}

/// A fragment ready to be written: its rows, and its bytes in pieces that need not be joined.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// One run per track, in the order of their bytes.
    pub runs: Vec<Run>,
    /// `moof` and the header of `mdat`.
    pub head: Vec<u8>,
    /// The samples' bytes, run after run.
    pub payload: Vec<Bytes>,
    /// Bytes of head and payload.
    pub len: u64,
    /// CRC-32C of the whole fragment as written.
    pub crc: u32,
}

impl Fragment {
    /// Lays out a fragment (ISO/IEC 14496-12, 8.8): relative to its own start, so that it can be moved.
    ///
    /// `payload` holds the bytes of `runs` in order; its length must be the rows' and stay below 4 GiB, which the
    /// cutter's limits see to. The last box of the `moof` is a `free` with a CRC-32C over everything else, so that
    /// a fragment can be trusted after a power cut without the journal.
    pub fn new(sequence: u32, runs: Vec<Run>, payload: Vec<Bytes>) -> Self {
        let payload_len: u64 = payload.iter().map(|piece| piece.len() as u64).sum();
        debug_assert_eq!(payload_len, runs.iter().map(Run::size).sum::<u64>());
        let mut head = Vec::with_capacity(256 + runs.iter().map(|run| run.rows.len() * 16).sum::<usize>());
        let mut data_offsets = Vec::with_capacity(runs.len());
        boxed(&mut head, b"moof", |out| {
            full_boxed(out, b"mfhd", 0, 0, |out| put_u32(out, sequence));
            for run in &runs {
                write_traf(out, run, &mut data_offsets);
            }
            boxed(out, b"free", |out| {
                out.extend_from_slice(CRC_MAGIC);
                put_u32(out, 0);
            });
        });
        let mut position = head.len() as u64 + 8;
        for (run, at) in runs.iter().zip(&data_offsets) {
            let offset = i32::try_from(position).unwrap_or(i32::MAX);
            head[*at..*at + 4].copy_from_slice(&offset.to_be_bytes());
            position += run.size();
        }
        let moof_len = head.len();
        put_u32(&mut head, u32::try_from(payload_len + 8).unwrap_or(u32::MAX));
        head.extend_from_slice(b"mdat");

        let inner = inner_crc(
            &head[..moof_len],
            &head[moof_len..],
            payload.iter().map(|piece| &piece[..]),
        );
        head[moof_len - 4..moof_len].copy_from_slice(&inner.to_be_bytes());
        let crc = payload.iter().fold(crc32c::crc32c(&head), |crc, piece| {
            crc32c::crc32c_append(crc, piece)
        });
        let len = head.len() as u64 + payload_len;
        Self {
            runs,
            head,
            payload,
            len,
            crc,
        }
    }
}

/// Marks the `free` box whose last four bytes are the fragment's own CRC.
pub const CRC_MAGIC: &[u8; 4] = b"mscr";

/// The CRC that a fragment carries: over `moof` without its last four bytes, then the `mdat` header and payload.
pub fn inner_crc<'a>(moof: &[u8], mdat_header: &[u8], payload: impl Iterator<Item = &'a [u8]>) -> u32 {
    let crc = crc32c::crc32c(&moof[..moof.len().saturating_sub(4)]);
    payload.fold(crc32c::crc32c_append(crc, mdat_header), crc32c::crc32c_append)
}

/// Sample flags (ISO/IEC 14496-12, 8.8.3.1) of a sample that depends on no other.
pub const FLAGS_SYNC: u32 = 0x0200_0000;
/// Sample flags of a sample that can't be decoded alone.
pub const FLAGS_NON_SYNC: u32 = 0x0101_0000;

fn write_traf(out: &mut Vec<u8>, run: &Run, data_offsets: &mut Vec<usize>) {
    let first = run.rows.first().copied().unwrap_or(EMPTY_ROW);
    let rest = run.rows.get(1..).unwrap_or_default();
    let same_duration = rest.iter().all(|row| row.duration == first.duration);
    let same_size = rest.iter().all(|row| row.size == first.size);
    let composed = run.rows.iter().any(|row| row.composition != 0);
    let rest_sync = rest.first().is_none_or(|row| row.sync);
    let same_flags = rest.iter().all(|row| row.sync == rest_sync);

    boxed(out, b"traf", |out| {
        let mut flags = 0x02_0000 | 0x20;
        flags |= if same_duration { 0x08 } else { 0 };
        flags |= if same_size { 0x10 } else { 0 };
        full_boxed(out, b"tfhd", 0, flags, |out| {
            put_u32(out, run.track);
            if same_duration {
                put_u32(out, first.duration);
            }
            if same_size {
                put_u32(out, first.size);
            }
            put_u32(out, sample_flags(rest_sync));
        });
        full_boxed(out, b"tfdt", 1, 0, |out| put_u64(out, run.dts));

        let first_flags = same_flags && first.sync != rest_sync;
        let mut flags = 0x01;
        flags |= if first_flags { 0x04 } else { 0 };
        flags |= if same_duration { 0 } else { 0x100 };
        flags |= if same_size { 0 } else { 0x200 };
        flags |= if same_flags { 0 } else { 0x400 };
        flags |= if composed { 0x800 } else { 0 };
        full_boxed(out, b"trun", 1, flags, |out| {
            put_u32(out, u32::try_from(run.rows.len()).unwrap_or(u32::MAX));
            data_offsets.push(out.len());
            put_u32(out, 0);
            if first_flags {
                put_u32(out, sample_flags(first.sync));
            }
            for row in &run.rows {
                if !same_duration {
                    put_u32(out, row.duration);
                }
                if !same_size {
                    put_u32(out, row.size);
                }
                if !same_flags {
                    put_u32(out, sample_flags(row.sync));
                }
                if composed {
                    put_i32(out, row.composition);
                }
            }
        });
    });
}

const EMPTY_ROW: SampleRow = SampleRow {
    size: 0,
    duration: 0,
    composition: 0,
    sync: true,
};

const fn sample_flags(sync: bool) -> u32 {
    if sync { FLAGS_SYNC } else { FLAGS_NON_SYNC }
}
