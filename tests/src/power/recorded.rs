//! A run of the binary whose writing is written down.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::binary::{self, Run};
use crate::preload::preloaded;

use super::disk::Folder;
use super::log::Log;

/// What a run did to a folder.
#[derive(Debug)]
pub struct Recorded {
    /// The run.
    pub run: Run,
    /// Its operations on the folder.
    pub log: Log,
}

impl Recorded {
    /// Runs a command made by [`binary::command`] to its end and writes down what it does in `folder`, which must be named
    /// in its arguments exactly so.
    ///
    /// # Panics
    /// When the C compiler is missing, or the run takes longer than `limit`.
    pub fn run(command: &mut Command, folder: &Path, limit: Duration) -> Recorded {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let log = dir.path().join("power.log");
        command
            .env("LD_PRELOAD", shim())
            .env("POWER_FOLDER", folder)
            .env("POWER_LOG", &log);
        let run = binary::spawn_command(command).finish(limit);
        let bytes = std::fs::read(&log).expect("the preloaded library writes a log");
        Recorded {
            run,
            log: Log::parse(&bytes),
        }
    }
}

/// The files of a folder.
pub fn read_folder(folder: &Path) -> Folder {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("an entry has a name");
            let content = std::fs::read(&path).expect("readable");
            (name.to_string_lossy().into_owned(), content)
        })
        .collect()
}

/// Makes the files in a folder, which is empty.
pub fn write_folder(folder: &Path, files: &Folder) {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("a temporary directory is writable");
    }
}

/// The preloaded library, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| preloaded("power"))
}
