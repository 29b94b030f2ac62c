//! Removing files that were replaced, once nobody can want them back.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Failure;
use super::run::{Done, Run};
use super::source::path_of;
use crate::service::recordings::beside;

/// What is to be removed.
#[derive(Debug, Deserialize, Serialize)]
struct Payload {
    /// The names that the files had, relative to the storage folder.
    files: Vec<String>,
}

/// Removes the files, from the trash or where they were.
pub(super) async fn perform(run: &Run) -> Result<Done, Failure> {
    let Payload { files } = run.payload()?;
    let mut paths = Vec::new();
    for name in &files {
        let Some(path) = path_of(run.storage(), name) else {
            continue;
        };
        // It may be on its way into the trash: the trash is looked at last.
        if !run.jobs.0.store.file_in_use(name).await? {
            paths.push(path);
        }
        paths.push(trash(run.storage(), name));
    }
    tokio::task::spawn_blocking(move || {
        let with_beside = |path: PathBuf| beside::path_of(&path).into_iter().chain([path]);
        for path in paths.into_iter().flat_map(with_beside) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    })
    .await??;
    Ok(Done::with(json!({})))
}

fn trash(storage: &Path, name: &str) -> PathBuf {
    let name = Path::new(name).file_name().unwrap_or_default();
    storage.join("trash").join(name)
}

/// Moves a file into the trash. One that can't be moved stays where it is until it is removed.
pub(super) fn to_trash(storage: &Path, name: &str) {
    let Some(path) = path_of(storage, name) else {
        return;
    };
    if let Err(error) = fs::rename(&path, trash(storage, name))
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!("{name} can't be moved into the trash: {error}");
        return;
    }
    if let (Some(from), Some(to)) = (beside::path_of(&path), beside::path_of(&trash(storage, name)))
        && let Err(error) = fs::rename(from, to)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!("what is written beside {name} stays where it is: {error}");
    }
}
