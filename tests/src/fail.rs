//! A disk that fails: one call of the binary on the files of a folder, or every call from one on, is refused by a preloaded library
//! (`tests/shim/fail.c`), until the test says otherwise.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::preload::preloaded;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `write`, `pwrite`, `writev`.
    Write,
    /// `fsync`, `fdatasync`, `syncfs`.
    Sync,
    /// `rename`.
    Rename,
    /// `fallocate`, `ftruncate`.
    Allocate,
    /// `open` that may make the file.
    Create,
    /// `copy_file_range`, `sendfile`.
    Copy,
}

impl Call {
    /// All kinds.
    pub const ALL: [Call; 6] = [
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::Allocate,
        Call::Create,
        Call::Copy,
    ];

    fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// No space is left.
    NoSpace,
    /// The disk is broken.
    Broken,
    /// The file system is mounted for reading alone.
    ReadOnly,
    /// Half of the bytes are written; what can't be halved fails as broken.
    Short,
}

impl How {
    fn number(self) -> u64 {
        match self {
            How::Short => 0,
            How::Broken => 5,
            How::NoSpace => 28,
            How::ReadOnly => 30,
        }
    }
}

/// What makes calls fail.
#[derive(Debug)]
pub struct Failing {
    control: File,
    dir: TempDir,
}

const MASK: u64 = 0;
const NTH: u64 = 1;
const COUNT: u64 = 2;
const ERROR: u64 = 3;
const ONGOING: u64 = 4;
const FAILED: u64 = 5;
const TOTALS: u64 = 8;
const NUMBERS: usize = 16;

impl Default for Failing {
    fn default() -> Failing {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let control = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(dir.path().join("control"))
            .expect("a temporary directory is writable");
        let all = [0; NUMBERS * 8];
        control
            .write_all_at(&all, 0)
            .expect("the control file is writable");
        Failing { control, dir }
    }
}

impl Failing {
    /// Preloads the library into a command, for the files below `folders`, which must be named in its arguments exactly so.
    pub fn preload(&self, command: &mut Command, folders: &[&Path]) {
        for (name, value) in self.environment(folders) {
            command.env(name, value);
        }
    }

    /// The variables that preload the library.
    pub fn environment(&self, folders: &[&Path]) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().expect("a path of UTF-8").to_owned();
        let folders: Vec<String> = folders.iter().map(|path| text(path)).collect();
        vec![
            ("LD_PRELOAD", text(shim())),
            ("FAIL_FOLDER", folders.join(":")),
            ("FAIL_CONTROL", text(&self.dir.path().join("control"))),
        ]
    }

    /// The `nth` call of these kinds from now on, counted from 1, fails.
    pub fn fail(&self, calls: &[Call], nth: u64, how: How) {
        self.arm(calls, nth, how, false);
    }

    /// The `nth` call of these kinds from now on and all after it fail, until [`Failing::heal`].
    pub fn fail_from(&self, calls: &[Call], nth: u64, how: How) {
        self.arm(calls, nth, how, true);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.set(NTH, 0);
    }

    /// How many calls have failed since the last order.
    pub fn failed(&self) -> u64 {
        self.get(FAILED)
    }

    /// How many calls of a kind there were since the start.
    pub fn calls(&self, call: Call) -> u64 {
        self.get(TOTALS + call as u64)
    }

    fn arm(&self, calls: &[Call], nth: u64, how: How, ongoing: bool) {
        // Nothing fails while it is being changed.
        self.set(NTH, 0);
        self.set(ERROR, how.number());
        self.set(ONGOING, ongoing.into());
        self.set(FAILED, 0);
        self.set(MASK, calls.iter().map(|call| call.bit()).sum());
        self.set(COUNT, 0);
        self.set(NTH, nth);
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control
            .read_exact_at(&mut bytes, at * 8)
            .expect("the control file is readable");
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, at: u64, value: u64) {
        self.control
            .write_all_at(&value.to_ne_bytes(), at * 8)
            .expect("the control file is writable");
    }
}

/// The preloaded library, compiled once.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| preloaded("fail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_that_was_ordered_fails_and_no_other() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let write = |failing: &Failing| {
            let mut command = Command::new("dd");
            command
                .args(["if=/dev/zero", "bs=1000", "count=3"])
                .arg(format!("of={}/a", folder.path().display()));
            failing.preload(&mut command, &[folder.path()]);
            command.output().expect("dd runs").status.success()
        };
        let failing = Failing::default();
        assert!(write(&failing));
        assert_eq!((failing.calls(Call::Write), failing.calls(Call::Sync)), (3, 0));
        for how in [How::NoSpace, How::Broken, How::ReadOnly] {
            failing.fail(&[Call::Write], 2, how);
            assert!(!write(&failing), "{how:?}");
            assert_eq!(failing.failed(), 1);
        }
        failing.fail(&[Call::Sync], 1, How::Broken);
        assert!(write(&failing), "another kind");
        failing.fail_from(&[Call::Create], 1, How::NoSpace);
        assert!(!write(&failing) && !write(&failing));
        failing.heal();
        assert!(write(&failing));
    }
}
