//! The journal beside a recording: recovery log, index of the growing file, list of gaps, and source of the final `moov`.
//!
//! An append-only file `<recording>.journal`: eight bytes of magic, then records of
//! `length: u32 · type: u8 · payload · crc32c: u32` (big endian). The CRC covers type, payload and the record's own
//! position, so a torn, stale or misplaced record ends the journal instead of misleading it. Numbers inside payloads are
//! LEB128 varints. A fragment's record is written only after the fragment itself has been synced: what stands here is durable.

use std::io::{self, Read};
use std::time::Duration;

use crate::clock::WallTime;
use crate::codec::{Kind, Language, Rotation};
use crate::mp4::moov::MovieTrack;
use crate::mp4::{Run, SampleRow};
use crate::time::Timescale;

use super::varint::{Cursor, put_bytes, put_signed, put_varint};

/// The first bytes of every journal; the last one is the format's version.
pub const MAGIC: &[u8; 8] = b"MSJRNL\0\x01";

/// No record is longer: a fragment of two seconds has some hundreds of rows, each a few bytes.
const MAX_RECORD: u32 = 16 << 20;

/// One entry of the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Record {
    /// The recording begins.
    Begin {
        /// Where the `moov` in front of the fragments lies in the file: the end of the reserved room.
        header_end: u64,
        /// Which part of the recording this is, from 1.
        part: u32,
        /// When.
        wall: WallTime,
    },
    /// A track, before its first sample. It may come later than the first fragment.
    Track {
        /// What the final `moov` needs.
        track: MovieTrack,
        /// Decoding time in the file, in ticks of the track, that stands for the movie's zero.
        start: u64,
    },
    /// A fragment that is on the disk.
    Fragment(FragmentRecord),
    /// Media that is missing.
    Gap(GapRecord),
    /// Room of `len` bytes is about to be inserted at `at` of a file of `size_before` bytes.
    Insert {
        /// Where, in bytes.
        at: u64,
        /// How much, in bytes.
        len: u64,
        /// The file's length before.
        size_before: u64,
    },
}

/// A fragment that is on the disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FragmentRecord {
    /// Where its `moof` lies in the file (before any room was inserted in front).
    pub offset: u64,
    /// Bytes of `moof` and `mdat`.
    pub len: u64,
    /// Bytes of `moof` and the header of `mdat`.
    pub head: u32,
    /// CRC-32C of its bytes.
    pub crc: u32,
    /// When its last packet came.
    pub wall: WallTime,
    /// Its samples.
    pub runs: Vec<Run>,
}

impl FragmentRecord {
    /// Each run with the offset of its first byte in the file.
    pub fn placed_runs(&self) -> impl Iterator<Item = (u64, &Run)> {
        let mut offset = self.offset.saturating_add(u64::from(self.head));
        self.runs.iter().map(move |run| {
            let at = offset;
            offset = offset.saturating_add(run.size());
            (at, run)
        })
    }
}

/// Media that is missing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GapRecord {
    /// Where on the recording's timeline, from the beginning of the whole recording.
    pub at: Duration,
    /// How much is missing.
    pub length: Duration,
    /// Why, in words.
    pub cause: String,
    /// `track_ID` when only one track has it.
    pub track: Option<u32>,
}

impl Record {
    /// The record as it stands at `position` of the journal.
    pub fn encode(&self, position: u64) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.push(self.tag());
        self.encode_payload(&mut out);
        let len = u32::try_from(out.len() - 5).unwrap_or(u32::MAX);
        out[..4].copy_from_slice(&len.to_be_bytes());
        let crc = checksum(position, &out[4..]);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::Begin { .. } => 1,
            Self::Track { .. } => 2,
            Self::Fragment(_) => 3,
            Self::Gap(_) => 4,
            Self::Insert { .. } => 5,
        }
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Begin {
                header_end,
                part,
                wall,
            } => {
                put_varint(out, *header_end);
                put_varint(out, u64::from(*part));
                put_signed(out, wall.0);
            }
            Self::Track { track, start } => encode_track(out, track, *start),
            Self::Fragment(fragment) => encode_fragment(out, fragment),
            Self::Gap(gap) => {
                put_varint(out, nanos(gap.at));
                put_varint(out, nanos(gap.length));
                put_varint(out, u64::from(gap.track.unwrap_or(0)));
                put_bytes(out, gap.cause.as_bytes());
            }
            Self::Insert { at, len, size_before } => {
                for value in [at, len, size_before] {
                    put_varint(out, *value);
                }
            }
        }
    }

    fn decode(tag: u8, payload: &[u8]) -> Option<Self> {
        let mut input = Cursor::new(payload);
        let record = match tag {
            1 => Self::Begin {
                header_end: input.varint()?,
                part: input.u32()?,
                wall: WallTime(input.signed()?),
            },
            2 => decode_track(&mut input)?,
            3 => Self::Fragment(decode_fragment(&mut input)?),
            4 => Self::Gap(GapRecord {
                at: Duration::from_nanos(input.varint()?),
                length: Duration::from_nanos(input.varint()?),
                track: Some(input.u32()?).filter(|id| *id != 0),
                cause: String::from_utf8(input.bytes()?.to_vec()).ok()?,
            }),
            5 => Self::Insert {
                at: input.varint()?,
                len: input.varint()?,
                size_before: input.varint()?,
            },
            _ => return None,
        };
        input.is_empty().then_some(record)
    }
}

fn encode_track(out: &mut Vec<u8>, track: &MovieTrack, start: u64) {
    put_varint(out, u64::from(track.id));
    out.push(match track.kind {
        Kind::Video => 0,
        Kind::Audio => 1,
    });
    put_varint(out, u64::from(track.timescale.get()));
    put_varint(out, u64::from(track.display.0));
    put_varint(out, u64::from(track.display.1));
    put_varint(out, u64::from(track.language.to_packed()));
    out.push(match track.rotation {
        Rotation::None => 0,
        Rotation::Clockwise90 => 1,
        Rotation::Half => 2,
        Rotation::Clockwise270 => 3,
    });
    put_varint(out, start);
    put_bytes(out, &track.entry);
}

fn decode_track(input: &mut Cursor<'_>) -> Option<Record> {
    let id = input.u32()?;
    let kind = match input.byte()? {
        0 => Kind::Video,
        1 => Kind::Audio,
        _ => return None,
    };
    let timescale = Timescale::new(input.u32()?)?;
    let display = (input.u32()?, input.u32()?);
    let packed = u16::try_from(input.varint()?).ok()?;
    let language = Language::from_packed(packed);
    if language.to_packed() != packed {
        return None;
    }
    let rotation = match input.byte()? {
        0 => Rotation::None,
        1 => Rotation::Clockwise90,
        2 => Rotation::Half,
        3 => Rotation::Clockwise270,
        _ => return None,
    };
    let start = input.varint()?;
    let entry = input.bytes()?.to_vec();
    Some(Record::Track {
        track: MovieTrack {
            id,
            kind,
            timescale,
            entry,
            display,
            language,
            rotation,
        },
        start,
    })
}

fn encode_fragment(out: &mut Vec<u8>, fragment: &FragmentRecord) {
    put_varint(out, fragment.offset);
    put_varint(out, fragment.len);
    put_varint(out, u64::from(fragment.head));
    put_varint(out, u64::from(fragment.crc));
    put_signed(out, fragment.wall.0);
    put_varint(out, fragment.runs.len() as u64);
    for run in &fragment.runs {
        put_varint(out, u64::from(run.track));
        put_varint(out, run.dts);
        put_varint(out, run.rows.len() as u64);
        let mut last = SampleRow {
            size: 0,
            duration: 0,
            composition: 0,
            sync: false,
        };
        for row in &run.rows {
            put_varint(out, u64::from(row.size) << 1 | u64::from(row.sync));
            put_signed(out, i64::from(row.duration) - i64::from(last.duration));
            put_signed(out, i64::from(row.composition) - i64::from(last.composition));
            last = *row;
        }
    }
}

fn decode_fragment(input: &mut Cursor<'_>) -> Option<FragmentRecord> {
    let (offset, len) = (input.varint()?, input.varint()?);
    let (head, crc) = (input.u32()?, input.u32()?);
    let wall = WallTime(input.signed()?);
    let mut runs = Vec::new();
    for _ in 0..input.varint()? {
        let (track, dts, count) = (input.u32()?, input.varint()?, input.varint()?);
        if count > input.remaining() as u64 {
            return None;
        }
        let mut rows = Vec::new();
        let mut last = SampleRow {
            size: 0,
            duration: 0,
            composition: 0,
            sync: false,
        };
        for _ in 0..count {
            let size = input.varint()?;
            last = SampleRow {
                size: u32::try_from(size >> 1).ok()?,
                sync: size & 1 == 1,
                duration: u32::try_from(i64::from(last.duration).checked_add(input.signed()?)?).ok()?,
                composition: i32::try_from(i64::from(last.composition).checked_add(input.signed()?)?).ok()?,
            };
            rows.push(last);
        }
        runs.push(Run { track, dts, rows });
    }
    let fragment = FragmentRecord {
        offset,
        len,
        head,
        crc,
        wall,
        runs,
    };
    let bytes = fragment
        .runs
        .iter()
        .map(Run::size)
        .fold(u64::from(head), u64::saturating_add);
    (bytes == len && offset.checked_add(len).is_some()).then_some(fragment)
}

/// Reads a journal record by record, and stops for good at its torn end.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    position: u64,
    torn: bool,
}

impl<R: Read> Reader<R> {
    /// Checks the magic; `None` when this is no journal of ours, or an empty one.
    pub fn new(mut input: R) -> io::Result<Option<Self>> {
        let mut magic = [0; MAGIC.len()];
        Ok(match input.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => Some(Self {
                input,
                position: MAGIC.len() as u64,
                torn: false,
            }),
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        })
    }

    /// The next record; `None` at the end, be it the journal's or the last whole record's.
    pub fn read(&mut self) -> io::Result<Option<Record>> {
        if self.torn {
            return Ok(None);
        }
        match self.read_whole() {
            Ok(Some(record)) => Ok(Some(record)),
            Ok(None) => {
                self.torn = true;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.torn = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where the next record would stand: the length of everything that was read whole.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn read_whole(&mut self) -> io::Result<Option<Record>> {
        let mut head = [0; 5];
        self.input.read_exact(&mut head)?;
        let [a, b, c, d, tag] = head;
        let len = u32::from_be_bytes([a, b, c, d]);
        if len > MAX_RECORD {
            return Ok(None);
        }
        let mut body = vec![tag];
        (&mut self.input).take(u64::from(len)).read_to_end(&mut body)?;
        let mut crc = [0; 4];
        self.input.read_exact(&mut crc)?;
        if body.len() != len as usize + 1 || checksum(self.position, &body) != u32::from_be_bytes(crc) {
            return Ok(None);
        }
        let record = Record::decode(tag, &body[1..]);
        if record.is_some() {
            self.position += u64::from(len) + 9;
        }
        Ok(record)
    }
}

fn checksum(position: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.to_be_bytes()), body)
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Record> {
        let rows = vec![
            SampleRow {
                size: 70_000,
                duration: 3000,
                composition: 6000,
                sync: true,
            },
            SampleRow {
                size: 900,
                duration: 3000,
                composition: -3000,
                sync: false,
            },
        ];
        vec![
            Record::Begin {
                header_end: 65536,
                part: 1,
                wall: WallTime(1_790_000_000_000_000),
            },
            Record::Track {
                track: MovieTrack {
                    id: 1,
                    kind: Kind::Video,
                    timescale: Timescale::MPEG,
                    entry: b"\0\0\0\x08avc1".to_vec(),
                    display: (640, 360),
                    language: Language::new("deu"),
                    rotation: Rotation::Half,
                },
                start: 6000,
            },
            Record::Fragment(FragmentRecord {
                offset: 70_000,
                len: 71_000,
                head: 100,
                crc: 0xdead_beef,
                wall: WallTime(-5),
                runs: vec![Run {
                    track: 1,
                    dts: 9000,
                    rows,
                }],
            }),
            Record::Gap(GapRecord {
                at: Duration::from_millis(12_345),
                length: Duration::from_secs(20),
                cause: "connection reset".into(),
                track: None,
            }),
            Record::Insert {
                at: 65536,
                len: 4096,
                size_before: 1 << 33,
            },
        ]
    }

    fn journal(records: &[Record]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for record in records {
            let encoded = record.encode(bytes.len() as u64);
            bytes.extend_from_slice(&encoded);
        }
        bytes
    }

    fn read_all(bytes: &[u8]) -> (Vec<Record>, u64) {
        let mut reader = Reader::new(bytes).unwrap().unwrap();
        let mut records = Vec::new();
        while let Some(record) = reader.read().unwrap() {
            records.push(record);
        }
        (records, reader.position())
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = journal(&sample());
        assert_eq!(read_all(&bytes), (sample(), bytes.len() as u64));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_keeps_the_records_before_it() {
        let records = sample();
        let bytes = journal(&records);
        let ends: Vec<_> = (0..=records.len())
            .map(|n| journal(&records[..n]).len())
            .collect();
        for at in MAGIC.len()..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= at).count() - 1;
            assert_eq!(read_all(&bytes[..at]).0, records[..whole], "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x40;
            assert_eq!(read_all(&flipped).0, records[..whole], "flipped at {at}");
        }
    }

    #[test]
    fn a_record_moved_elsewhere_is_not_believed() {
        let records = sample();
        let mut bytes = journal(&records[..1]);
        let misplaced = records[1].encode(MAGIC.len() as u64);
        bytes.extend_from_slice(&misplaced);
        assert_eq!(read_all(&bytes).0, records[..1]);
    }
}
