//! [`Still`]: what a growing recording shows: its latest durable key frame, decoded when somebody asks.
//!
//! [`Still::film`] takes the key frame out of the recording without a look into it, and [`jpeg`] decodes it. The two may be in two
//! processes: the first needs the recording, and only the second libav.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::mp4::moov::{MovieTrack, SampleTables, TrackTables, complete, ftyp};
use crate::mp4::{ReadAt, Run, SampleRow};
use crate::remux::open::LOOK;
use crate::source::{Interrupt, libav};

/// A key frame of a recording, by where it lies in the growing file.
///
/// It is readable until the part is finished, which moves the media; then reading fails or decodes nothing, and the finished file has
/// its own thumbnail.
#[derive(Clone, Debug)]
pub struct Still {
    pub(super) path: PathBuf,
    pub(super) track: MovieTrack,
    /// Which part of the recording it is in, from 1.
    pub part: u32,
    /// Where it lies in the part's file. With `part` it names the picture.
    pub at: u64,
    /// Bytes.
    pub size: u32,
}

/// A sample on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) size: u32,
}

/// Where the last sync sample of each run of a fragment lies, whose samples begin at `at`.
pub(super) fn last_sync(runs: &[Run], at: u64) -> impl Iterator<Item = (u32, Place)> {
    let mut offset = at;
    runs.iter().filter_map(move |run| {
        let begin = offset;
        offset += run.size();
        let last = run.rows.iter().rposition(|row| row.sync)?;
        let (before, from) = run.rows.split_at(last);
        let at = begin + before.iter().map(|row| u64::from(row.size)).sum::<u64>();
        Some((
            run.track,
            Place {
                at,
                size: from.first()?.size,
            },
        ))
    })
}

impl Still {
    pub(super) fn new(path: PathBuf, part: u32, track: &MovieTrack, place: Place) -> Arc<Self> {
        Arc::new(Self {
            path,
            track: track.clone(),
            part,
            at: place.at,
            size: place.size,
        })
    }

    /// An MP4 of this one sample, in memory.
    ///
    /// # Errors
    /// `Storage` when it can't be read any more.
    pub fn film(&self) -> Result<Vec<u8>> {
        let failed = |e| Error::storage(format!("read {} at byte {}", self.path.display(), self.at), e);
        let file = std::fs::File::open(&self.path).map_err(failed)?;
        let end = self.at.saturating_add(u64::from(self.size));
        // The journal says that it is there; a file that was finished meanwhile may be shorter.
        if file.metadata().map_err(failed)?.len() < end {
            let text = format!("{} ends before its key frame", self.path.display());
            return Err(Error::new(ErrorKind::Storage, text));
        }
        let row = SampleRow {
            size: self.size,
            duration: 1,
            composition: 0,
            sync: true,
        };
        let mut tables = SampleTables::default();
        tables.push(
            0,
            &Run {
                track: self.track.id,
                dts: 0,
                rows: vec![row],
            },
        );
        let tracks = [TrackTables {
            track: self.track.clone(),
            start: 0,
            first: None,
            end: None,
            tables,
        }];
        let mut film = ftyp();
        let shift = film.len() + complete(&tracks, 0, false).len() + MDAT;
        film.extend(complete(&tracks, shift as u64, false));
        let head = self.size.saturating_add(MDAT as u32);
        film.extend(head.to_be_bytes());
        film.extend(b"mdat");
        let front = film.len();
        film.resize(front + self.size as usize, 0);
        let read = file.read_full_at(&mut film[front..], self.at).map_err(failed)?;
        film.truncate(front + read);
        Ok(film)
    }
}

/// The picture of a [film](Still::film) as JPEG, `width` pixels wide, turned as players turn it. Decodes it on this thread: some ten
/// milliseconds for 1080p.
///
/// # Errors
/// `Malformed` when nothing can be decoded from it.
pub fn jpeg(film: Vec<u8>, width: u32, interrupt: &Interrupt) -> Result<Vec<u8>> {
    let options = av::OpenOptions {
        options: vec![(
            "format_whitelist".to_owned(),
            "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
        )],
        ..av::OpenOptions::default()
    };
    let mut input =
        av::Input::open_seekable(Box::new(Cursor::new(film)), &options, interrupt).map_err(libav::error)?;
    input.find_stream_info(LOOK).map_err(libav::error)?;
    let streams = input.streams();
    let stream = streams
        .first()
        .ok_or_else(|| Error::new(ErrorKind::Malformed, "the key frame has no track"))?;
    let picture = av::Picture::decode_at(&mut input, stream.index, None, interrupt).map_err(libav::error)?;
    picture
        .encode(av::PictureFormat::Jpeg, Some(width), stream.rotation)
        .map_err(libav::error)
}

/// Length and name of a box.
const MDAT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sync_sample_of_each_run_is_found_behind_what_lies_before_it() {
        let row = |size, sync| SampleRow {
            size,
            duration: 1,
            composition: 0,
            sync,
        };
        let run = |track, rows| Run { track, dts: 0, rows };
        let runs = [
            run(
                1,
                vec![row(100, true), row(10, false), row(90, true), row(9, false)],
            ),
            run(2, vec![row(5, true), row(6, true)]),
            run(3, vec![row(7, false)]),
        ];
        let found: Vec<_> = last_sync(&runs, 1000).collect();
        let place = |at, size| Place { at, size };
        assert_eq!(found, [(1, place(1110, 90)), (2, place(1214, 6))]);
    }
}
