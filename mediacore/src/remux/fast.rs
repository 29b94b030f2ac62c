//! MP4 to MP4 by the input's own tables: a new `moov` in front of the media, which is copied inside the kernel.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::codec::Track;
use crate::error::{ErrorKind, Result};
use crate::mp4::moov::{TrackTables, complete, ftyp};
use crate::mp4::write::{MDAT_HEADER_LEN, mdat_header};
use crate::mp4::{SampleIndex, limits};
use crate::record::finish::{Method, block_size};
use crate::record::report::duration_of;
use crate::record::{PartReport, TrackReport};

use super::copy::Extents;
use super::open::Opened;
use super::tables::choose;
use super::target::Target;
use super::{Dropped, Options, Progress, Report, Way};

/// Tables of a file that is to be written, and where their media is now.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tracks: Vec<(Track, TrackTables)>,
    pub(crate) extents: Extents,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) notes: Vec<String>,
}

/// How to remux by tables; `None` when this file must go packet by packet.
pub(super) fn plan(opened: &Opened) -> Result<Option<Plan>> {
    let Some(index) = index(opened)? else {
        return Ok(None);
    };
    let choice = choose(&index)?;
    if choice.needs_demuxing {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    let mut plan = Plan {
        tracks: Vec::new(),
        extents: Extents::default(),
        dropped: choice.dropped,
        notes: index.notes().iter().map(ToString::to_string).collect(),
    };
    for chosen in choice.chosen {
        if chosen.loses_edits() {
            let note = format!(
                "track {}: its edit list has a form that is not kept",
                chosen.index.id()
            );
            plan.notes.push(note);
        }
        let tables = chosen.tables(0..chosen.index.sample_count(), &mut ranges);
        plan.tracks.push((chosen.track, tables));
    }
    drop(index);
    plan.extents = Extents::of(ranges);
    Ok(Some(plan))
}

/// The index of an MP4; `None` when the file is none, or one of a kind that libav may read better.
pub(crate) fn index(opened: &Opened) -> Result<Option<SampleIndex>> {
    if !opened.is_mp4()? {
        return Ok(None);
    }
    match SampleIndex::open(&opened.file, opened.size) {
        Ok(index) => Ok(Some(index)),
        // QuickTime has forms of boxes that MP4 has not.
        Err(error) if error.kind() == ErrorKind::Malformed && opened.is_quicktime() => {
            tracing::debug!(path = %opened.path.display(), error = %error.report(), "read by libav instead");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Plan {
    /// Writes the file.
    pub(crate) fn write(mut self, opened: &Opened, output: &Path, options: &Options) -> Result<Report> {
        let target = Target::create(output, options.overwrite)?;
        for (_, tables) in &mut self.tracks {
            tables.tables.relocate(|offset| self.extents.place(offset));
        }
        let (described, tables): (Vec<_>, Vec<_>) = self.tracks.into_iter().unzip();
        let total = self.extents.total();
        let (front, media) = front(&tables, total, self.extents.first(), block_size(target.file()));
        target
            .file()
            .write_all_at(&front, 0)
            .map_err(|e| target.failed(e))?;
        let duration = duration_of(&tables);
        let mut told = |done: u64| {
            if let Some(observer) = &options.progress {
                let part = done as f64 / total.max(1) as f64;
                let time = duration.mul_f64(part.clamp(0.0, 1.0));
                (observer.0)(Progress { done, total, time });
            }
        };
        self.extents
            .copy(&opened.file, target.file(), media, &options.interrupt, &mut told)?;
        let size = media + total;
        target.publish()?;
        Ok(Report {
            parts: vec![PartReport {
                path: output.to_path_buf(),
                at: Duration::ZERO,
                duration,
                size,
                tracks: described
                    .iter()
                    .zip(&tables)
                    .map(|(track, table)| TrackReport::new(track, table))
                    .collect(),
                came: None,
                method: Some(Method::Reserved),
            }],
            manifest: None,
            dropped: self.dropped,
            notes: self.notes,
            way: Way::Fast,
        })
    }
}

/// Everything in front of `payload` bytes of media, and its length. The media lies as the input's, whose first byte is
/// `like`, in relation to blocks of `block` bytes, so that a file system can share them.
fn front(tables: &[TrackTables], payload: u64, like: u64, block: u64) -> (Vec<u8>, u64) {
    let mut out = ftyp();
    let wide = |moov: u64| payload.saturating_add(moov).saturating_add(4 * block) > u64::from(u32::MAX);
    // The longer form decides: what is written is never longer.
    let is_wide = wide(limits::MOOV_BYTES.min(payload / 2)) || wide(complete(tables, 0, true).len() as u64);
    let moov_len = complete(tables, 0, is_wide).len() as u64;
    let least = out.len() as u64 + moov_len + MDAT_HEADER_LEN as u64;
    let mut pad = like.wrapping_sub(least) % block;
    if pad > 0 && pad < 8 {
        pad += block;
    }
    let media = least + pad;
    out.extend(complete(tables, media, is_wide));
    if pad > 0 {
        out.extend(u32::try_from(pad).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(b"free");
        out.resize(out.len() + usize::try_from(pad - 8).unwrap_or(0), 0);
    }
    out.extend(mdat_header(payload));
    (out, media)
}
