//! `moof`: the samples of fragments, appended to those of the `moov`.

use std::ops::Range;

use super::chunks::{Chunks, Sizes};
use super::compositions::Compositions;
use super::moov::Extends;
use super::tables::{Sync, Tables};
use super::times::Times;
use super::track::TrackIndex;
use super::{Note, note, wide};
use crate::codec::Kind;
use crate::mp4::boxes::{BoxError, BoxProblem, Cursor};
use crate::mp4::limits;
use crate::time::Ticks;

/// Collects fragments for all tracks.
pub(super) struct Fragments {
    tracks: Vec<Growing>,
    extends: Vec<Extends>,
    file: u64,
    /// How many more samples may come without an entry of their own.
    implied: u32,
}

impl Fragments {
    /// Continues the samples that `tracks` have already, in a file of `file` bytes.
    pub(super) fn new(tracks: &[TrackIndex], extends: Vec<Extends>, file: u64) -> Self {
        Self {
            tracks: tracks.iter().map(Growing::new).collect(),
            extends,
            file,
            // Each has a byte of media in a file that means it.
            implied: u32::try_from(file)
                .map_or(limits::IMPLIED_SAMPLES, |file| file.min(limits::IMPLIED_SAMPLES)),
        }
    }

    /// Whether any track has a sample.
    pub(super) fn has_samples(&self) -> bool {
        self.tracks.iter().any(|track| track.count > 0)
    }

    /// Reads the body of the `moof` that starts at byte `start` of the file.
    pub(super) fn read(
        &mut self,
        mut moof: Cursor<'_>,
        start: u64,
        notes: &mut Vec<Note>,
    ) -> Result<(), BoxError> {
        let mut end_of_data = start;
        let mut number = 0;
        while let Some(child) = moof.next_box()? {
            if &child.kind().0 == b"traf" {
                end_of_data = self.read_traf(child.numbered(number), start, end_of_data, notes)?;
                number += 1;
            }
        }
        Ok(())
    }

    /// Puts what was collected into the tracks.
    pub(super) fn finish(self, tracks: &mut [TrackIndex]) {
        for (track, growing) in tracks.iter_mut().zip(self.tracks) {
            if growing.grown {
                track.tables = growing.finish();
            }
        }
    }

    /// Reads one `traf` (8.8.6) and returns where its last run's data ends.
    fn read_traf(
        &mut self,
        traf: Cursor<'_>,
        moof: u64,
        end_of_data: u64,
        notes: &mut Vec<Note>,
    ) -> Result<u64, BoxError> {
        let mut at = traf;
        let mut head: Option<Head> = None;
        let mut decode_time = None;
        while let Some(mut child) = at.next_box()? {
            match &child.kind().0 {
                b"tfhd" if head.is_none() => {
                    head = Some(Head::read(child, &self.extends, moof, end_of_data)?)
                }
                b"tfdt" if decode_time.is_none() => {
                    let (version, _) = child.full_box()?;
                    let time = match version {
                        1 => child.u64()?,
                        _ => u64::from(child.u32()?),
                    };
                    let time = i64::try_from(time);
                    decode_time = Some(time.map_err(|_| child.invalid("the decode time exceeds 63 bits"))?);
                }
                _ => {}
            }
        }
        let head =
            head.ok_or_else(|| traf.error(BoxProblem::Missing(crate::mp4::boxes::FourCc(*b"tfhd"))))?;
        let mut track = self
            .tracks
            .iter_mut()
            .find(|track| track.id == head.defaults.track);
        if let (Some(track), Some(time)) = (track.as_deref_mut(), decode_time) {
            track.begin(time, notes);
        }
        let mut position = head.base;
        let mut at = traf;
        let mut number = 0;
        while let Some(child) = at.next_box()? {
            if &child.kind().0 == b"trun" {
                let run = Run::read(child.numbered(number), &head, position, &mut self.implied)?;
                position = run.add(&head.defaults, track.as_deref_mut(), self.file, notes);
                number += 1;
            }
        }
        Ok(position)
    }
}

/// A `tfhd` (8.8.7) with the defaults that hold for its runs.
struct Head {
    defaults: Extends,
    base: u64,
}

impl Head {
    fn read(mut at: Cursor<'_>, extends: &[Extends], moof: u64, end_of_data: u64) -> Result<Self, BoxError> {
        let (_, flags) = at.full_box()?;
        let track = at.u32()?;
        let found = extends.iter().find(|extends| extends.track == track);
        let mut defaults = found.copied().unwrap_or(Extends {
            track,
            entry: 1,
            ..Extends::default()
        });
        let base = if flags & 1 != 0 {
            at.u64()?
        } else if flags & 0x2_0000 != 0 {
            moof
        } else {
            end_of_data
        };
        let optional = [
            (2, &mut defaults.entry),
            (8, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ];
        for (flag, value) in optional {
            if flags & flag != 0 {
                *value = at.u32()?;
            }
        }
        Ok(Self { defaults, base })
    }
}

/// A `trun` (8.8.8).
struct Run<'a> {
    flags: u32,
    count: u32,
    start: u64,
    first_flags: u32,
    table: Cursor<'a>,
}

impl<'a> Run<'a> {
    const DURATION: u32 = 0x100;
    const SIZE: u32 = 0x200;
    const FLAGS: u32 = 0x400;
    const COMPOSITION: u32 = 0x800;

    fn read(mut at: Cursor<'a>, head: &Head, position: u64, implied: &mut u32) -> Result<Self, BoxError> {
        let (_, flags) = at.full_box()?;
        let count = at.u32()?;
        let mut start = position;
        if flags & 1 != 0 {
            let here = at;
            let offset = at.i32()?;
            let sum = head.base.checked_add_signed(i64::from(offset));
            start =
                sum.ok_or_else(|| here.invalid(format!("data offset {offset} from byte {}", head.base)))?;
        }
        let mut first_flags = head.defaults.flags;
        if flags & 4 != 0 {
            first_flags = at.u32()?;
        }
        let fields = [Self::DURATION, Self::SIZE, Self::FLAGS, Self::COMPOSITION];
        let size = 4 * fields.iter().filter(|field| flags & **field != 0).count();
        let mut table = at;
        at.entries(count, size)?;
        if size == 0 {
            let Some(left) = implied.checked_sub(count) else {
                return Err(table.error(BoxProblem::Limit {
                    what: "number of samples without an entry",
                    found: u64::from(count),
                    limit: u64::from(*implied),
                }));
            };
            *implied = left;
            table = at;
        }
        Ok(Self {
            flags,
            count,
            start,
            first_flags,
            table,
        })
    }

    /// Adds the samples and returns where their data ends.
    fn add(
        mut self,
        defaults: &Extends,
        mut track: Option<&mut Growing>,
        file: u64,
        notes: &mut Vec<Note>,
    ) -> u64 {
        let mut offset = self.start;
        if let Some(track) = track.as_deref_mut() {
            track
                .chunks
                .set_entry(track.count, defaults.entry.saturating_sub(1));
        }
        for n in 0..self.count {
            // The table was measured before: the default is never taken for want of bytes.
            let mut field = |flag: u32, default: u32| {
                if self.flags & flag == 0 {
                    default
                } else {
                    self.table.u32().unwrap_or(default)
                }
            };
            let duration = field(Self::DURATION, defaults.duration);
            let size = field(Self::SIZE, defaults.size);
            let default_flags = if n == 0 { self.first_flags } else { defaults.flags };
            let flags = field(Self::FLAGS, default_flags);
            let composition = field(Self::COMPOSITION, 0).cast_signed();
            if let Some(track) = track.as_deref_mut() {
                track.push(offset, size, duration, composition, flags, file, notes);
            }
            offset = offset.saturating_add(u64::from(size));
        }
        offset
    }
}

/// A track whose samples are being added.
struct Growing {
    id: u32,
    audio: bool,
    count: u32,
    start: i64,
    end: i64,
    times: Vec<(u32, u32)>,
    compositions: Vec<(u32, i32)>,
    sizes: Vec<u32>,
    bytes: u64,
    range: Range<u64>,
    next_offset: u64,
    chunks: Chunks,
    sync: Vec<u32>,
    all_sync: bool,
    /// A sample lay beyond the end of the file: nothing more is taken.
    closed: bool,
    grown: bool,
}

impl Growing {
    fn new(track: &TrackIndex) -> Self {
        let mut growing = Self {
            id: track.id(),
            audio: track.kind() == Some(Kind::Audio),
            count: 0,
            start: 0,
            end: 0,
            times: Vec::new(),
            compositions: Vec::new(),
            sizes: Vec::new(),
            bytes: 0,
            range: Range {
                start: u64::MAX,
                end: 0,
            },
            next_offset: 0,
            chunks: Chunks::pieces(),
            sync: Vec::new(),
            all_sync: true,
            closed: false,
            grown: false,
        };
        // More than the limit only for constant sizes; such a track takes no fragments.
        if track.sample_count() > limits::IMPLIED_SAMPLES && matches!(track.tables.sizes, Sizes::Constant(_))
        {
            growing.closed = true;
        } else {
            growing.start = track.tables.times.start();
            growing.end = growing.start;
            for sample in track.samples(0..u32::MAX) {
                growing.chunks.set_entry(sample.number, sample.entry);
                let duration = u32::try_from(sample.duration.0).unwrap_or(u32::MAX);
                growing.append(
                    sample.offset,
                    sample.size,
                    duration,
                    sample.composition,
                    sample.sync,
                );
            }
        }
        growing
    }

    /// The next run starts at `time` on the DTS timeline.
    fn begin(&mut self, time: i64, notes: &mut Vec<Note>) {
        if self.count == 0 {
            self.start = time;
            self.end = time;
        }
        if time == self.end || self.closed {
            return;
        }
        // The last sample lasts until the next one starts.
        let last = self.times.pop();
        if let Some((count, delta)) = last {
            let stretched = i128::from(time) - (i128::from(self.end) - i128::from(delta));
            if let Ok(stretched) = u32::try_from(stretched) {
                if count > 1 {
                    self.times.push((count - 1, delta));
                }
                push_run(&mut self.times, stretched);
                self.end = time;
                return;
            }
            self.times.push((count, delta));
        }
        note(
            notes,
            Note::BadStart {
                track: self.id,
                declared: Ticks(time),
                taken: Ticks(self.end),
            },
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one entry, called in one place"
    )]
    fn push(
        &mut self,
        offset: u64,
        size: u32,
        duration: u32,
        composition: i32,
        flags: u32,
        file: u64,
        notes: &mut Vec<Note>,
    ) {
        // Bits of 8.8.3.1: is no sync sample; depends on others.
        const NOT_SYNC: u32 = 0x1_0000 | 0x100_0000;
        if self.closed {
            return;
        }
        let beyond = offset.checked_add(u64::from(size)).is_none_or(|end| end > file);
        if beyond || self.count == u32::MAX {
            self.closed = true;
            let first = self.count;
            note(
                notes,
                Note::Truncated {
                    track: self.id,
                    first,
                },
            );
            return;
        }
        self.grown = true;
        self.append(
            offset,
            size,
            duration,
            composition,
            self.audio || flags & NOT_SYNC == 0,
        );
    }

    fn append(&mut self, offset: u64, size: u32, duration: u32, composition: i32, sync: bool) {
        let joined = self.count > 0 && offset == self.next_offset;
        self.chunks.push_sample(offset, self.count, joined);
        self.next_offset = offset.saturating_add(u64::from(size));
        self.bytes = self.bytes.saturating_add(u64::from(size));
        self.range.start = self.range.start.min(offset);
        self.range.end = self.range.end.max(self.next_offset);
        self.sizes.push(size);
        push_run(&mut self.times, duration);
        push_run(&mut self.compositions, composition);
        self.end = self.end.saturating_add(i64::from(duration));
        if self.all_sync && !sync {
            self.all_sync = false;
            self.sync = (0..self.count).collect();
        } else if sync && !self.all_sync {
            self.sync.push(self.count);
        }
        self.count += 1;
    }

    fn finish(mut self) -> Tables {
        self.chunks.finish(self.count);
        self.sizes.shrink_to_fit();
        self.sync.shrink_to_fit();
        debug_assert_eq!(self.sizes.len(), wide(self.count), "one size for each sample");
        Tables {
            count: self.count,
            bytes: self.bytes,
            range: if self.count > 0 { self.range } else { 0..0 },
            times: Times::build(self.start, self.count, self.times.iter().copied()).0,
            compositions: Compositions::build(self.count, self.compositions.iter().copied()).0,
            sizes: Sizes::Each(self.sizes),
            chunks: self.chunks,
            sync: if self.all_sync {
                Sync::All
            } else {
                Sync::List(self.sync)
            },
        }
    }
}

fn push_run<T: Copy + PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some(run) if run.1 == value => run.0 = run.0.saturating_add(1),
        _ => runs.push((1, value)),
    }
}
