//! The recorder: one named thread per recording that reads the source and hands fragments to the disk's thread.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock, WallTime};
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Interrupt, Opener};
use crate::timeline;

use super::finish::{Preference, StepObserver};
use super::intake::Notice;
use super::lane::AudioPolicy;
use super::part::journal_path;
use super::report::{Gap, Report};
use super::session::Reconnect;
use super::still::Still;
use super::worker::Worker;

/// How to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do about audio.
    pub audio: AudioPolicy,
    /// How much to record; `None` until it is stopped or the source says that it is over.
    pub duration: Option<Duration>,
    /// When to connect again.
    pub reconnect: Reconnect,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// A connection that is silent for longer is dead, whatever TCP says.
    pub silence: Duration,
    /// How long tracks that were announced may keep the recording from beginning.
    pub start_wait: Duration,
    /// Whether the time of an outage stays on the timeline.
    pub outage: timeline::Outage,
    /// Bytes to reserve for the `moov`; `None` chooses by duration and file system.
    pub reserve: Option<u64>,
    /// How to finish.
    pub finish: Preference,
    /// Is told of every step of finishing.
    pub observer: Option<StepObserver>,
    /// Replace files that exist.
    pub overwrite: bool,
    /// Fragments that may wait for the disk, in bytes; worst case of memory for media beside one fragment being gathered (2 MiB).
    pub buffer: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            audio: AudioPolicy::Auto,
            duration: None,
            reconnect: Reconnect::default(),
            connect_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(10),
            start_wait: Duration::from_secs(3),
            outage: timeline::Outage::Close,
            reserve: None,
            finish: Preference::Auto,
            observer: None,
            overwrite: false,
            buffer: 8 << 20,
        }
    }
}

/// Something that happened to a recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection is being made.
    Connecting,
    /// It is made.
    Connected,
    /// The first media of a part is on the way to this file.
    Part {
        /// Where.
        path: PathBuf,
        /// Which one, from 1.
        number: u32,
    },
    /// The connection is lost, and will be made again after a pause.
    Reconnecting {
        /// Why it was lost.
        cause: String,
        /// How long until the next try.
        pause: Duration,
    },
    /// Media is missing.
    Gap(Gap),
    /// Something else that the operator should know.
    Notice(Notice),
    /// The disk is full; what comes is kept as long as memory allows.
    DiskFull,
    /// The files are being finished.
    Finishing,
}

/// What a recording is doing.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Phase {
    /// Making the first connection.
    #[default]
    Connecting,
    /// Receiving.
    Recording,
    /// Making another connection.
    Reconnecting,
    /// Writing the index.
    Finishing,
    /// Over.
    Ended,
}

/// A recording as it is now.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// What it is doing.
    pub phase: Phase,
    /// Media on the disk and in the journal: what a crash right now would leave.
    pub durable: Duration,
    /// Bytes of the same.
    pub durable_bytes: u64,
    /// Pictures of the same.
    pub durable_pictures: u64,
    /// When the first media of the same came.
    pub first_came: Option<WallTime>,
    /// Media received.
    pub received: Duration,
    /// When the last packet came.
    pub last_packet: Option<Instant>,
    /// Connections made after the first.
    pub reconnects: u32,
    /// Gaps so far.
    pub gaps: u64,
    /// The disk is full.
    pub disk_full: bool,
    /// What it shows: the latest key frame of its picture that is durable.
    pub still: Option<Arc<Still>>,
}

/// Starts recordings.
#[derive(Clone)]
pub struct Recorder {
    clock: Arc<dyn Clock>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            clock: SystemClock::shared(),
        }
    }
}

impl Recorder {
    /// With another clock, for tests.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Begins to record what `opener` connects to into `path`, on a thread of its own.
    ///
    /// # Errors
    /// `InvalidInput` when the file or an unfinished recording of that name exists; `NotFound` when its folder doesn't.
    /// Everything later is in the [`Report`].
    pub fn start(&self, opener: Box<dyn Opener>, path: &Path, options: Options) -> Result<Recording> {
        check_output(path, options.overwrite)?;
        let (sender, events) = sync_channel(EVENTS);
        let shared = Arc::new(Shared {
            interrupt: Interrupt::new(),
            stopped: Mutex::new(false),
            wake: Condvar::new(),
            live: Mutex::default(),
            events: sender,
            events_lost: AtomicU64::new(0),
        });
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .take(10)
            .collect::<String>();
        let worker = Worker::new(
            Arc::clone(&shared),
            Arc::clone(&self.clock),
            opener,
            path,
            options,
        );
        let thread = std::thread::Builder::new()
            .name(format!("rec-{name}"))
            .stack_size(512 << 10)
            .spawn(move || worker.run())
            .map_err(|e| Error::storage("start the recording's thread", e))?;
        Ok(Recording {
            shared,
            events,
            thread,
        })
    }
}

/// Events that wait for a reader; older ones stay, newer ones are counted and lost.
const EVENTS: usize = 256;

/// A recording that is going on. Dropping it stops it and waits for its end.
pub struct Recording {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    thread: JoinHandle<Report>,
}

impl Recording {
    /// What it is doing now.
    pub fn live(&self) -> Live {
        lock(&self.shared.live).clone()
    }

    /// What happens, as it happens. Nothing waits for a slow reader: when 256 events are unread, further ones are lost.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// A handle that can stop it from elsewhere, such as a signal handler's thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.shared))
    }

    /// Asks it to stop and finish; returns at once. Reading ends within 200 ms whatever the source does.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Whether [`Recording::wait`] would return at once.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    pub fn wait(self) -> Report {
        self.wait_with_events().0
    }

    /// Waits for its end; gives also what happened that nobody has read yet.
    pub fn wait_with_events(self) -> (Report, Vec<Event>) {
        let report = self.thread.join().unwrap_or_else(|_| {
            let error = Error::new(
                ErrorKind::Internal,
                "the recording's thread failed; its file can be recovered",
            );
            Report::failed(error)
        });
        (report, self.events.try_iter().collect())
    }
}

/// Stops a recording.
#[derive(Clone)]
pub struct Stopper(Arc<Shared>);

impl Stopper {
    /// As [`Recording::stop`].
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// What the recording's thread and its owner share.
pub(super) struct Shared {
    pub(super) interrupt: Interrupt,
    stopped: Mutex<bool>,
    wake: Condvar,
    live: Mutex<Live>,
    events: SyncSender<Event>,
    events_lost: AtomicU64,
}

impl Shared {
    fn stop(&self) {
        *lock(&self.stopped) = true;
        self.interrupt.cancel();
        self.wake.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *lock(&self.stopped)
    }

    /// Waits for `length`, or until it is stopped.
    pub(super) fn pause(&self, length: Duration) {
        let stopped = lock(&self.stopped);
        drop(self.wake.wait_timeout_while(stopped, length, |stopped| !*stopped));
    }

    pub(super) fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.events_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Live)) {
        change(&mut lock(&self.live));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a recording may be written to `path`.
fn check_output(path: &Path, overwrite: bool) -> Result<()> {
    let refused = |why: &str| {
        Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{} {why}", path.display()),
        ))
    };
    if path.file_name().is_none() || path.is_dir() {
        return refused("is no file name");
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("the folder {} does not exist", parent.display()),
        ));
    }
    if journal_path(path).exists() {
        return refused("has an unfinished recording; recover it first");
    }
    if !overwrite && path.symlink_metadata().is_ok() {
        return refused("exists already");
    }
    Ok(())
}
