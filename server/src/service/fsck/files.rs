//! The files of the storage folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::fault::Fault;
use crate::worker::is_of_a_worker;

/// Folders whose files are ours.
const FOLDERS: [&str; 5] = ["temp", "audio", "thumbnails", "images", "trash"];

/// Files by name, relative to the storage folder, with their sizes; and the folders of worker processes, as one each, which end in `/`.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing(BTreeMap<String, u64>);

impl Listing {
    /// Those that are there. Links are not followed, and folders that are not ours are not looked into.
    pub(super) fn of(storage: &Path) -> Result<Self, Fault> {
        let mut files = BTreeMap::new();
        for folder in std::iter::once("").chain(FOLDERS) {
            let path = storage.join(folder);
            let failed =
                |error| Fault::internal(format!("read the folder {folder:?} of the storage: {error}"));
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound && !folder.is_empty() => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let (name, size) = match look(&entry) {
                    Ok(Some(found)) => found,
                    Ok(None) => continue,
                    // It went in between: a server that runs is looked at, too.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                };
                let name = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                files.insert(name, size);
            }
        }
        Ok(Self(files))
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The name and the bytes of a file, or of a worker's folder, which has no folders in it; `None` for what is neither.
fn look(entry: &fs::DirEntry) -> io::Result<Option<(String, u64)>> {
    let about = entry.metadata()?;
    let name = entry.file_name().to_string_lossy().into_owned();
    if about.is_dir() && is_of_a_worker(&name) {
        let files = fs::read_dir(entry.path())?;
        let size = files
            .map(|file| Ok(file?.metadata()?.len()))
            .sum::<io::Result<u64>>()?;
        return Ok(Some((format!("{name}/"), size)));
    }
    let is_ours = about.is_file() && name != crate::app::TOKEN;
    Ok(is_ours.then_some((name, about.len())))
}
