//! The trash: what was deleted is removed for good when its time is over.

use std::time::Duration;

use tokio::sync::watch;

use super::removal::{Remover, Why};
use crate::domain::status::RemovalReason;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::listen::told;
use crate::store::Store;
use crate::store::retention::By;

/// How often the trash is looked through.
const EVERY: Duration = Duration::from_secs(600);

/// Empties the trash.
pub(crate) struct Trash {
    store: Store,
    remover: Remover,
    life: Duration,
}

impl Trash {
    /// Videos can be taken out for `life`.
    pub(crate) fn new(store: &Store, remover: &Remover, life: Duration) -> Self {
        Self {
            store: store.clone(),
            remover: remover.clone(),
            life,
        }
    }

    /// Looks through it by and by until `stop` says so.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = told(&mut stop) => return,
            }
            if let Err(fault) = self.empty(Micros::now(), &stop).await {
                tracing::error!("the trash can't be emptied: {fault:?}");
            }
        }
    }

    /// Removes what was deleted longer ago than it is kept, one after the other until `stop` says so. A video that others are spans of
    /// waits for them.
    ///
    /// # Errors
    /// When the store fails, or the storage folder is not there.
    pub(crate) async fn empty(&self, now: Micros, stop: &watch::Receiver<bool>) -> Result<(), Fault> {
        for video in self.store.deleted_before(now.before(self.life)).await? {
            if *stop.borrow() {
                return Ok(());
            }
            self.remover.check_folder().await?;
            let since = video.deleted_at.unwrap_or(now);
            let why = Why {
                reason: RemovalReason::Trash,
                detail: format!(
                    "in the trash since {since}, where videos stay for {} h",
                    self.life.as_secs() / 3600
                ),
            };
            let bytes = video.file_size.unwrap_or(0);
            self.remover.remove(&video, By::Trash, why, bytes).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "trash_tests.rs"]
mod tests;
