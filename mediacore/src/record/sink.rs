//! Where fragments go: the parts of a recording on the disk, the one that grows and those that are being finished.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, WallTime};
use crate::codec::{Kind, Track};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::Fragment;
use crate::time::Ticks;

use super::cutter::Cut;
use super::disk::{Disk, PartWriter, is_full};
use super::finish::{
    Finished, Method, Preference, Step, StepObserver, Unfinished, remove_if_there, sync_parent,
};
use super::gather::gather_from;
use super::intake::PartTrack;
use super::journal::{GapRecord, Record};
use super::manifest::{Manifest, part_path};
use super::part::{PartFile, PartSpec};
use super::report::{Gap, PartReport, TrackReport, duration_of};
use super::still::Still;

pub(super) struct SinkOptions {
    pub(super) path: PathBuf,
    pub(super) reserve: Option<u64>,
    pub(super) overwrite: bool,
    pub(super) finish: Preference,
    pub(super) buffer: u64,
    pub(super) observer: Option<StepObserver>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The files of a recording.
pub(super) struct Sink {
    options: SinkOptions,
    current: Option<Part>,
    /// A part for whose first bytes a full disk has no room yet.
    waiting: Option<Waiting>,
    /// The folder's device and number: where another one has its name, a disk was unmounted.
    folder: Option<(u64, u64)>,
    finishing: Vec<JoinHandle<Outcome>>,
    manifest: Manifest,
    /// What is safe of parts that are complete.
    before: Safe,
    number: u32,
}

/// What a crash would leave.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Safe {
    /// Media.
    pub(super) length: Duration,
    /// Bytes of the same.
    pub(super) bytes: u64,
    /// Pictures of the same.
    pub(super) pictures: u64,
    /// When the first of it came.
    pub(super) since: Option<WallTime>,
    /// The disk is full.
    pub(super) disk_full: bool,
}

struct Part {
    writer: Arc<PartWriter>,
    /// Keeps the disk's thread alive as long as the part grows.
    _disk: Arc<Disk>,
    path: PathBuf,
    at: Duration,
    begun: WallTime,
    tracks: Vec<PartTrack>,
    sequence: u32,
    full_told: bool,
    still: Option<Arc<Still>>,
}

/// A part that is to begin.
struct Waiting {
    tracks: Vec<PartTrack>,
    at: Duration,
}

/// What became of a part.
struct Outcome {
    report: Option<PartReport>,
    error: Option<Error>,
    time: Duration,
}

/// What became of all parts.
pub(super) struct FinishedParts {
    pub(super) parts: Vec<PartReport>,
    pub(super) manifest: Option<PathBuf>,
    pub(super) error: Option<Error>,
    pub(super) time: Duration,
}

/// How long the disk may refuse a fragment before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
const SLICE: Duration = Duration::from_millis(200);

impl Sink {
    pub(super) fn new(options: SinkOptions) -> Self {
        Self {
            options,
            current: None,
            waiting: None,
            folder: None,
            finishing: Vec::new(),
            manifest: Manifest::default(),
            before: Safe::default(),
            number: 0,
        }
    }

    /// Begins a part; the one before is finished meanwhile. On a full disk it begins when there is room.
    pub(super) fn begin(&mut self, tracks: Vec<PartTrack>, at: Duration) -> Result<()> {
        self.end_current()?;
        self.number += 1;
        self.waiting = Some(Waiting { tracks, at });
        match self.create() {
            Err(error) if is_full(&error) => {
                tracing::warn!(error = %error.report(), "the disk is full; recording begins when there is room");
                Ok(())
            }
            created => created,
        }
    }

    /// Makes the files of the part that waits, if one does.
    fn create(&mut self) -> Result<()> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        match self.create_part(&waiting) {
            Ok(part) => {
                self.current = Some(Part {
                    tracks: waiting.tracks,
                    ..part
                });
                Ok(())
            }
            Err(error) => {
                self.waiting = Some(waiting);
                Err(error)
            }
        }
    }

    fn create_part(&mut self, waiting: &Waiting) -> Result<Part> {
        let path = part_path(&self.options.path, self.number);
        self.check_folder(&path)?;
        if self.options.overwrite {
            remove_if_there(&path).map_err(|e| Error::storage(format!("replace {}", path.display()), e))?;
        }
        let movie: Vec<_> = waiting
            .tracks
            .iter()
            .map(|track| (track.movie.clone(), track.start))
            .collect();
        let disk = Disk::of(&path, &self.options.clock)?;
        let begun = self.options.clock.wall();
        let file = PartFile::create(&PartSpec {
            path: &path,
            number: self.number,
            wall: begun,
            reserve: self.options.reserve,
            tracks: &movie,
        })?;
        self.manifest.push(&path, waiting.at, None);
        if self.number > 1 {
            match self.manifest.write(&Manifest::path_for(&self.options.path)) {
                // It is written at the end, too.
                Err(error) if is_full(&error) => {
                    tracing::warn!(error = %error.report(), "the list of parts waits")
                }
                written => written?,
            }
        }
        let writer = PartWriter::new(file, Arc::clone(&disk));
        Ok(Part {
            writer,
            _disk: disk,
            path,
            at: waiting.at,
            begun,
            tracks: Vec::new(),
            sequence: 0,
            full_told: false,
            still: None,
        })
    }

    /// Refuses a folder that is not the one in which the recording began.
    fn check_folder(&mut self, path: &Path) -> Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let about = parent
            .metadata()
            .map_err(|e| Error::storage(format!("look at the folder {}", parent.display()), e))?;
        let here = (about.dev(), about.ino());
        if *self.folder.get_or_insert(here) == here {
            return Ok(());
        }
        let text = format!("{} is another folder now: is its disk mounted?", parent.display());
        Err(Error::new(ErrorKind::Storage, text))
    }

    /// A track joins the part that grows.
    pub(super) fn add_track(&mut self, track: PartTrack) {
        if let Some(waiting) = &mut self.waiting {
            waiting.tracks.push(track);
            return;
        }
        if let Some(part) = &mut self.current {
            part.writer.note(Record::Track {
                track: track.movie.clone(),
                start: track.start,
            });
            part.tracks.push(track);
        }
    }

    pub(super) fn note_gap(&self, gap: &Gap) {
        let Some(part) = &self.current else { return };
        let track = gap
            .kind
            .and_then(|kind| part.tracks.iter().find(|track| track.movie.kind == kind));
        part.writer.note(Record::Gap(GapRecord {
            at: gap.at,
            length: gap.length,
            cause: gap.cause.clone(),
            track: track.map(|track| track.movie.id),
        }));
    }

    /// Hands a fragment to the disk. False when the disk did not take it within ten seconds, or before `stopped`.
    pub(super) fn write(&mut self, cut: Cut, stopped: &dyn Fn() -> bool, full: &dyn Fn()) -> Result<bool> {
        if self.waiting.is_some() && !self.begin_late(&cut, stopped, full)? {
            return Ok(false);
        }
        let Some(part) = &mut self.current else {
            return Ok(true);
        };
        part.sequence += 1;
        let mut fragment = Fragment::new(part.sequence, cut.runs, cut.payload);
        let wall = self.options.clock.wall();
        let mut waited = Duration::ZERO;
        loop {
            let taken = part.writer.submit(fragment, wall, self.options.buffer, SLICE)?;
            if part.writer.is_full() && !part.full_told {
                part.full_told = true;
                full();
            }
            match taken {
                None => return Ok(true),
                Some(back) => fragment = back,
            }
            waited += SLICE;
            if waited >= PATIENCE || stopped() {
                return Ok(false);
            }
        }
    }

    /// Begins the part that waits with `cut`, when there is room within ten seconds and it can be decoded from there.
    fn begin_late(&mut self, cut: &Cut, stopped: &dyn Fn() -> bool, full: &dyn Fn()) -> Result<bool> {
        full();
        let kinds = self
            .waiting
            .as_ref()
            .map(|waiting| waiting.tracks.as_slice())
            .unwrap_or_default();
        let is_video = |id| {
            kinds
                .iter()
                .any(|track| track.movie.id == id && track.movie.kind == Kind::Video)
        };
        let has_video = kinds.iter().any(|track| track.movie.kind == Kind::Video);
        let first = cut
            .runs
            .iter()
            .find(|run| is_video(run.track))
            .and_then(|run| run.rows.first());
        if has_video && !first.is_some_and(|row| row.sync) {
            return Ok(false);
        }
        let mut waited = Duration::ZERO;
        loop {
            match self.create() {
                Ok(()) => return Ok(true),
                Err(error) if !is_full(&error) => return Err(error),
                Err(_) => {}
            }
            if waited >= PATIENCE || stopped() {
                return Ok(false);
            }
            self.options.clock.sleep(SLICE);
            waited += SLICE;
        }
    }

    /// How long a fragment is.
    pub(super) fn length_of(&self, cut: &Cut) -> Duration {
        let growing = self.current.as_ref().map(|part| part.tracks.as_slice());
        let waiting = self.waiting.as_ref().map(|waiting| waiting.tracks.as_slice());
        let found = cut.first_run().and_then(|(id, ticks)| {
            let track = growing.or(waiting)?.iter().find(|track| track.movie.id == id)?;
            Some(Ticks(i64::try_from(ticks).unwrap_or(i64::MAX)).to_duration(track.movie.timescale.base()))
        });
        found.unwrap_or_default()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.number > 0
    }

    /// The part that grows: where, and which.
    pub(super) fn current(&self) -> (PathBuf, u32) {
        (part_path(&self.options.path, self.number), self.number)
    }

    /// What a crash right now would leave.
    pub(super) fn durable(&self) -> Safe {
        let Some(part) = &self.current else {
            return Safe {
                disk_full: self.waiting.is_some(),
                ..self.before
            };
        };
        let durable = part.writer.durable();
        let mut length = Duration::ZERO;
        let mut pictures = 0;
        for safe in &durable.tracks {
            let Some(track) = part.tracks.iter().find(|track| track.movie.id == safe.id) else {
                continue;
            };
            let ticks = Ticks(i64::try_from(safe.end.saturating_sub(track.start)).unwrap_or(i64::MAX));
            length = length.max(ticks.to_duration(track.movie.timescale.base()));
            if track.movie.kind == Kind::Video {
                pictures += safe.samples;
            }
        }
        Safe {
            length: self.before.length + length,
            bytes: self.before.bytes + durable.bytes,
            pictures: self.before.pictures + pictures,
            since: self
                .before
                .since
                .or((durable.fragments > 0).then_some(part.begun)),
            disk_full: part.writer.is_full(),
        }
    }

    /// What the part that grows shows.
    pub(super) fn still(&mut self) -> Option<Arc<Still>> {
        let number = self.number;
        let part = self.current.as_mut()?;
        let track = part.tracks.iter().find(|track| track.movie.kind == Kind::Video)?;
        let place = part.writer.last_sync(track.movie.id)?;
        if part.still.as_ref().is_none_or(|still| still.at != place.at) {
            part.still = Some(Still::new(part.path.clone(), number, &track.movie, place));
        }
        part.still.clone()
    }

    /// Finishes everything, in order.
    pub(super) fn finish(mut self, clock: &dyn Clock) -> FinishedParts {
        let mut outcomes: Vec<Outcome> = Vec::new();
        for thread in std::mem::take(&mut self.finishing) {
            outcomes.push(thread.join().unwrap_or_else(|_| Outcome {
                report: None,
                error: Some(Error::new(
                    ErrorKind::Internal,
                    "finishing a part failed; it can be recovered",
                )),
                time: Duration::ZERO,
            }));
        }
        if let Some(part) = self.current.take() {
            outcomes.push(finish_part(
                part,
                self.options.finish,
                self.options.observer.as_ref(),
                clock,
            ));
        }
        let mut finished = FinishedParts {
            parts: Vec::new(),
            manifest: None,
            error: None,
            time: Duration::ZERO,
        };
        for outcome in outcomes {
            finished.parts.extend(outcome.report);
            finished.error = finished.error.or(outcome.error);
            finished.time += outcome.time;
        }
        if self.number > 1 {
            let mut manifest = Manifest::default();
            for part in &finished.parts {
                manifest.push(&part.path, part.at, Some(part.duration));
            }
            let path = Manifest::path_for(&self.options.path);
            match manifest.write(&path) {
                Ok(()) => finished.manifest = Some(path),
                Err(error) => finished.error = finished.error.or(Some(error)),
            }
        }
        finished
    }

    fn end_current(&mut self) -> Result<()> {
        let safe = self.durable();
        let Some(part) = self.current.take() else {
            return Ok(());
        };
        self.waiting = None;
        self.before = Safe {
            disk_full: false,
            ..safe
        };
        let (prefer, clock) = (self.options.finish, Arc::clone(&self.options.clock));
        let observer = self.options.observer.clone();
        let thread = std::thread::Builder::new()
            .name(format!("fin-{}", self.number))
            .spawn(move || finish_part(part, prefer, observer.as_ref(), clock.as_ref()))
            .map_err(|e| Error::storage("start the finishing thread", e))?;
        self.finishing.push(thread);
        Ok(())
    }
}

/// Waits for what is on its way, then puts the `moov` in front.
fn finish_part(
    part: Part,
    prefer: Preference,
    observer: Option<&StepObserver>,
    clock: &dyn Clock,
) -> Outcome {
    let drained = part.writer.drain();
    let before = clock.now();
    let finished = put_in_front(&part, prefer, &|method, step| {
        if let Some(observer) = observer {
            observer.0(method, step);
        }
    });
    let time = clock.now().saturating_duration_since(before);
    let (report, finish_error) = match finished {
        Ok(report) => (report, None),
        Err((report, error)) => (report.map(|report| *report), Some(error)),
    };
    Outcome {
        report,
        error: drained.err().or(finish_error),
        time,
    }
}

/// `Ok(None)` when the part has no media and its files are gone.
fn put_in_front(
    part: &Part,
    prefer: Preference,
    observer: &dyn Fn(Method, Step),
) -> Result<Option<PartReport>, (Option<Box<PartReport>>, Error)> {
    let mut file = part.writer.file();
    let read = file
        .journal()
        .and_then(|journal| gather_from(journal, file.journal_path()));
    let mut gathered = match read {
        Ok(Some(gathered)) => gathered,
        Ok(None) => {
            let error = Error::new(
                ErrorKind::Storage,
                format!("{}: its journal is gone", part.path.display()),
            );
            return Err((None, error));
        }
        Err(error) => return Err((None, error)),
    };
    if gathered.fragments == 0 {
        file.check_place().map_err(|error| (None, error))?;
        let removed = remove_if_there(file.path()).and_then(|()| remove_if_there(file.journal_path()));
        return removed
            .map(|()| None)
            .map_err(|e| (None, Error::storage("remove an empty recording", e)));
    }
    let kept = gathered.keep_undamaged(|_| Ok(false));
    debug_assert!(kept.is_ok());
    let (media_end, room, came) = (gathered.media_end, file.room(), gathered.came());
    let tables = gathered.into_tracks();
    let mut report = PartReport {
        path: part.path.clone(),
        at: part.at,
        duration: duration_of(&tables),
        size: media_end,
        tracks: tables
            .iter()
            .filter_map(|table| Some(TrackReport::new(track_of(part, table.track.id)?, table)))
            .collect(),
        came,
        method: None,
    };
    if let Err(error) = file.check_place() {
        return Err((Some(Box::new(report)), error));
    }
    let media = match file.file().try_clone() {
        Ok(media) => media,
        Err(error) => {
            let error = Error::storage("keep the recording open", error);
            return Err((Some(Box::new(report)), error));
        }
    };
    let path = part.path.clone();
    let unfinished = Unfinished {
        path: &path,
        file: &media,
        room,
        media_end,
        tracks: &tables,
    };
    let mut intend = |record: &Record| {
        file.append(record)?;
        file.sync_journal()
    };
    match unfinished.finish(prefer, &mut intend, observer) {
        Ok(Finished { method, size }) => {
            (report.method, report.size) = (Some(method), size);
            let removed = remove_if_there(file.journal_path())
                .map_err(|e| Error::storage(format!("remove the journal of {}", path.display()), e))
                .and_then(|()| sync_parent(&path));
            match removed {
                Ok(()) => {
                    observer(method, Step::JournalRemoved);
                    Ok(Some(report))
                }
                Err(error) => Err((Some(Box::new(report)), error)),
            }
        }
        Err(error) => Err((Some(Box::new(report)), error)),
    }
}

fn track_of(part: &Part, id: u32) -> Option<&Track> {
    part.tracks
        .iter()
        .find(|track| track.movie.id == id)
        .map(|track| &track.track)
}
