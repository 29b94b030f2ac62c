//! The history of recordings.

use super::events::{Event, Events};
use crate::fault::Fault;
use crate::store::Store;
use crate::store::tasks::{ListedTask, Task, TaskEvent, TaskFilter};

/// The tasks of the store.
pub(crate) struct Tasks {
    store: Store,
    events: Events,
}

impl Tasks {
    /// The tasks of `store`.
    pub(crate) fn new(store: &Store, events: &Events) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
        }
    }

    /// Those that `filter` lets through, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn list(&self, filter: &TaskFilter) -> Result<Vec<ListedTask>, Fault> {
        Ok(self.store.tasks(filter).await?)
    }

    /// One.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn one(&self, id: i64) -> Result<Task, Fault> {
        self.store
            .task(id)
            .await?
            .ok_or_else(|| Fault::missing("Task not found"))
    }

    /// The item of the library that has what one recorded, or what one recorded that it goes on from.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn video_of(&self, id: i64) -> Result<Option<i64>, Fault> {
        Ok(self.store.kept_video_of_task(id).await?)
    }

    /// The task that goes on from one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn next_of(&self, task: &Task) -> Result<Option<i64>, Fault> {
        Ok(self.store.next_task_of(task).await?)
    }

    /// What happened during one.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn events(&self, id: i64) -> Result<Vec<TaskEvent>, Fault> {
        self.one(id).await?;
        Ok(self.store.task_events(id).await?)
    }

    /// Removes one from the history; its media stays.
    ///
    /// # Errors
    /// `NotFound`, and `BadRequest` while it runs.
    pub(crate) async fn remove(&self, id: i64) -> Result<(), Fault> {
        let task = self.one(id).await?;
        if !self.store.remove_task(id).await? {
            return Err(Fault::bad("Cannot delete a task that is currently recording"));
        }
        self.events.tell(Event::TaskChanged {
            task_id: id,
            source_id: task.source_id,
            status: "removed".to_owned(),
        });
        Ok(())
    }
}
