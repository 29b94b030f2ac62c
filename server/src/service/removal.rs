//! [`Remover`]: removes videos for good, row first and files after.
//!
//! The row goes in one transaction with a note of why, and with a job that removes the files a little later. The files are removed at once;
//! when that went well, durably, the job is taken back. So a server that dies in between leaves no file behind that no row names, and never a
//! row without its file. Who plays a file while it goes has it to the end of that request; the next one finds nothing.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::events::{Event, Events};
use super::jobs::{Jobs, path_of};
use super::playback::Playback;
use super::recordings::beside;
use crate::app::Folders;
use crate::domain::status::RemovalReason;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::store::Store;
use crate::store::retention::{By, Note};
use crate::store::videos::Video;

/// When the files are removed if that did not go well at once.
const AGAIN: Duration = Duration::from_secs(10);

/// Removes videos. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Remover {
    store: Store,
    events: Events,
    folders: Arc<Folders>,
    jobs: Jobs,
    playback: Arc<Playback>,
}

/// Why a video is removed, for people.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) reason: RemovalReason,
    /// The limit and what was measured.
    pub(crate) detail: String,
}

impl Remover {
    /// Removes from `store` and `folders`.
    pub(crate) fn new(
        store: &Store,
        events: &Events,
        folders: &Arc<Folders>,
        jobs: &Jobs,
        playback: &Arc<Playback>,
    ) -> Self {
        Self {
            store: store.clone(),
            events: events.clone(),
            folders: Arc::clone(folders),
            jobs: jobs.clone(),
            playback: Arc::clone(playback),
        }
    }

    /// Checks that the storage folder is the one that the server was started with.
    ///
    /// # Errors
    /// When it isn't: a disk was unmounted, or is broken.
    pub(crate) async fn check_folder(&self) -> Result<(), Fault> {
        let folders = Arc::clone(&self.folders);
        blocking(move || folders.check().map_err(Fault::Internal)).await
    }

    /// Removes `video` and its files; false when it is not what `by` may remove any more.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn remove(&self, video: &Video, by: By, why: Why, bytes: i64) -> Result<bool, Fault> {
        let media = self.media(video).await?;
        let mut files = self.belongings(video).await?;
        files.extend(media.iter().cloned());
        let note = Note {
            video_id: video.id,
            title: video.title.clone(),
            bytes,
            reason: why.reason,
            detail: why.detail,
        };
        let later = Micros::now().after(AGAIN);
        let job = self
            .store
            .remove_video(&note, by, &video.file_name, &files, later)
            .await?;
        let Some(job) = job else {
            return Ok(false);
        };
        tracing::info!(
            video = video.id,
            reason = note.reason.as_str(),
            "a video was removed: {}",
            note.detail
        );
        self.events.tell(Event::VideoChanged { video_id: video.id });
        let mut unused = Vec::new();
        for name in files {
            // A span, or another item of the same recording.
            if !media.contains(&name) || !self.store.file_in_use(&name).await? {
                unused.push(name);
            }
        }
        let storage = self.folders.storage().to_path_buf();
        let unlinked = blocking(move || Ok::<_, Fault>(unlink(&storage, &unused))).await?;
        // The packager keeps files open that it may be asked for again.
        self.playback.forget_removed().await?;
        if unlinked {
            self.store.forget_purge(job).await?;
        } else {
            self.jobs.wake();
        }
        Ok(true)
    }

    /// The files that are shown as the video; others may have them too.
    async fn media(&self, video: &Video) -> Result<BTreeSet<String>, Fault> {
        let parts = self.store.video_parts(video.id).await?;
        let mut media: BTreeSet<String> = parts.into_iter().map(|(name, ..)| name).collect();
        media.insert(video.file_name.clone());
        Ok(media)
    }

    /// The files that are the video's alone.
    async fn belongings(&self, video: &Video) -> Result<Vec<String>, Fault> {
        let mut files = self.jobs.sound_files(video.id).await?;
        let images = self.store.images(video.id).await?;
        files.extend(
            images
                .into_iter()
                .map(|image| format!("images/{}", image.file_name)),
        );
        files.extend(video.thumbnail.iter().map(|name| format!("thumbnails/{name}")));
        Ok(files)
    }
}

/// Removes files; whether all of them are gone for good.
fn unlink(storage: &Path, names: &[String]) -> bool {
    let mut folders = BTreeSet::new();
    let mut all = true;
    for name in names {
        let Some(path) = path_of(storage, name) else {
            continue;
        };
        // What is written beside a recording goes after it: without its file it says nothing.
        for path in std::iter::once(path.clone()).chain(beside::path_of(&path)) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!("{name} can't be removed yet: {error}");
                    all = false;
                }
                _ => folders.extend(path.parent().map(Path::to_path_buf)),
            }
        }
    }
    let synced = |folder: &PathBuf| std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    all && folders.iter().all(|folder| match synced(folder) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!("a removal may not last: {error}");
            false
        }
    })
}
