//! The trash: what a person deleted is removed for good when its time is over, row first and files after.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::events::{Event, Events};
use super::jobs::Jobs;
use super::pictures;
use crate::app::Folders;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::listen::told;
use crate::store::Store;
use crate::store::videos::Video;

/// How often the trash is looked through.
const EVERY: Duration = Duration::from_secs(600);

/// Empties the trash.
pub(crate) struct Trash {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    jobs: Jobs,
    life: Duration,
}

impl Trash {
    /// Videos can be taken out for `life`.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        jobs: &Jobs,
        life: Duration,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            jobs: jobs.clone(),
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
            if let Err(fault) = self.empty(Micros::now()).await {
                tracing::error!("the trash can't be emptied: {fault:?}");
            }
        }
    }

    /// Removes what was deleted longer ago than it is kept. A video that others are spans of waits for them.
    ///
    /// # Errors
    /// When the store fails, or the storage folder is not there.
    pub(crate) async fn empty(&self, now: Micros) -> Result<(), Fault> {
        let old = self.store.deleted_before(now.before(self.life)).await?;
        if old.is_empty() {
            return Ok(());
        }
        let folders = Arc::clone(&self.folders);
        tokio::task::spawn_blocking(move || folders.check())
            .await?
            .map_err(Fault::Internal)?;
        for video in old {
            if self.store.clips_of(video.id).await? == 0 {
                self.remove(&video).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, video: &Video) -> Result<(), Fault> {
        let mut media = BTreeSet::from([video.file_name.clone()]);
        media.extend(
            self.store
                .video_parts(video.id)
                .await?
                .into_iter()
                .map(|(name, ..)| name),
        );
        let mut others = self.jobs.sound_files(video.id).await?;
        let images = self.store.images(video.id).await?;
        others.extend(
            images
                .into_iter()
                .map(|image| format!("images/{}", image.file_name)),
        );
        others.extend(video.thumbnail.iter().map(|name| format!("thumbnails/{name}")));
        if !self.store.remove_deleted(video).await? {
            return Ok(());
        }
        self.events.tell(Event::VideoChanged { video_id: video.id });
        for name in media {
            // A span, or another item of the same recording.
            if !self.store.file_in_use(&name).await? {
                others.push(name);
            }
        }
        for name in others {
            pictures::forget(self.folders.storage().join(name)).await;
        }
        tracing::info!(video = video.id, "a video left the trash for good");
        Ok(())
    }
}

#[cfg(test)]
#[path = "trash_tests.rs"]
mod tests;
