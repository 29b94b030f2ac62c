//! Finishing, timed: a recording is made as fast as the disk takes it, then its `moov` goes to the front.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use mediacore::record::finish::{Method, Preference};
use mediacore::record::{Options, Recorder, Status};

use crate::cost::{Cost, bytes_written, run};
use crate::media::ffmpeg_copy;
use crate::synthetic::Script;

/// What finishing took.
#[derive(Clone, Copy, Debug)]
pub struct Finishing {
    /// From the last fragment on the disk to the journal's removal.
    pub time: Duration,
    /// Bytes of the samples.
    pub media: u64,
    /// Bytes of the finished file.
    pub size: u64,
    /// Bytes written from the first to the last, the journal's and the fragments' headers included.
    pub written: u64,
}

/// Records about `bytes` of media at 8 Mbit/s to `path` and finishes it by `method`. Replaces what is there.
///
/// # Errors
/// The recording is not complete: this file system can't do it, or the disk is full.
pub fn finish(path: &Path, bytes: u64, method: Method) -> io::Result<Finishing> {
    let script = Script::of_size(bytes);
    let options = Options {
        finish: Preference::Only(method),
        // As much as a recording whose length is known gets; otherwise what every recording gets.
        reserve: (method == Method::Reserved).then(|| script.length.as_secs() * 900 + (64 << 10)),
        overwrite: true,
        ..Options::default()
    };
    let before = bytes_written()?;
    let recording = Recorder::default()
        .start(Box::new(script), path, options)
        .map_err(|error| io::Error::other(error.report()))?;
    let report = recording.wait();
    let written = bytes_written()?.saturating_sub(before);
    let (Status::Completed, [part]) = (report.status, report.parts.as_slice()) else {
        let _ = fs::remove_file(path);
        let _ = fs::remove_file(mediacore::record::journal_path(path));
        let error = report
            .error
            .map_or_else(|| "incomplete".to_owned(), |error| error.report());
        return Err(io::Error::other(error));
    };
    if part.method != Some(method) || !report.gaps.is_empty() {
        return Err(io::Error::other(format!("{:?}, {:?}", part.method, report.gaps)));
    }
    let media = part.tracks.iter().map(|track| track.bytes).sum();
    if media < bytes / 10 * 9 {
        return Err(io::Error::other(format!("only {media} bytes were recorded")));
    }
    Ok(Finishing {
        time: report.finish_time,
        media,
        size: part.size,
        written,
    })
}

/// What `-movflags +faststart` adds to `ffmpeg -c copy`: the copy with it, less the copy without.
///
/// # Errors
/// ffmpeg fails.
pub fn second_pass(input: &Path) -> io::Result<Cost> {
    let output = input.with_extension("second.mp4");
    let copy = |faststart| {
        let cost = run(&mut ffmpeg_copy(input, &output, faststart))?;
        fs::remove_file(&output)?;
        io::Result::Ok(cost)
    };
    // The first fills the page cache.
    copy(false)?;
    let (one, two) = (copy(false)?, copy(true)?);
    Ok(Cost {
        wall: two.wall.saturating_sub(one.wall),
        cpu: two.cpu.saturating_sub(one.cpu),
    })
}
