//! One writing thread per disk: fragments of all recordings go through it in rounds, and each round syncs once per file,
//! or once per file system when many files are in it. A slow disk makes rounds larger, not recorders wait for packets.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, WallTime};
use crate::error::{Error, ErrorKind, Result};
use crate::mp4::{Fragment, Run};

use super::journal::Record;
use super::part::PartFile;
use super::still::{Place, last_sync};

/// From how many files in a round on one `syncfs` is cheaper than a `fdatasync` for each.
const SYNCFS_FROM: usize = 12;
/// How long a full disk is given before the write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How often a full disk is tried once more when a recording ends: for three seconds.
const LAST_TRIES: u32 = 6;

/// The writing thread of one disk. It ends when its last user lets go.
pub(super) struct Disk {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    quit: bool,
}

struct Job {
    part: Arc<PartWriter>,
    work: Work,
}

enum Work {
    Fragment(Fragment, WallTime),
    Note(Record),
}

static DISKS: LazyLock<Mutex<HashMap<u64, Weak<Disk>>>> = LazyLock::new(Mutex::default);

impl Disk {
    /// The thread for the disk that holds the folder of `path`.
    pub(super) fn of(path: &Path, clock: &Arc<dyn Clock>) -> Result<Arc<Self>> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let failed = |e| Error::storage(format!("look at the folder {}", parent.display()), e);
        let device = parent.metadata().map_err(failed)?.dev();
        let mut disks = lock(&DISKS);
        if let Some(disk) = disks.get(&device).and_then(Weak::upgrade) {
            return Ok(disk);
        }
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
        });
        let (worker, clock) = (Arc::clone(&shared), Arc::clone(clock));
        let thread = std::thread::Builder::new()
            .name(format!("disk-{device:x}"))
            .stack_size(256 << 10)
            .spawn(move || worker.run(&*clock))
            .map_err(|e| Error::storage("start the writing thread", e))?;
        let disk = Arc::new(Self {
            shared,
            thread: Some(thread),
        });
        disks.retain(|_, disk| disk.strong_count() > 0);
        disks.insert(device, Arc::downgrade(&disk));
        Ok(disk)
    }

    fn submit(&self, part: &Arc<PartWriter>, work: Work) {
        lock(&self.shared.queue).jobs.push_back(Job {
            part: Arc::clone(part),
            work,
        });
        self.shared.wake.notify_one();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        lock(&self.shared.queue).quit = true;
        self.shared.wake.notify_one();
        // The thread itself may be the last user, for the moment between a recording's last sync and its end.
        if let Some(thread) = self
            .thread
            .take()
            .filter(|thread| thread.thread().id() != std::thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, clock: &dyn Clock) {
        let mut waiting = VecDeque::new();
        loop {
            let mut round = {
                let mut queue = lock(&self.queue);
                while queue.jobs.is_empty() && waiting.is_empty() && !queue.quit {
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                if queue.jobs.is_empty() && waiting.is_empty() {
                    return;
                }
                std::mem::take(&mut queue.jobs)
            };
            // What a full disk refused goes first, so that each part's order stays.
            waiting.append(&mut round);
            let full;
            (waiting, full) = write_round(waiting);
            if full {
                let queue = lock(&self.queue);
                if queue.quit {
                    return;
                }
                drop(queue);
                clock.sleep(RETRY);
            }
        }
    }
}

/// Writes, syncs, enters and syncs again; gives back what must wait for the next round, and whether that is because the disk is
/// full.
///
/// At most one fragment per part goes into a round: the next one's place is known when the journal holds the first.
fn write_round(jobs: VecDeque<Job>) -> (VecDeque<Job>, bool) {
    let mut later = VecDeque::new();
    let mut full = false;
    let mut notes = Vec::new();
    let mut written: Vec<(Arc<PartWriter>, Fragment, WallTime)> = Vec::new();
    let mut refused: Vec<Arc<PartWriter>> = Vec::new();
    for Job { part, work } in jobs {
        let busy = |list: &[Arc<PartWriter>]| list.iter().any(|other| Arc::ptr_eq(other, &part));
        let in_round = written.iter().any(|(other, ..)| Arc::ptr_eq(other, &part));
        if busy(&refused) || in_round {
            if !busy(&refused) {
                refused.push(Arc::clone(&part));
            }
            later.push_back(Job { part, work });
            continue;
        }
        match work {
            Work::Note(record) => notes.push((part, record)),
            Work::Fragment(fragment, wall) => match part.write(&fragment) {
                Ok(()) => written.push((part, fragment, wall)),
                Err(error) if is_full(&error) && part.keep_trying(&error) => {
                    full = true;
                    refused.push(Arc::clone(&part));
                    later.push_back(Job {
                        part,
                        work: Work::Fragment(fragment, wall),
                    });
                }
                Err(error) => part.fail(error, fragment.len),
            },
        }
    }
    let mut again = |part: Arc<PartWriter>, fragment, wall, later: &mut VecDeque<Job>| {
        full = true;
        // Before whatever else of the part waits.
        later.push_front(Job {
            part,
            work: Work::Fragment(fragment, wall),
        });
    };
    for (part, record) in notes {
        if let Err(error) = lock(&part.file).append(&record) {
            tracing::warn!(error = %error.report(), "a note could not be written into the journal");
        }
    }
    let files: Vec<_> = written.iter().map(|(part, ..)| part).collect();
    let synced = sync_all(&files, PartFile::sync_media);
    let mut entered = Vec::new();
    for ((part, fragment, wall), synced) in written.into_iter().zip(synced) {
        let result = synced.and_then(|()| {
            let mut file = lock(&part.file);
            let record = file.journal_end();
            Ok((file.enter_fragment(&fragment, wall)?, record))
        });
        match result {
            Ok((offset, record)) => entered.push((part, fragment, wall, offset, record)),
            // A sync that failed says nothing of what is on the disk: all that it was for is written once more.
            Err(error) if is_full(&error) && part.keep_trying(&error) => {
                again(part, fragment, wall, &mut later)
            }
            Err(error) => part.fail(error, fragment.len),
        }
    }
    let files: Vec<_> = entered.iter().map(|(part, ..)| part).collect();
    let synced = sync_all(&files, PartFile::sync_journal);
    for ((part, fragment, wall, offset, record), synced) in entered.into_iter().zip(synced) {
        match synced {
            Ok(()) => {
                lock(&part.file).journal_is_synced();
                part.made_durable(&Entered::of(&fragment, offset));
            }
            Err(error) if is_full(&error) && part.keep_trying(&error) => {
                lock(&part.file).take_back(offset, record);
                again(part, fragment, wall, &mut later);
            }
            Err(error) => part.fail(error, fragment.len),
        }
    }
    (later, full)
}

/// What is known of a fragment that the journal holds.
struct Entered {
    len: u64,
    /// The tracks that it has samples of.
    more: Vec<SafeTrack>,
    /// Per `track_ID`: its last sync sample, counted from the fragment's begin.
    syncs: Vec<(u32, Place)>,
    /// Where it lies.
    offset: u64,
}

impl Entered {
    fn of(fragment: &Fragment, offset: u64) -> Self {
        let more = |run: &Run| SafeTrack {
            id: run.track,
            end: run.dts.saturating_add(run.duration()),
            samples: run.rows.len() as u64,
        };
        Self {
            len: fragment.len,
            more: fragment.runs.iter().map(more).collect(),
            syncs: last_sync(&fragment.runs, fragment.head.len() as u64).collect(),
            offset,
        }
    }
}

/// Syncs one file of each part; many at once through the file system, whose error is then looked for file by file.
fn sync_all(parts: &[&Arc<PartWriter>], sync: fn(&PartFile) -> Result<()>) -> Vec<Result<()>> {
    if parts.len() >= SYNCFS_FROM
        && let Some(first) = parts.first()
        && rustix::fs::syncfs(lock(&first.file).file()).is_ok()
    {
        return parts.iter().map(|_| Ok(())).collect();
    }
    parts.iter().map(|part| sync(&lock(&part.file))).collect()
}

/// Whether there was no room for what was to be written.
pub(super) fn is_full(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            );
        }
        cause = error.source();
    }
    false
}

/// One part's place in the writing thread: what is queued, what is durable, what went wrong.
pub(super) struct PartWriter {
    disk: Arc<Disk>,
    file: Mutex<PartFile>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What of a part is safe.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    /// Bytes of fragments.
    pub(super) bytes: u64,
    /// Fragments.
    pub(super) fragments: u64,
    /// The tracks that have something safe.
    pub(super) tracks: Vec<SafeTrack>,
    /// Per `track_ID`: the last sync sample.
    pub(super) syncs: Vec<(u32, Place)>,
}

/// What of a track is safe.
#[derive(Clone, Copy, Debug)]
pub(super) struct SafeTrack {
    /// `track_ID`.
    pub(super) id: u32,
    /// Decoding time in the file up to which everything is there.
    pub(super) end: u64,
    /// Samples.
    pub(super) samples: u64,
}

#[derive(Default)]
struct State {
    durable: Durable,
    queued_bytes: u64,
    queued_jobs: usize,
    /// The disk is full and the oldest fragment is being tried again.
    full: bool,
    /// The recording ends: so often a full disk is tried once more.
    closing: Option<u32>,
    /// A write or a sync failed: what comes after can't be trusted to be in order, so nothing more is written.
    failed: bool,
    error: Option<Error>,
}

impl State {
    /// The reason once, then that there was one.
    fn take_error(&mut self) -> Result<()> {
        if !self.failed {
            return Ok(());
        }
        Err(self.error.take().unwrap_or_else(|| {
            Error::new(
                ErrorKind::Storage,
                "an earlier write of this recording failed, nothing more is written",
            )
        }))
    }
}

impl PartWriter {
    pub(super) fn new(file: PartFile, disk: Arc<Disk>) -> Arc<Self> {
        Arc::new(Self {
            disk,
            file: Mutex::new(file),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Queues a fragment. Waits up to `patience` while more than `budget` bytes are queued, and gives the fragment back when
    /// they still are. An error is the part's: the disk failed, and nothing more will be written.
    pub(super) fn submit(
        self: &Arc<Self>,
        fragment: Fragment,
        wall: WallTime,
        budget: u64,
        patience: Duration,
    ) -> Result<Option<Fragment>> {
        let over = |state: &mut State| {
            !state.failed && state.queued_bytes > 0 && state.queued_bytes + fragment.len > budget
        };
        let (mut state, _) = self
            .changed
            .wait_timeout_while(lock(&self.state), patience, over)
            .unwrap_or_else(PoisonError::into_inner);
        state.take_error()?;
        if over(&mut state) {
            return Ok(Some(fragment));
        }
        state.queued_bytes += fragment.len;
        state.queued_jobs += 1;
        drop(state);
        self.disk.submit(self, Work::Fragment(fragment, wall));
        Ok(None)
    }

    /// Queues a record for the journal; it becomes durable with the next fragment.
    pub(super) fn note(self: &Arc<Self>, record: Record) {
        self.disk.submit(self, Work::Note(record));
    }

    /// Waits until everything queued is durable. On a full disk what can't be written within three seconds is given up.
    pub(super) fn drain(&self) -> Result<()> {
        let mut state = lock(&self.state);
        state.closing = Some(LAST_TRIES);
        let mut state = self
            .changed
            .wait_while(state, |state| state.queued_jobs > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.take_error()
    }

    pub(super) fn durable(&self) -> Durable {
        lock(&self.state).durable.clone()
    }

    /// The last sync sample of a track that is durable.
    pub(super) fn last_sync(&self, track: u32) -> Option<Place> {
        let state = lock(&self.state);
        let found = state.durable.syncs.iter().find(|(id, _)| *id == track);
        found.map(|(_, place)| *place)
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.state).full
    }

    pub(super) fn file(&self) -> MutexGuard<'_, PartFile> {
        lock(&self.file)
    }

    fn write(&self, fragment: &Fragment) -> Result<()> {
        if lock(&self.state).failed {
            return Err(Error::new(
                ErrorKind::Storage,
                "an earlier write of this recording failed",
            ));
        }
        lock(&self.file).write_fragment(fragment)
    }

    fn keep_trying(&self, error: &Error) -> bool {
        let mut state = lock(&self.state);
        if !state.full {
            state.full = true;
            tracing::warn!(error = %error.report(), "the disk is full; recording goes on when there is room");
        }
        match &mut state.closing {
            None => true,
            Some(0) => false,
            Some(tries) => {
                *tries -= 1;
                true
            }
        }
    }

    fn made_durable(&self, entered: &Entered) {
        let mut state = lock(&self.state);
        state.full = false;
        state.durable.bytes += entered.len;
        state.durable.fragments += 1;
        for run in &entered.more {
            match state.durable.tracks.iter_mut().find(|track| track.id == run.id) {
                Some(track) => {
                    track.end = run.end;
                    track.samples += run.samples;
                }
                None => state.durable.tracks.push(*run),
            }
        }
        for (track, place) in &entered.syncs {
            let place = Place {
                at: entered.offset.saturating_add(place.at),
                ..*place
            };
            put(&mut state.durable.syncs, *track, place);
        }
        self.done(state, entered.len);
    }

    fn fail(&self, error: Error, len: u64) {
        let mut state = lock(&self.state);
        if !state.failed {
            state.failed = true;
            state.error = Some(error);
        }
        self.done(state, len);
    }

    fn done(&self, mut state: MutexGuard<'_, State>, len: u64) {
        state.queued_bytes = state.queued_bytes.saturating_sub(len);
        state.queued_jobs = state.queued_jobs.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }
}

/// Notes the latest of a track.
fn put<T>(latest: &mut Vec<(u32, T)>, track: u32, value: T) {
    match latest.iter_mut().find(|(id, _)| *id == track) {
        Some((_, last)) => *last = value,
        None => latest.push((track, value)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
