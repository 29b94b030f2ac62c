//! [`Jobs`]: long work, done one after the other by a few workers, that survives a restart.
//!
//! ```text
//! add ─▶ pending ─▶ processing ─▶ completed
//!           ▲           │  ├────▶ failed ────┐
//!           │ shutdown, │  └────▶ cancelled ─┤ retry
//!           └─ disk ────┘                    │
//!           ▲                                │
//!           └────────────────────────────────┘
//! ```
//! A worker holds a job by a lease that it renews; one whose holder is gone is done again. What a job changes is written in
//! the transaction that ends it, and only by the one who holds it, so that doing it twice changes nothing twice.

mod audio;
mod import;
mod purge;
mod requests;
mod run;
mod source;
mod thumbnail;
mod trim;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mediacore::source::Interrupt;
use mediacore::{Error, ErrorKind};
use serde_json::Value;
use tokio::sync::Notify;

use crate::app::Folders;
use crate::domain::status::JobStatus;
use crate::fault::Fault;
use crate::metrics::JOBS;
use crate::service::events::{Event, Events};
use crate::store::jobs::Job;
use crate::store::{Store, is_unique_violation};
use crate::worker::Workers;

pub(crate) use audio::{AudioPayload, AudioResult};
pub(crate) use import::{ImportPayload, is_good};
pub(crate) use requests::Trim;
pub(crate) use run::WORKERS;
pub(crate) use source::{file_type, path_of, to_bytes, to_micros};
pub(crate) use trim::{TrimPayload, TrimResult};

/// The queue and who works on it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    workers: Workers,
    /// How long replaced files are kept.
    trash_life: Duration,
    wake: Notify,
    /// What runs here.
    running: Mutex<HashMap<i64, Running>>,
}

/// A job that runs here.
#[derive(Clone, Debug)]
struct Running {
    kind: String,
    /// Stops it.
    interrupt: Interrupt,
}

/// Why a job did not get done.
#[derive(Debug)]
enum Failure {
    /// It was stopped.
    Stopped,
    /// It may go well another time: the disk or the database.
    Again(String),
    /// It may go well one more time, or never: it took too long.
    Once(String),
    /// It will not.
    Final(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Stopped,
            ErrorKind::Storage => Self::Again(error.report()),
            ErrorKind::TimedOut => Self::Once(error.report()),
            _ => Self::Final(error.report()),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Again(format!("the database: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Again(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!("a job's thread ended: {error}");
        Self::Final("internal error".to_owned())
    }
}

impl Jobs {
    /// The queue of `store`, whose jobs work in `folders`.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        workers: &Workers,
        trash_life: Duration,
    ) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            workers: workers.clone(),
            trash_life,
            wake: Notify::new(),
            running: Mutex::default(),
        }))
    }

    /// Says that there is a new job, so that it starts at once.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Puts a job into the queue; `None` when one of its kind for this video is not over yet.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add(
        &self,
        kind: &str,
        video: Option<i64>,
        payload: &Value,
    ) -> Result<Option<Job>, Fault> {
        match self.0.store.add_job(kind, video, payload).await {
            Ok(job) => {
                self.tell(&job, JobStatus::Pending, 0);
                self.wake();
                Ok(Some(job))
            }
            Err(error) if is_unique_violation(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest jobs, of one status or of all.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list(&self, status: Option<JobStatus>) -> Result<Vec<Job>, Fault> {
        Ok(self.0.store.jobs(status).await?)
    }

    /// Takes a job back; what runs is stopped, and leaves nothing behind.
    ///
    /// # Errors
    /// `BadRequest` when it is over, `NotFound`.
    pub(crate) async fn cancel(&self, id: i64) -> Result<Job, Fault> {
        let Some(job) = self.0.store.cancel_job(id).await? else {
            return Err(self.not_now(id, "Job is over already").await?);
        };
        if let Some(running) = self.running().get(&id) {
            running.interrupt.cancel();
        }
        self.tell(&job, JobStatus::Cancelled, job.progress);
        Ok(job)
    }

    /// Puts a job that failed or was cancelled into the queue again.
    ///
    /// # Errors
    /// `BadRequest` when it is in another state, or another of its kind waits for its video; `NotFound`.
    pub(crate) async fn retry(&self, id: i64) -> Result<Job, Fault> {
        match self.0.store.retry_job(id).await {
            Ok(Some(job)) => {
                self.tell(&job, JobStatus::Pending, 0);
                self.wake();
                Ok(job)
            }
            Ok(None) => Err(self
                .not_now(id, "Only a job that failed or was cancelled can be retried")
                .await?),
            Err(error) if is_unique_violation(&error) => {
                Err(Fault::bad("Another job of this kind waits for the video"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn not_now(&self, id: i64, text: &str) -> Result<Fault, Fault> {
        Ok(match self.0.store.job(id).await? {
            Some(_) => Fault::bad(text),
            None => Fault::missing("Job not found"),
        })
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, job: &Job, status: JobStatus, progress: i64) {
        JOBS.count(status.as_str());
        self.0.events.tell(Event::JobChanged {
            job_id: job.id,
            video_id: job.video_id,
            kind: job.kind.clone(),
            status: status.to_string(),
            progress,
        });
    }
}
