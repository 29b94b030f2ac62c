//! Walking over the top-level boxes of a file without reading its media.

use super::fragments::Fragments;
use super::moov::{Extends, Moov};
use super::track::TrackIndex;
use super::{Note, SampleIndex, note};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::boxes::{BoxError, BoxHeader, BoxPath, BoxProblem, Cursor, FourCc, ReadAt};
use crate::mp4::limits;

/// See [`SampleIndex::open`]; samples of the `moov` beyond `end_of_media` are left out.
pub(super) fn open<R: ReadAt + ?Sized>(source: &R, size: u64, end_of_media: u64) -> Result<SampleIndex> {
    let mut file = File {
        source,
        size,
        window: Vec::new(),
        start: 0,
    };
    let mut notes = Vec::new();
    let brand = brand(&mut file)?;
    let (moov_at, header, first_moof) = find_moov(&mut file, &mut notes)?;
    let moov = {
        let body = file.read_box(moov_at, header, limits::MOOV_BYTES)?;
        let at = moov_at.saturating_add(header.header);
        Moov::read(
            Cursor::new(&body, at, BoxPath::root(FourCc::MOOV)),
            end_of_media,
            &mut notes,
        )?
    };
    let mut tracks = moov.tracks;
    let end = moov_at.saturating_add(header.size);
    let fragmented = match moov.extends {
        Some(extends) => read_fragments(
            &mut file,
            first_moof.unwrap_or(end),
            extends,
            &mut tracks,
            &mut notes,
        )?,
        None => false,
    };
    if moov.claimed > 0 && tracks.iter().all(|track| track.sample_count() == 0) {
        let claimed = moov.claimed;
        let reason = format!("none of the {claimed} samples lies within the file's {size} bytes");
        return Err(Error::new(
            ErrorKind::Malformed,
            format!("moov at byte {moov_at}: {reason}"),
        ));
    }
    Ok(SampleIndex {
        movie: moov.movie,
        tracks,
        notes,
        fragmented,
        brand,
    })
}

/// The major brand, when the file starts with an `ftyp`.
fn brand<R: ReadAt + ?Sized>(file: &mut File<'_, R>) -> Result<FourCc> {
    let start = file.peek(0, 12)?;
    Ok(match start {
        [_, _, _, _, b'f', b't', b'y', b'p', a, b, c, d, ..] => FourCc([*a, *b, *c, *d]),
        _ => FourCc([0; 4]),
    })
}

/// Where the `moov` is, and the first `moof` if one comes before it.
fn find_moov<R: ReadAt + ?Sized>(
    file: &mut File<'_, R>,
    notes: &mut Vec<Note>,
) -> Result<(u64, BoxHeader, Option<u64>)> {
    let mut first_moof = None;
    let mut cut = None;
    let mut boxes = Walk::new(0);
    while let Some((offset, header)) = boxes.next(file)? {
        match header {
            Ok(header) => match header.kind {
                FourCc::MOOV => return Ok((offset, header, first_moof)),
                FourCc::MOOF if first_moof.is_none() => first_moof = Some(offset),
                _ => {
                    if header.size > file.size - offset {
                        cut = Some(format!(
                            "the file ends inside the box '{}' at byte {offset}",
                            header.kind
                        ));
                    }
                }
            },
            Err(problem) => {
                cut = Some(format!("at byte {offset}: {problem}"));
                note(notes, Note::NoBox { offset });
            }
        }
    }
    let mut message = format!("no moov in the file's {} bytes", file.size);
    if let Some(cut) = cut {
        message = format!("{message}: {cut}");
    }
    Err(Error::new(ErrorKind::Malformed, message))
}

/// Reads every `moof` from byte `start` on; true when there was one.
fn read_fragments<R: ReadAt + ?Sized>(
    file: &mut File<'_, R>,
    start: u64,
    extends: Vec<Extends>,
    tracks: &mut [TrackIndex],
    notes: &mut Vec<Note>,
) -> Result<bool> {
    let mut fragments: Option<Fragments> = None;
    let mut boxes = Walk::new(start);
    while let Some((offset, header)) = boxes.next(file)? {
        let Ok(header) = header else {
            note(notes, Note::NoBox { offset });
            break;
        };
        let whole = header.size <= file.size - offset;
        if !whole {
            note(notes, Note::CutBox { offset });
        }
        if header.kind != FourCc::MOOF || !whole {
            continue;
        }
        let size = file.size;
        let fragments = fragments.get_or_insert_with(|| Fragments::new(tracks, extends.clone(), size));
        let at = offset.saturating_add(header.header);
        let body = file.read_box(offset, header, limits::MOOF_BYTES)?;
        let moof = Cursor::new(&body, at, BoxPath::root(FourCc::MOOF));
        if let Err(error) = fragments.read(moof, offset, notes) {
            let error = Error::from(error);
            if error.kind() == ErrorKind::LimitExceeded || !fragments.has_samples() {
                return Err(error);
            }
            let reason = error.to_string();
            note(notes, Note::BadFragment { offset, reason });
            break;
        }
    }
    let fragmented = fragments.is_some();
    if let Some(fragments) = fragments {
        fragments.finish(tracks);
    }
    Ok(fragmented)
}

/// From one top-level box to the next.
struct Walk {
    offset: u64,
    count: u64,
}

impl Walk {
    fn new(offset: u64) -> Self {
        Self { offset, count: 0 }
    }

    /// The next box's offset and header, or why there is no box; `None` at the end of the file or after that.
    fn next<R: ReadAt + ?Sized>(
        &mut self,
        file: &mut File<'_, R>,
    ) -> Result<Option<(u64, Result<BoxHeader, BoxProblem>)>> {
        let offset = self.offset;
        if offset >= file.size {
            return Ok(None);
        }
        self.count += 1;
        if self.count > limits::TOP_LEVEL_BOXES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "more than {} top-level boxes, at byte {offset}",
                    limits::TOP_LEVEL_BOXES
                ),
            ));
        }
        let left = file.size - offset;
        let header = BoxHeader::parse(file.peek(offset, BoxHeader::MAX_LEN)?, left);
        // Zeros are room that was never written, not a box without a type.
        let header = header.and_then(|header| match header.kind {
            FourCc([0, 0, 0, 0]) => Err(BoxProblem::Invalid("zeros".to_owned())),
            _ => Ok(header),
        });
        self.offset = match &header {
            Ok(header) => offset.saturating_add(header.size),
            Err(_) => u64::MAX,
        };
        Ok(Some((offset, header)))
    }
}

/// A file with a small window over the place where the walk is.
struct File<'a, R: ?Sized> {
    source: &'a R,
    size: u64,
    window: Vec<u8>,
    start: u64,
}

impl<R: ReadAt + ?Sized> File<'_, R> {
    /// A fragment of two seconds and the header of its `mdat` fit.
    const WINDOW: usize = 8 << 10;

    /// Up to `len` bytes at `offset`; fewer only at the end of the file.
    fn peek(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(left);
        let held = offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok());
        let held = held.filter(|skip| self.window.len().saturating_sub(*skip) >= len);
        let skip = if let Some(skip) = held {
            skip
        } else {
            self.window.resize(Self::WINDOW.max(len).min(left), 0);
            let read = self.source.read_full_at(&mut self.window, offset);
            let read = read.map_err(|cause| Error::storage(format!("read at byte {offset}"), cause))?;
            self.window.truncate(read);
            self.start = offset;
            0
        };
        let window = self.window.get(skip..).unwrap_or_default();
        Ok(window.get(..len).unwrap_or(window))
    }

    /// The body of the box at `offset`, which must lie in the file and have at most `limit` bytes.
    fn read_box(&mut self, offset: u64, header: BoxHeader, limit: u64) -> Result<Vec<u8>> {
        let path = BoxPath::root(header.kind);
        let error = |problem| {
            Error::from(BoxError {
                path: Box::new(path),
                offset,
                problem,
            })
        };
        let left = self.size.saturating_sub(offset);
        if header.size > left {
            return Err(error(BoxProblem::Outside {
                kind: header.kind,
                size: header.size,
                left,
            }));
        }
        if header.size > limit {
            return Err(error(BoxProblem::Limit {
                what: "bytes in one box",
                found: header.size,
                limit,
            }));
        }
        let need = header.size - header.header;
        // At most `limit`, which fits; the file is that long.
        let len = usize::try_from(need).unwrap_or(usize::MAX);
        let at = offset.saturating_add(header.header);
        let mut body = vec![0; len];
        let held = at
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok());
        let held = held.and_then(|skip| self.window.get(skip..)?.get(..len));
        if let Some(held) = held {
            body.copy_from_slice(held);
            return Ok(body);
        }
        let read = self.source.read_full_at(&mut body, at);
        let read = read.map_err(|cause| Error::storage(format!("read at byte {at}"), cause))?;
        if read < len {
            let left = read as u64;
            return Err(error(BoxProblem::Truncated { need, left }));
        }
        Ok(body)
    }
}
