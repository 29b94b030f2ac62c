//! [`SampleIndex`]: which samples an MP4 file has, when, and where; made for playback and remuxing of long files.

mod chunks;
mod compositions;
mod fragments;
mod moov;
mod place;
mod presentation;
mod scan;
mod tables;
#[cfg(test)]
mod tests;
mod times;
mod track;

use std::fmt;

pub use presentation::{Edit, Presentation};
pub use track::{Sample, SampleEntry, Samples, TrackIndex};

use super::boxes::{FourCc, ReadAt};
use super::limits;
use crate::error::Result;
use crate::time::{Ticks, Timescale};

/// The samples of an MP4 file: progressive (`moov` in front or at the end), fragmented (`moof` chains), or both.
///
/// # Cost
/// Opening reads the `moov` once and walks over the other top-level boxes by their headers; media is not read. It takes
/// time in proportion to the `moov` (2 to 5 ns a sample); a fragmented file costs one small read for
/// each fragment. While opening, the `moov`'s bytes and the index are both in memory.
///
/// In memory a sample takes 4 bytes for its size, 4 for the place of each chunk, 2 for its composition offset where
/// there are B-frames (4 when they exceed 16 bits), and 4 for its duration only where that changes all the time: 5 to 11
/// bytes in common files, 16.4 at most, and 4 for a sync sample. Nothing is sized by a count that the file does not back with
/// bytes; tracks of constant sample size (PCM) take memory by the chunk.
///
/// A lookup is a binary search; [`TrackIndex::samples`] walks without one.
#[derive(Debug)]
pub struct SampleIndex {
    movie: Movie,
    tracks: Vec<TrackIndex>,
    notes: Vec<Note>,
    fragmented: bool,
    brand: FourCc,
}

impl SampleIndex {
    /// Reads the tables of the file `source`, which has `size` bytes.
    ///
    /// # Errors
    /// `Malformed` with the box path and byte offset when there is no `moov` or when it contradicts itself,
    /// `LimitExceeded` for more than [`limits`] allows, `Storage` when reading fails. A file that was cut is no error as
    /// long as a sample is left: see [`SampleIndex::notes`].
    pub fn open<R: ReadAt + ?Sized>(source: &R, size: u64) -> Result<Self> {
        scan::open(source, size, size)
    }

    /// As [`SampleIndex::open`], but keeps the samples that its tables place beyond the end of a file that was cut: who reads
    /// them has to look whether they are there.
    ///
    /// # Errors
    /// Those of [`SampleIndex::open`].
    pub fn open_declared<R: ReadAt + ?Sized>(source: &R, size: u64) -> Result<Self> {
        scan::open(source, size, u64::MAX)
    }

    /// What the `mvhd` says about the whole.
    pub fn movie(&self) -> &Movie {
        &self.movie
    }

    /// All tracks in the order of the file; kinds other than video and audio too.
    pub fn tracks(&self) -> &[TrackIndex] {
        &self.tracks
    }

    /// The track with this id.
    pub fn track(&self, id: u32) -> Option<&TrackIndex> {
        self.tracks.iter().find(|track| track.id() == id)
    }

    /// What was wrong with the file but no reason to refuse it; at most [`limits::NOTES`].
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Whether fragments (`moof`) hold some of the samples.
    pub fn is_fragmented(&self) -> bool {
        self.fragmented
    }

    /// The file's major brand (`ftyp`); zeros when it has none.
    pub fn brand(&self) -> FourCc {
        self.brand
    }

    /// Bytes of all samples of all tracks.
    pub fn media_bytes(&self) -> u64 {
        let bytes = self.tracks.iter().map(TrackIndex::media_bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// Bytes on the heap, for caches that weigh what they keep.
    pub fn heap_size(&self) -> usize {
        let tracks: usize = self.tracks.iter().map(TrackIndex::heap_size).sum();
        tracks + self.tracks.capacity() * size_of::<TrackIndex>() + self.notes.capacity() * size_of::<Note>()
    }
}

/// What an `mvhd` says (ISO/IEC 14496-12, 8.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Movie {
    /// Ticks per second of the movie's own times: its duration and those of edits.
    pub timescale: Timescale,
    /// The length of the longest track as declared, that of the fragments (`mehd`) where it is given; zero when unknown.
    pub duration: Ticks,
}

/// Something wrong with a file that leaves the rest of it usable.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// Samples lie beyond the end of the file; they and those after them in their track are left out.
    Truncated {
        /// The track's id.
        track: u32,
        /// The first sample that is not wholly in the file.
        first: u32,
    },
    /// The file ends inside the top-level box at `offset`.
    CutBox {
        /// Where the box starts.
        offset: u64,
    },
    /// What is at `offset` is no box; it and what follows is not looked at.
    NoBox {
        /// Where it starts.
        offset: u64,
    },
    /// A fragment can't be read; it and what follows is left out.
    BadFragment {
        /// Where it starts.
        offset: u64,
        /// Why, with box path and offset.
        reason: String,
    },
    /// Two tables of a track disagree about how many samples there are.
    Disagreement {
        /// The track's id.
        track: u32,
        /// The box that differs from `stsz`.
        table: &'static str,
        /// The number of samples that this box describes.
        described: u64,
        /// The number of samples by `stsz`.
        samples: u32,
    },
    /// A fragment says a start (`tfdt`) that the samples before it do not allow; it follows them at once instead.
    BadStart {
        /// The track's id.
        track: u32,
        /// The fragment's start as declared.
        declared: Ticks,
        /// The start that was taken.
        taken: Ticks,
    },
    /// A track that is neither video nor audio can't be read and is left out.
    SkippedTrack {
        /// Its number among the `trak` boxes.
        number: usize,
        /// Why, with box path and offset.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { track, first } => {
                write!(
                    f,
                    "track {track}: samples from {first} on lie beyond the end of the file"
                )
            }
            Self::CutBox { offset } => write!(f, "the file ends inside the box at byte {offset}"),
            Self::NoBox { offset } => write!(f, "there is no box at byte {offset}"),
            Self::BadFragment { offset, reason } => write!(f, "fragment at byte {offset} left out: {reason}"),
            Self::Disagreement {
                track,
                table,
                described,
                samples,
            } => write!(
                f,
                "track {track}: {table} describes {described} samples, stsz has {samples}"
            ),
            Self::BadStart {
                track,
                declared,
                taken,
            } => write!(
                f,
                "track {track}: a fragment starts at {}, taken as {}",
                declared.0, taken.0
            ),
            Self::SkippedTrack { number, reason } => write!(f, "trak[{number}] left out: {reason}"),
        }
    }
}

/// Appends a note unless there are enough.
fn note(notes: &mut Vec<Note>, what: Note) {
    if notes.len() < limits::NOTES {
        notes.push(what);
    }
}

/// A sample number as an index: every target that this crate is built for has at least 32 bits.
const fn wide(number: u32) -> usize {
    number as usize
}
