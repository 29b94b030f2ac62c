//! `moov`: movie and track headers, and the defaults of fragments.

use bytes::Bytes;

use super::presentation::{Edit, Presentation};
use super::tables::Stbl;
use super::track::{Header, SampleEntry, TrackIndex};
use super::{Movie, Note, note};
use crate::codec::{Language, Rotation};
use crate::mp4::boxes::{BoxError, BoxProblem, Cursor, FourCc};
use crate::mp4::limits;
use crate::time::{Ticks, Timescale};

/// What a `moov` holds.
pub(super) struct Moov {
    pub(super) movie: Movie,
    pub(super) tracks: Vec<TrackIndex>,
    /// `None` without an `mvex`: then there are no fragments.
    pub(super) extends: Option<Vec<Extends>>,
    /// Samples that the tables claim, wherever they lie.
    pub(super) claimed: u64,
}

/// The defaults of one track's fragments (`trex`, 8.8.3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extends {
    pub(super) track: u32,
    pub(super) entry: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Moov {
    /// Reads the body of a `moov` of a file of `file` bytes.
    pub(super) fn read(moov: Cursor<'_>, file: u64, notes: &mut Vec<Note>) -> Result<Self, BoxError> {
        let mut mvhd = None;
        let mut extends = None;
        let mut fragments_duration = Ticks::ZERO;
        let mut traks = Vec::new();
        let mut at = moov;
        while let Some(mut child) = at.next_box()? {
            match &child.kind().0 {
                b"mvhd" if mvhd.is_none() => mvhd = Some(header(&mut child)?),
                b"mvex" if extends.is_none() => {
                    let (list, duration) = read_mvex(child)?;
                    extends = Some(list);
                    fragments_duration = duration;
                }
                b"trak" => {
                    if traks.len() >= limits::TRACKS {
                        return Err(child.error(BoxProblem::Limit {
                            what: "number of tracks",
                            found: traks.len() as u64 + 1,
                            limit: limits::TRACKS as u64,
                        }));
                    }
                    let number = traks.len();
                    traks.push(child.numbered(number));
                }
                _ => {}
            }
        }
        let times = mvhd.ok_or_else(|| moov.error(BoxProblem::Missing(FourCc(*b"mvhd"))))?;
        let movie = Movie {
            timescale: times.timescale,
            duration: times.duration.max(fragments_duration),
        };
        let mut read = Self {
            movie,
            tracks: Vec::with_capacity(traks.len()),
            extends,
            claimed: 0,
        };
        for (number, trak) in traks.into_iter().enumerate() {
            read.add_track(number, trak, file, notes)?;
        }
        Ok(read)
    }

    fn add_track(
        &mut self,
        number: usize,
        trak: Cursor<'_>,
        file: u64,
        notes: &mut Vec<Note>,
    ) -> Result<(), BoxError> {
        let boxes = Trak::find(trak)?;
        match boxes.read(self.movie.timescale, file, notes) {
            Ok((track, claimed)) => {
                self.tracks.push(track);
                self.claimed += u64::from(claimed);
                Ok(())
            }
            Err(error) if boxes.is_media() => Err(error),
            Err(error) => {
                let reason = error.to_string();
                note(notes, Note::SkippedTrack { number, reason });
                Ok(())
            }
        }
    }
}

/// The boxes of one `trak`.
struct Trak<'a> {
    trak: Cursor<'a>,
    tkhd: Option<Cursor<'a>>,
    elst: Option<Cursor<'a>>,
    mdhd: Option<Cursor<'a>>,
    hdlr: Option<Cursor<'a>>,
    stbl: Option<Cursor<'a>>,
}

impl<'a> Trak<'a> {
    fn find(trak: Cursor<'a>) -> Result<Self, BoxError> {
        let mut found = Self {
            trak,
            tkhd: None,
            elst: None,
            mdhd: None,
            hdlr: None,
            stbl: None,
        };
        found.search(trak)?;
        Ok(found)
    }

    fn search(&mut self, mut at: Cursor<'a>) -> Result<(), BoxError> {
        let inside_minf = at.kind() == FourCc(*b"minf");
        while let Some(child) = at.next_box()? {
            let place = match &child.kind().0 {
                b"tkhd" => &mut self.tkhd,
                b"elst" => &mut self.elst,
                b"mdhd" => &mut self.mdhd,
                // QuickTime has another `hdlr` in `minf`, about the data.
                b"hdlr" if !inside_minf => &mut self.hdlr,
                b"stbl" => &mut self.stbl,
                // Depth is bounded by the cursor.
                b"mdia" | b"minf" | b"edts" => {
                    self.search(child)?;
                    continue;
                }
                _ => continue,
            };
            place.get_or_insert(child);
        }
        Ok(())
    }

    fn handler(&self) -> Option<FourCc> {
        let mut at = self.hdlr?;
        at.skip(8).ok()?;
        at.array().map(FourCc).ok()
    }

    fn is_media(&self) -> bool {
        matches!(
            self.handler(),
            None | Some(FourCc([b'v', b'i', b'd', b'e'] | [b's', b'o', b'u', b'n']))
        )
    }

    fn read(
        &self,
        movie: Timescale,
        file: u64,
        notes: &mut Vec<Note>,
    ) -> Result<(TrackIndex, u32), BoxError> {
        let need = |found: Option<Cursor<'a>>, kind: [u8; 4]| {
            found.ok_or_else(|| self.trak.error(BoxProblem::Missing(FourCc(kind))))
        };
        let (id, rotation, shown) = read_tkhd(need(self.tkhd, *b"tkhd")?)?;
        let mut mdhd = need(self.mdhd, *b"mdhd")?;
        let times = header(&mut mdhd)?;
        let language = mdhd.u16().map(Language::from_packed).unwrap_or_default();
        let edits = self.elst.map(read_elst).transpose()?.unwrap_or_default();
        need(self.hdlr, *b"hdlr")?;
        let stbl = Stbl::find(need(self.stbl, *b"stbl")?)?;
        let entries = stbl.stsd.map(read_stsd).transpose()?.unwrap_or_default();
        let (tables, claimed) = stbl.read(id, file, notes)?;
        let mut header = Header {
            id,
            handler: self.handler().unwrap_or(FourCc([0; 4])),
            timescale: times.timescale,
            language,
            rotation,
            size: shown,
            entries,
            edits,
            duration: times.duration,
        };
        if header.kind() == Some(crate::codec::Kind::Video)
            && let Some([a, b, c, d]) = header.entries.first().and_then(|entry| entry.data.get(32..36))
            && let size @ (1.., 1..) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
        {
            header.size = (u32::from(size.0), u32::from(size.1));
        }
        let presentation = Presentation::of(&header.edits, movie, header.timescale);
        let track = TrackIndex {
            header,
            presentation,
            tables,
        };
        Ok((track, claimed))
    }
}

/// The common part of `mvhd` and `mdhd`.
struct Times {
    timescale: Timescale,
    duration: Ticks,
}

fn header(at: &mut Cursor<'_>) -> Result<Times, BoxError> {
    let (version, _) = at.full_box()?;
    at.skip(if version == 1 { 16 } else { 8 })?;
    let scale = *at;
    let timescale = at.u32()?;
    let duration = match version {
        1 => at.u64()?,
        // All ones means that the duration is not known.
        _ => match at.u32()? {
            u32::MAX => 0,
            duration => u64::from(duration),
        },
    };
    Ok(Times {
        timescale: Timescale::new(timescale).ok_or_else(|| scale.invalid("the timescale is zero"))?,
        duration: Ticks(i64::try_from(duration).unwrap_or(0)),
    })
}

fn read_tkhd(mut at: Cursor<'_>) -> Result<(u32, Rotation, (u32, u32)), BoxError> {
    let (version, _) = at.full_box()?;
    at.skip(if version == 1 { 16 } else { 8 })?;
    let id = at.u32()?;
    at.skip(if version == 1 { 12 } else { 8 })?;
    at.skip(16)?;
    let [a, b] = [at.i32()?, at.i32()?];
    at.skip(4)?;
    let [c, d] = [at.i32()?, at.i32()?];
    at.skip(16)?;
    let rotation = match [a, b, c, d].map(i32::signum) {
        [0, 1, -1, 0] => Rotation::Clockwise90,
        [-1, 0, 0, -1] => Rotation::Half,
        [0, -1, 1, 0] => Rotation::Clockwise270,
        _ => Rotation::None,
    };
    Ok((id, rotation, (at.u32()? >> 16, at.u32()? >> 16)))
}

fn read_elst(mut at: Cursor<'_>) -> Result<Vec<Edit>, BoxError> {
    let (version, _) = at.full_box()?;
    let count = at.u32()?;
    if super::wide(count) > limits::EDITS {
        return Err(at.error(BoxProblem::Limit {
            what: "number of edits",
            found: u64::from(count),
            limit: limits::EDITS as u64,
        }));
    }
    let mut edits = Vec::new();
    for _ in 0..count {
        let here = at;
        let (duration, start) = match version {
            1 => (at.i64()?, at.i64()?),
            _ => (i64::from(at.u32()?), i64::from(at.i32()?)),
        };
        if duration < 0 || start < -1 {
            return Err(here.invalid(format!("an edit of {duration} ticks from {start}")));
        }
        edits.push(Edit {
            duration: Ticks(duration),
            media_time: (start >= 0).then_some(Ticks(start)),
            rate: at.i32()?,
        });
    }
    Ok(edits)
}

fn read_stsd(mut at: Cursor<'_>) -> Result<Vec<SampleEntry>, BoxError> {
    at.full_box()?;
    let count = at.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let whole = at.rest();
        let Some(child) = at.next_box()? else { break };
        if entries.len() >= limits::SAMPLE_ENTRIES {
            return Err(child.error(BoxProblem::Limit {
                what: "number of sample descriptions",
                found: u64::from(count),
                limit: limits::SAMPLE_ENTRIES as u64,
            }));
        }
        let len = whole.len() - at.rest().len();
        entries.push(SampleEntry {
            kind: child.kind(),
            data: Bytes::copy_from_slice(whole.get(..len).unwrap_or_default()),
        });
    }
    Ok(entries)
}

fn read_mvex(mut at: Cursor<'_>) -> Result<(Vec<Extends>, Ticks), BoxError> {
    let mut list = Vec::new();
    let mut duration = Ticks::ZERO;
    while let Some(mut child) = at.next_box()? {
        match &child.kind().0 {
            b"mehd" => {
                let (version, _) = child.full_box()?;
                let value = match version {
                    1 => child.u64()?,
                    _ => u64::from(child.u32()?),
                };
                duration = Ticks(i64::try_from(value).unwrap_or(0));
            }
            b"trex" if list.len() < limits::TRACKS => {
                child.full_box()?;
                list.push(Extends {
                    track: child.u32()?,
                    entry: child.u32()?,
                    duration: child.u32()?,
                    size: child.u32()?,
                    flags: child.u32()?,
                });
            }
            _ => {}
        }
    }
    Ok((list, duration))
}
