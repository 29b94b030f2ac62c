//! A wall clock that a test sets while a program runs (libfaketime); the monotonic clock stays true.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// Where Debian puts the library that is preloaded.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The clock of one program.
#[derive(Debug)]
pub struct FakedClock {
    file: PathBuf,
    _dir: TempDir,
}

impl FakedClock {
    /// A clock that is `seconds` ahead of ours, or behind.
    pub fn ahead_by(seconds: i64) -> FakedClock {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = FakedClock {
            file: dir.path().join("clock"),
            _dir: dir,
        };
        clock.set(seconds);
        clock
    }

    /// A clock that shows this second since 1970 now.
    pub fn at(epoch: i64) -> FakedClock {
        FakedClock::ahead_by(epoch - now())
    }

    /// Sets it to be `seconds` ahead of ours, or behind.
    pub fn set(&self, seconds: i64) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n")).expect("a temporary directory is writable");
        std::fs::rename(&next, &self.file).expect("a temporary directory is writable");
    }

    /// Sets it to this second since 1970.
    pub fn set_to(&self, epoch: i64) {
        self.set(epoch - now());
    }

    /// What the program needs in its environment.
    ///
    /// # Panics
    /// When the library is not installed.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let library = LIBRARIES.iter().find(|path| Path::new(path).exists());
        let library = library.expect("libfaketime; `make setup` installs what is missing");
        vec![
            ("LD_PRELOAD", (*library).to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// The true second since 1970.
pub fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
