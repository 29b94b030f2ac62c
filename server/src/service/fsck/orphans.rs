//! Media that no row names: found by a server that runs too, and made into items when a person asks for it.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::files::Listing;
use super::known::Known;
use super::{Kind, State};
use crate::app::Folders;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::service::recordings::Recordings;
use crate::service::recordings::beside::Beside;
use crate::store::Store;

/// A file, or several that are one recording, without a row.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Orphan {
    /// The file's name in the storage folder.
    pub(crate) file: String,
    /// Bytes.
    pub(crate) size: u64,
    /// The source that it is a recording of; null when nothing says so.
    pub(crate) source_name: Option<String>,
    /// When its recording began; null when nothing says so.
    pub(crate) started_at: Option<Micros>,
}

/// Looks for media that no row names.
///
/// # Errors
/// When the store fails, or the storage folder is not there.
pub(crate) async fn find(store: &Store, folders: &Arc<Folders>) -> Result<Vec<Orphan>, Fault> {
    let here = Arc::clone(folders);
    let listing = blocking(move || {
        here.check().map_err(Fault::Internal)?;
        Listing::of(here.storage())
    })
    .await?;
    // After the files: what is made meanwhile has its row first.
    let known = Known::of(&store.rows_with_files().await?);
    let storage = folders.storage().to_path_buf();
    blocking(move || {
        let found = known.strangers(&listing).into_iter();
        let orphans = found.filter(|finding| finding.kind == Kind::Orphan && finding.state == State::Found);
        let orphans = orphans.filter_map(|finding| {
            let file = finding.file?;
            let beside = Beside::read(&storage.join(&file));
            Some(Orphan {
                size: listing.size(&file).unwrap_or(0),
                source_name: beside.as_ref().map(|beside| beside.source_name.clone()),
                started_at: beside.and_then(|beside| beside.started_at),
                file,
            })
        });
        Ok::<_, Fault>(orphans.collect())
    })
    .await
}

/// Makes items of all media that no row names, to be reviewed; their videos.
///
/// # Errors
/// When the store fails, or the storage folder is not there.
pub(crate) async fn import(
    store: &Store,
    folders: &Arc<Folders>,
    recordings: &Recordings,
) -> Result<Vec<i64>, Fault> {
    let mut videos = Vec::new();
    for orphan in find(store, folders).await? {
        videos.extend(recordings.import(&orphan.file).await?);
    }
    videos.dedup();
    Ok(videos)
}
