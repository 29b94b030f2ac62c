//! What a recording shows: its latest durable key frame as JPEG, decoded once however many look.

use std::sync::Arc;

use bytes::Bytes;
use mediacore::record::Still;
use tokio::sync::{Mutex, Semaphore};

use super::{Recordings, lock};
use crate::fault::{Fault, blocking};

/// Pixels: a card of the dashboard, or the window of a live preview.
const WIDTH: u32 = 960;

/// Key frames are decoded one after the other: viewers of pages must not take the processor from recordings.
static DECODING: Semaphore = Semaphore::const_new(1);

/// The picture that was made last.
#[derive(Default)]
pub(super) struct Shown(Mutex<Option<(Arc<Still>, Bytes)>>);

/// A picture, and what it is known by.
pub(crate) struct Picture {
    /// JPEG.
    pub(crate) bytes: Bytes,
    /// The same for the same picture.
    pub(crate) tag: String,
}

impl Recordings {
    /// What the recording of a task shows; `None` when it is not recording, or has no picture yet.
    ///
    /// # Errors
    /// When the server stops.
    pub(crate) async fn picture(&self, task_id: i64) -> Result<Option<Picture>, Fault> {
        let active = {
            let all = lock(&self.active);
            all.values().find(|active| active.task.id == task_id).cloned()
        };
        let Some(active) = active else { return Ok(None) };
        let mut shown = active.shown.0.lock().await;
        let Some(still) = lock(&active.live).still() else {
            return Ok(None);
        };
        let tag = format!("\"{task_id}-{}-{:x}\"", still.part, still.at);
        if let Some((last, bytes)) = shown.as_ref()
            && last.part == still.part
            && last.at == still.at
        {
            return Ok(Some(Picture {
                bytes: bytes.clone(),
                tag,
            }));
        }
        let _turn = DECODING
            .acquire()
            .await
            .map_err(|_| Fault::Unavailable("The server is stopping".to_owned()))?;
        let (key, workers) = (Arc::clone(&still), self.workers.clone());
        let picture = move || workers.picture(key.film()?, WIDTH);
        let bytes = match blocking(picture).await {
            Ok(bytes) => Bytes::from(bytes),
            Err(fault) => {
                // A part that was just finished, or damaged media: there is a next one in a moment.
                tracing::debug!("no picture of task {task_id}: {fault}");
                return Ok(None);
            }
        };
        *shown = Some((still, bytes.clone()));
        Ok(Some(Picture { bytes, tag }))
    }
}
