//! A run of the binary whose writing is written down.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

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
        let preloaded = Preloaded::new(folder);
        command.envs(preloaded.environment());
        let run = binary::spawn_command(command).finish(limit);
        Recorded {
            run,
            log: Log::parse(&preloaded.bytes()),
        }
    }
}

/// What writes down what a program does to a folder.
#[derive(Debug)]
pub struct Preloaded {
    folder: PathBuf,
    dir: TempDir,
}

impl Preloaded {
    /// For `folder`, which must be named in the program's arguments exactly so.
    pub fn new(folder: &Path) -> Preloaded {
        Preloaded {
            folder: folder.to_path_buf(),
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The variables that preload the library.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().expect("a path of UTF-8").to_owned();
        vec![
            ("LD_PRELOAD", text(shim())),
            ("POWER_FOLDER", text(&self.folder)),
            ("POWER_LOG", text(&self.log())),
        ]
    }

    /// The log so far.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.log()).expect("the preloaded library writes a log")
    }

    /// How long the log is.
    pub fn len(&self) -> usize {
        std::fs::metadata(self.log()).map_or(0, |about| about.len() as usize)
    }

    /// Nothing was written down yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("power.log")
    }
}

/// The files of a folder and of those in it, by their names with `/` between.
pub fn read_tree(folder: &Path) -> Folder {
    let mut all = Folder::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("it is inside")
                    .to_string_lossy()
                    .into_owned();
                all.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    all
}

/// Makes the files of a tree, and the folders that they are in.
pub fn write_tree(folder: &Path, files: &Folder) {
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it is inside"))
            .expect("a temporary directory is writable");
        std::fs::write(path, content).expect("a temporary directory is writable");
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
