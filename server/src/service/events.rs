//! [`Events`]: what happens, told to whoever listens: live updates of pages, other services.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::domain::time::Micros;

/// Events that a slow listener may be behind; then it is told that it missed some and looks at the state anew.
const BEHIND: usize = 1024;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A source was looked at, or became on- or offline.
    SourceStatusChanged {
        source_id: i64,
        is_online: bool,
        /// Which try of a check this is, from 1; absent when it was nobody's check.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_attempts: Option<u32>,
        /// Another try follows.
        #[serde(skip_serializing_if = "Option::is_none")]
        checking: Option<bool>,
        timestamp: Micros,
    },
    /// A source was made, changed or removed.
    SourceChanged { source_id: i64 },
    /// A task began, ended or was removed.
    TaskChanged {
        task_id: i64,
        source_id: Option<i64>,
        status: String,
    },
    /// A schedule was made, changed, removed or ran.
    ScheduleChanged { schedule_id: i64 },
    /// A video was made, changed or removed.
    VideoChanged { video_id: i64 },
    /// Views of videos were counted; nothing else of them has changed.
    ViewsCounted { video_ids: Vec<i64> },
    /// Categories, tags or viewing codes changed.
    CatalogueChanged,
    /// A job began, got on, or ended.
    JobChanged {
        job_id: i64,
        video_id: Option<i64>,
        kind: String,
        status: String,
        progress: i64,
    },
}

/// The channel. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    generation: Arc<AtomicU64>,
    dirty: Arc<Mutex<Dirty>>,
}

/// What changed in the library since somebody last asked.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Dirty {
    /// Videos.
    pub(crate) videos: BTreeSet<i64>,
    /// More than can be named.
    pub(crate) all: bool,
}

/// Changed videos that are named one by one. Reading so many again takes a few milliseconds, a large library much longer.
const MAX_DIRTY: usize = 4096;

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            generation: Arc::default(),
            dirty: Arc::default(),
        }
    }
}

impl Events {
    /// Tells everybody who listens.
    pub(crate) fn tell(&self, event: Event) {
        match &event {
            Event::VideoChanged { video_id } => self.dirty(&[*video_id]),
            Event::ViewsCounted { video_ids } => self.dirty(video_ids),
            Event::CatalogueChanged => self.all_dirty(),
            _ => {}
        }
        // Nobody listens, mostly.
        let _ = self.sender.send(event);
    }

    fn dirty(&self, videos: &[i64]) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.videos.extend(videos);
        if dirty.videos.len() > MAX_DIRTY {
            *dirty = Dirty {
                videos: BTreeSet::new(),
                all: true,
            };
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn all_dirty(&self) {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner).all = true;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The state of the library: another number after each change that was told. What was made of the library under one number is good
    /// as long as it stays.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What changed in the library since the last call, for the one who keeps a copy of it.
    pub(crate) fn take_dirty(&self) -> Dirty {
        std::mem::take(&mut self.dirty.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hears what happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
