//! The files of the storage folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
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
                let about = match entry.metadata() {
                    // It went in between.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    about => about.map_err(failed)?,
                };
                let name = entry.file_name().to_string_lossy().into_owned();
                let (name, size) = if about.is_dir() && is_of_a_worker(&name) {
                    (format!("{name}/"), size_of(&entry.path()).map_err(failed)?)
                } else if about.is_file() && name != crate::app::TOKEN {
                    (name, about.len())
                } else {
                    continue;
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

/// The bytes of the files in a worker's folder, which has no folders in it.
fn size_of(folder: &Path) -> std::io::Result<u64> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
