//! [`Folder`]: a directory whose files can be opened and nothing else.
//!
//! A path can't leave it by `..` or by a symlink: the kernel resolves it beneath the directory (`openat2`). Where there is
//! no such call every component is opened by itself and symlinks are not followed.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, SystemTime};

use mediacore::hls::{Reason, Refusal};
use mediacore::{Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// Bytes of the longest path that is looked up.
const MAX_PATH: usize = 4096;

/// What tells a file from another and from its own later state.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.unsigned_abs(),
            seconds: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec,
        }
    }

    /// How long the file is, in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// When its bytes last changed.
    pub(crate) fn modified(&self) -> SystemTime {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// When there is none, or it may not be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map(Self)
            .map_err(|error| Error::storage(format!("open the directory {}", path.display()), error.into()))
    }

    /// Which file `path` names now, for a comparison with one that [`Folder::file`] opened: this does not look where
    /// symlinks lead.
    pub(crate) fn identity(&self, path: &str) -> Option<Identity> {
        let path = relative(path).ok()?;
        let stat = rustix::fs::statat(&self.0, path, AtFlags::empty()).ok()?;
        Some(Identity::of(&stat))
    }

    /// Opens the regular file at `path`, which is relative to the directory; a leading slash does not count.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for directories, other special files and without permission; `BadRequest` for a path that no
    /// file can have.
    pub(crate) fn file(&self, path: &str) -> Result<(File, Identity), Refusal> {
        let inner = relative(path)?;
        let name = if inner.is_empty() { "." } else { inner };
        let fd = self.open_beneath(name).map_err(|error| refuse(path, error))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| refuse(path, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Refusal::new(Reason::Forbidden, format!("{path} is not a file")));
        }
        Ok((File::from(fd), Identity::of(&stat)))
    }

    fn open_beneath(&self, path: &str) -> Result<OwnedFd, Errno> {
        let path_c = CString::new(path).map_err(|_| Errno::INVAL)?;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.0, &path_c, FILE, Mode::empty(), how) {
            // An older kernel, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_by_steps(path),
            // Another thread renamed something on the way.
            Err(Errno::AGAIN) => rustix::fs::openat2(&self.0, &path_c, FILE, Mode::empty(), how),
            done => done,
        }
    }

    fn open_by_steps(&self, path: &str) -> Result<OwnedFd, Errno> {
        let mut at: Option<OwnedFd> = None;
        let mut rest = path;
        while let Some((first, more)) = rest.split_once('/') {
            let from = at.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            at = Some(rustix::fs::openat(from, first, step, Mode::empty())?);
            rest = more;
        }
        let from = at.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
        rustix::fs::openat(from, rest, FILE | OFlags::NOFOLLOW, Mode::empty())
    }
}

/// Opening a pipe or a terminal must neither wait nor take it over.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// `path` without leading slashes, when it stays below where it starts.
fn relative(path: &str) -> Result<&str, Refusal> {
    if path.len() > MAX_PATH || path.contains('\0') {
        return Err(Refusal::bad_request("a path that no file can have"));
    }
    let inner = path.trim_start_matches('/');
    if inner.split('/').any(|part| part == "..") {
        return Err(missing(path));
    }
    Ok(inner)
}

fn missing(path: &str) -> Refusal {
    Refusal::new(Reason::NotFound, format!("there is no file {path}"))
}

fn refuse(path: &str, error: Errno) -> Refusal {
    match error {
        // The last two: a symlink that leads out, and one that is not followed.
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::XDEV | Errno::LOOP => missing(path),
        Errno::ACCESS | Errno::PERM | Errno::NXIO => {
            Refusal::new(Reason::Forbidden, format!("{path} may not be read"))
        }
        Errno::INVAL | Errno::ILSEQ => Refusal::bad_request("a path that no file can have"),
        error => Refusal::new(Reason::Internal, format!("open {path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_below_the_folder_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::fs::write(root.join("sub/a"), "abc").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink(dir.path(), root.join("up")).unwrap();
        symlink("sub/a", root.join("in")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let folder = Folder::open(&root).unwrap();
        let opens = |path: &str| folder.file(path).map(|(_, identity)| identity.size());
        let reason = |path: &str| opens(path).map_err(|refusal| refusal.reason);
        assert_eq!(opens("/sub/a"), Ok(3));
        assert_eq!(opens("in"), Ok(3));
        assert_eq!(opens("sub//a"), Ok(3));
        let long = "x".repeat(300);
        for path in [
            "out",
            "up/secret",
            "../secret",
            "sub/../../secret",
            "sub/../sub/a",
            "none",
            "sub/a/b",
            "loop",
            &long,
        ] {
            assert_eq!(reason(path), Err(Reason::NotFound), "{path}");
        }
        for path in ["", "/", "sub", "sub/"] {
            assert_eq!(reason(path), Err(Reason::Forbidden), "{path:?}");
        }
        assert_eq!(reason("a\0b"), Err(Reason::BadRequest));
        assert_eq!(reason(&"x/".repeat(3000)), Err(Reason::BadRequest));

        assert_eq!(folder.open_by_steps("out").unwrap_err(), Errno::LOOP);
        assert!(folder.open_by_steps("up/secret").is_err());
        assert!(folder.open_by_steps("sub/a").is_ok());
    }

    #[test]
    fn a_replaced_file_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.identity("a"), None);
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let first = folder.identity("a");
        assert_eq!(first, folder.file("a").map(|(_, identity)| identity).ok());
        std::fs::write(dir.path().join("b"), "2").unwrap();
        std::fs::rename(dir.path().join("b"), dir.path().join("a")).unwrap();
        assert_ne!(first, folder.identity("a"));
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let refused = Folder::open(dir.path()).unwrap().file("pipe").unwrap_err();
        assert_eq!(refused.reason, Reason::Forbidden);
    }
}
