//! Recordings: each is started, watched, stopped and put into the library here.
//!
//! ```text
//! start ─▶ task row (pending) ─▶ Recorder's thread ─▶ watched 4 × a second ─▶ report ─▶ task row and video, together ─▶ thumbnail job
//! ```
//! A row changes by compare-and-set; one source has one active recording, which the database itself holds true. What a crash leaves is
//! finished at the next start ([`restart`]). A database that is away does not hold up a recording: what happens to it is told when the
//! database is there again ([`notes`]), and what it is stands beside its file ([`beside`]).

pub(crate) mod beside;
mod live;
mod notes;
mod outcome;
mod restart;
mod still;
mod tend;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mediacore::clock::{SystemClock, WallTime};
use mediacore::record::{
    self, AudioPolicy, Event as Happened, Notice, Reconnect, Recorder, Recording, Stopper,
};
use mediacore::source::{self, Egress, RtspTransport, SourceUrl};
use tokio::sync::{Notify, watch};

use beside::{Beside, Named};
use notes::Note;

use super::events::{Event, Events};
use crate::app::Folders;
use crate::domain::status::TaskStatus;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::metrics::ENDED;
use crate::store::sources::Source;
use crate::store::tasks::{Ending, NewTask, Task, TaskEvent};
use crate::store::{Store, is_unique_violation};
use crate::worker::Workers;

pub(crate) use live::{Live, State};
pub(crate) use outcome::DEFAULT_CATEGORY;
pub(crate) use restart::{base_of, probed};
pub(crate) use still::Picture;

/// How often a recording is looked at.
const TICK: Duration = Duration::from_millis(250);

/// A source that is not there yet is waited for this long.
const WAIT_FOR_SOURCE: Duration = Duration::from_secs(60);

/// A source that a person records may stay away for this long; one that a schedule records until its window ends.
const AWAY: Duration = Duration::from_secs(600);

/// Events of one recording that are kept.
const MAX_EVENTS: usize = 1000;

/// How long a person who stops a recording waits for its row.
const STOPPED: Duration = Duration::from_secs(30);

/// The recordings that are going on, and how new ones start.
pub(crate) struct Recordings {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    zone: jiff::tz::TimeZone,
    egress: Egress,
    workers: Workers,
    active: Mutex<HashMap<i64, Arc<Active>>>,
    stopping: AtomicBool,
}

/// A recording that is going on.
struct Active {
    task: Task,
    live: Mutex<live::Window>,
    stopper: Stopper,
    /// Its end is to be waited for now.
    ending: Notify,
    /// The task as it ended.
    ended: watch::Sender<Option<Task>>,
    shown: still::Shown,
}

/// Why a source that is being recorded does not start again.
pub(crate) const ALREADY: &str = "Source is already being recorded";

/// What is asked to be recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The schedule that asks.
    pub(crate) schedule_id: Option<i64>,
    /// When it is to end.
    pub(crate) window_end: Option<Micros>,
    /// The task that it goes on from.
    pub(crate) continues_id: Option<i64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recordings {
    /// Nothing is recorded yet.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        zone: &jiff::tz::TimeZone,
        egress: Egress,
        workers: &Workers,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            zone: zone.clone(),
            egress,
            workers: workers.clone(),
            active: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// How a source is opened.
    pub(crate) fn source_options(&self, transport: &str) -> source::Options {
        source::Options {
            rtsp_transport: match transport {
                "tcp" => RtspTransport::Tcp,
                "udp" => RtspTransport::Udp,
                _ => RtspTransport::Auto,
            },
            egress: self.egress.clone(),
            ..source::Options::default()
        }
    }

    /// Begins to record a source. The answer comes when the recording runs.
    ///
    /// # Errors
    /// `BadRequest` when the source is not there or is recorded already, `Unavailable` when the storage folder is away or the server stops.
    pub(crate) async fn start(self: &Arc<Self>, source_id: i64, request: Request) -> Result<Task, Fault> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Fault::Unavailable("The server is stopping".to_owned()));
        }
        let source = self
            .store
            .source(source_id)
            .await?
            .ok_or_else(|| Fault::bad("Source not found"))?;
        let url = SourceUrl::parse(&source.url)?;
        let folders = Arc::clone(&self.folders);
        tokio::task::spawn_blocking(move || folders.check())
            .await?
            .map_err(|error| {
                tracing::error!("recording is refused: {error:#}");
                Fault::Unavailable("The storage folder is not there: is its disk mounted?".to_owned())
            })?;
        let file_name = format!("{}.mp4", uuid::Uuid::now_v7());
        let new = NewTask {
            source_id,
            source_name: source.name.clone(),
            schedule_id: request.schedule_id,
            continues_id: request.continues_id,
            window_end: request.window_end,
            file_name: file_name.clone(),
        };
        let task = self
            .store
            .add_task(&new)
            .await
            .map_err(|error| match is_unique_violation(&error) {
                true => Fault::bad(ALREADY),
                false => error.into(),
            })?;
        let path = self.folders.storage().join(&file_name);
        self.write_beside(&source, &task).await;
        let started = self.launch(&source, &url, path, &task).await;
        match started {
            Ok(recording) => {
                self.watch_over(source, task.clone(), recording);
                Ok(task)
            }
            Err(fault) => {
                let ending = Ending::failed(fault.to_string());
                self.store.end_task(task.id, &ending, None, None).await?;
                self.forget_beside(&task).await;
                ENDED.count(ending.status.as_str());
                Err(fault)
            }
        }
    }

    /// Writes what the recording is beside its file. It goes on without that: only a lost database would miss it.
    async fn write_beside(&self, source: &Source, task: &Task) {
        let category = source.category_id.zip(source.category_name.clone());
        let category = category.map(|(id, name)| Named { id, name });
        let before = match task.continues_id {
            Some(id) => self.store.task(id).await.ok().flatten(),
            None => None,
        };
        let beside = Beside::of(task, category, before.and_then(|before| before.file_name));
        self.change_beside(task, move |_| Some(beside)).await;
    }

    /// Writes beside the file of `task` what `change` makes of what is there.
    async fn change_beside(
        &self,
        task: &Task,
        change: impl FnOnce(Option<Beside>) -> Option<Beside> + Send + 'static,
    ) {
        let Some(name) = &task.file_name else { return };
        let (path, folders) = (self.folders.storage().join(name), Arc::clone(&self.folders));
        let written = tokio::task::spawn_blocking(move || {
            // Not where a disk was unmounted.
            folders.check()?;
            match change(Beside::read(&path)) {
                Some(beside) => beside.write(&path).map_err(anyhow::Error::from),
                None => Ok(()),
            }
        })
        .await;
        if let Err(error) = written.map_err(anyhow::Error::from).flatten() {
            tracing::warn!(
                "what task {} is can't be written beside its file: {error:#}",
                task.id
            );
        }
    }

    async fn launch(
        &self,
        source: &Source,
        url: &SourceUrl,
        path: PathBuf,
        task: &Task,
    ) -> Result<Recording, Fault> {
        let clock = SystemClock::shared();
        let opener = source::opener(url, &self.source_options(&source.transport), &clock);
        let left = task.window_end.map(|end| end.since(Micros::now()));
        let options = record::Options {
            audio: match source.audio.as_str() {
                "copy" => AudioPolicy::Copy,
                "aac" => AudioPolicy::Aac,
                "none" => AudioPolicy::None,
                _ => AudioPolicy::Auto,
            },
            reconnect: Reconnect {
                max_time: left.map_or(AWAY, |left| left.max(AWAY)),
                wait_for_source: left.map_or(WAIT_FOR_SOURCE, |left| left.max(WAIT_FOR_SOURCE)),
                ..Reconnect::default()
            },
            ..record::Options::default()
        };
        blocking(move || Recorder::default().start(opener, &path, options)).await
    }

    fn watch_over(self: &Arc<Self>, source: Source, task: Task, recording: Recording) {
        let active = Arc::new(Active {
            live: Mutex::new(live::Window::new(&task)),
            task: task.clone(),
            stopper: recording.stopper(),
            ending: Notify::new(),
            ended: watch::Sender::new(None),
            shown: still::Shown::default(),
        });
        lock(&self.active).insert(source.id, Arc::clone(&active));
        if self.stopping.load(Ordering::Acquire) {
            active.stopper.stop();
        }
        self.tell(&task, TaskStatus::Pending);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let task = this.follow(&source, &active, recording).await;
            let mut all = lock(&this.active);
            // The row has ended, so a new recording of the source may be there already.
            if all
                .get(&source.id)
                .is_some_and(|other| Arc::ptr_eq(other, &active))
            {
                all.remove(&source.id);
            }
            drop(all);
            active.ended.send_replace(Some(task));
        });
    }

    async fn follow(self: &Arc<Self>, source: &Source, active: &Arc<Active>, recording: Recording) -> Task {
        let (notes, writing) = self.write_notes(&active.task);
        let mut begun = false;
        let mut noted = 0;
        let mut on_time = false;
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = active.ending.notified() => break,
            }
            let happened: Vec<TaskEvent> = std::iter::from_fn(|| recording.events().try_recv().ok())
                .filter_map(|event| told(&event))
                .collect();
            let now = recording.live();
            lock(&active.live).update(&now);
            if !happened.is_empty() && noted < MAX_EVENTS {
                noted += happened.len();
                // The other end lasts until this one is gone.
                let _ = notes.send(Note::Events(happened));
            }
            if !begun && now.durable_bytes > 0 {
                begun = true;
                let _ = notes.send(Note::Begun(now.first_came));
            }
            if recording.is_over() {
                break;
            }
            if active.task.window_end.is_some_and(|end| end <= Micros::now()) {
                on_time = true;
                active.stopper.stop();
            }
        }
        let waited = tokio::task::spawn_blocking(move || recording.wait_with_events()).await;
        match waited {
            Ok((report, happened)) => {
                // The end tells what was counted and not told yet.
                let mut last: Vec<TaskEvent> = happened.iter().filter_map(told).collect();
                last.extend(failed(&report));
                if !last.is_empty() {
                    let _ = notes.send(Note::Events(last));
                }
                drop(notes);
                self.conclude(source, &active.task, &report, on_time, writing)
                    .await
            }
            Err(error) => {
                tracing::error!(
                    "the end of task {} is unknown until the next start: {error}",
                    active.task.id
                );
                active.task.clone()
            }
        }
    }

    /// Shows what a recording that goes on after a restart misses.
    async fn begun(&self, task: &Task, first: Option<WallTime>) {
        let noted = match self.away(task, first.map(|at| Micros(at.0))).await {
            Ok(Some(gap)) => {
                let length = gap["length_s"].as_f64().unwrap_or(0.0);
                let event = TaskEvent {
                    happened_at: Micros::now(),
                    kind: "gap".to_owned(),
                    message: format!("{length:.3} s are missing at 0.000 s: {}", outcome::RESTARTED),
                };
                let gaps = serde_json::Value::from(vec![gap]).to_string();
                // Who sees the gap can read why.
                match self.store.add_task_events(task.id, &[event]).await {
                    Ok(()) => self.store.set_task_gaps(task.id, &gaps).await,
                    failed => failed,
                }
                .map_err(Fault::from)
            }
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = noted {
            tracing::warn!("what task {} misses is shown at its end: {fault:?}", task.id);
        }
    }

    /// Stops the recording of a source and waits until it is in the library.
    ///
    /// # Errors
    /// `BadRequest` when it is not being recorded.
    pub(crate) async fn stop(&self, source_id: i64) -> Result<Task, Fault> {
        let active = lock(&self.active).get(&source_id).cloned();
        let active = active.ok_or_else(|| Fault::bad("No active recording for this source"))?;
        self.store.note_task_stop(active.task.id).await?;
        let ended = tokio::time::timeout(STOPPED, Self::end(&active)).await;
        ended.map_err(|_| {
            Fault::Unavailable(
                "The recording is stopped; its end waits for the disk or the database".to_owned(),
            )
        })
    }

    async fn end(active: &Active) -> Task {
        let mut ended = active.ended.subscribe();
        active.stopper.stop();
        active.ending.notify_one();
        let task = ended.wait_for(Option::is_some).await;
        task.ok()
            .and_then(|task| task.clone())
            .unwrap_or_else(|| active.task.clone())
    }

    /// Stops and finishes everything; nothing new starts. What was cut off goes on at the next start.
    pub(crate) async fn shut_down(&self) {
        self.stopping.store(true, Ordering::Release);
        let all: Vec<Arc<Active>> = lock(&self.active).values().cloned().collect();
        // Noted before anything ends, so that a kill in the middle loses no recording that should go on.
        let ids: Vec<i64> = all.iter().map(|active| active.task.id).collect();
        if let Err(error) = self.store.note_tasks_go_on(&ids).await {
            tracing::error!("what is being recorded will not go on at the next start: {error}");
        }
        for active in &all {
            active.stopper.stop();
        }
        for active in &all {
            let task = Self::end(active).await;
            // What the source ended is complete.
            if task.status == TaskStatus::Completed
                && let Err(error) = self.store.note_task_goes_on(task.id, false).await
            {
                tracing::error!(
                    "task {} is complete, and is looked at again at the next start: {error}",
                    task.id
                );
            }
        }
    }

    /// Nothing new starts.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// What is being recorded now, by the number of the task.
    pub(crate) fn live(&self) -> Vec<Live> {
        let mut all: Vec<Live> = lock(&self.active)
            .values()
            .map(|active| lock(&active.live).view())
            .collect();
        all.sort_by_key(|live| live.task_id);
        all
    }

    /// What is being recorded of a source now.
    pub(crate) fn live_of(&self, source_id: i64) -> Option<Live> {
        let active = lock(&self.active).get(&source_id).cloned()?;
        Some(lock(&active.live).view())
    }

    fn tell(&self, task: &Task, status: TaskStatus) {
        if status.is_over() {
            ENDED.count(status.as_str());
        }
        self.events.tell(Event::TaskChanged {
            task_id: task.id,
            source_id: task.source_id,
            status: status.as_str().to_owned(),
        });
        if let Some(source_id) = task.source_id {
            self.events.tell(Event::SourceChanged { source_id });
        }
    }
}

/// What is told of a recording that the disk ended.
fn failed(report: &record::Report) -> Option<TaskEvent> {
    let error = report.error.as_ref()?;
    (report.end == record::End::Storage || error.kind() == mediacore::ErrorKind::Storage).then(|| TaskEvent {
        happened_at: Micros::now(),
        kind: "storage".to_owned(),
        message: format!("the disk failed: {}", error.report()),
    })
}

/// What is worth keeping of what happens to a recording.
fn told(event: &Happened) -> Option<TaskEvent> {
    let (kind, message) = match event {
        Happened::Part { path, number } if *number > 1 => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ("part", format!("part {number} begins: {name}"))
        }
        Happened::Connected => ("connected", "the source is connected".to_owned()),
        Happened::Reconnecting { cause, pause } => (
            "reconnecting",
            format!("{cause}; the next try is in {:.1} s", pause.as_secs_f64()),
        ),
        Happened::Gap(gap) => {
            let of = gap.kind.map(|kind| format!(" of {kind}")).unwrap_or_default();
            let (at, length) = (gap.at.as_secs_f64(), gap.length.as_secs_f64());
            (
                "gap",
                format!("{length:.3} s{of} are missing at {at:.3} s: {}", gap.cause),
            )
        }
        Happened::DiskFull => (
            "disk_full",
            "the disk is full; the recording waits for room".to_owned(),
        ),
        Happened::Notice(notice) => noticed(notice)?,
        _ => return None,
    };
    Some(TaskEvent {
        happened_at: Micros::now(),
        kind: kind.to_owned(),
        message,
    })
}

fn noticed(notice: &Notice) -> Option<(&'static str, String)> {
    Some(match notice {
        Notice::TrackDropped { codec, reason } => {
            ("track", format!("track {codec} is not recorded: {reason}"))
        }
        Notice::TrackTranscoded { codec } => ("track", format!("track {codec} is transcoded to AAC")),
        Notice::TrackMissing { codec } => (
            "track",
            format!("track {codec} was announced and has sent nothing"),
        ),
        Notice::NoKeyFrame { waited } => (
            "no_key_frame",
            format!("no key frame for {} s; waiting for one", waited.as_secs()),
        ),
        Notice::ClockReset { from, to, .. } => (
            "clock",
            format!(
                "the source's clock jumped from {:.3} s to {:.3} s",
                from.as_secs_f64(),
                to.as_secs_f64()
            ),
        ),
        Notice::PacketsDropped { reason, count } => {
            let were = if *count == 1 { "packet was" } else { "packets were" };
            ("packets", format!("{count} {were} dropped: {reason}"))
        }
    })
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
