//! [`Disk`]: how much can be written on the disk of the storage folder.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// The disk of a folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    /// What a test says instead.
    #[cfg(test)]
    pub(super) pretended: std::sync::Arc<std::sync::Mutex<Option<u64>>>,
}

impl Disk {
    /// The disk that holds `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            #[cfg(test)]
            pretended: std::sync::Arc::default(),
        }
    }

    /// Bytes that can be written, and those of removed files that a viewer still reads: they are free when that one is done, and nothing
    /// more must be removed for them.
    ///
    /// # Errors
    /// When the disk can't be asked.
    pub(crate) fn free(&self) -> io::Result<u64> {
        #[cfg(test)]
        if let Some(free) = *self.pretended.lock().unwrap() {
            return Ok(free);
        }
        let about = statvfs(&self.folder)?;
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        let device = fs::metadata(&self.folder)?.dev();
        let held = still_read(device);
        Ok(held.values().fold(free, |sum, bytes| bytes.saturating_add(sum)))
    }
}

/// Bytes of removed files on `device` that this process has open, by their inode. Where the kernel doesn't show them there are none.
fn still_read(device: u64) -> HashMap<u64, u64> {
    let Ok(open) = fs::read_dir("/proc/self/fd") else {
        return HashMap::new();
    };
    let mut files = HashMap::new();
    for entry in open.flatten() {
        // One that was closed meanwhile can't be asked.
        if let Ok(about) = fs::metadata(entry.path())
            && about.is_file()
            && about.nlink() == 0
            && about.dev() == device
        {
            files.insert(about.ino(), about.blocks().saturating_mul(512));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_counts_as_free_while_somebody_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let device = fs::metadata(folder.path()).unwrap().dev();
        let path = folder.path().join("a");
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        let file = fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        let inode = file.metadata().unwrap().ino();
        let held = || still_read(device).get(&inode).copied();
        assert_eq!(held(), None);
        fs::remove_file(&path).unwrap();
        assert!(held().is_some_and(|bytes| bytes >= 1 << 20));
        drop(file);
        assert_eq!(held(), None);
        assert!(Disk::of(folder.path()).free().unwrap() > 0);
    }
}
