//! What happens to a recording, told to the database in its order. A database that is away holds this up, and not the recording.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mediacore::clock::WallTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::Recordings;
use crate::domain::status::TaskStatus;
use crate::store::is_away;
use crate::store::tasks::{Task, TaskEvent};

/// The pause before the database is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Something to be told.
#[derive(Debug)]
pub(super) enum Note {
    /// What happened. The recording bounds how many.
    Events(Vec<TaskEvent>),
    /// The first media is on the disk; it came then.
    Begun(Option<WallTime>),
}

impl Recordings {
    /// Tells the database what is sent for `task`, until the sender is gone and all of it is told.
    pub(super) fn write_notes(self: &Arc<Self>, task: &Task) -> (UnboundedSender<Note>, JoinHandle<()>) {
        let (sender, receiver) = unbounded_channel();
        let writing = tokio::spawn(Arc::clone(self).tell_all(task.clone(), receiver));
        (sender, writing)
    }

    async fn tell_all(self: Arc<Self>, task: Task, mut notes: UnboundedReceiver<Note>) {
        while let Some(note) = notes.recv().await {
            while let Err(error) = self.tell_one(&task, &note).await {
                if !is_away(&error) || self.stopping.load(Ordering::Acquire) {
                    tracing::warn!("what happened to task {} is not told: {error}", task.id);
                    break;
                }
                tracing::warn!(
                    "what happened to task {} waits for the database: {error}",
                    task.id
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn tell_one(&self, task: &Task, note: &Note) -> Result<(), sqlx::Error> {
        match note {
            Note::Events(events) => self.store.add_task_events(task.id, events).await,
            Note::Begun(first) => {
                self.store
                    .move_task(task.id, TaskStatus::Pending, TaskStatus::Recording)
                    .await?;
                self.begun(task, *first).await;
                self.tell(task, TaskStatus::Recording);
                Ok(())
            }
        }
    }
}
