//! An output file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::record::finish::sync_parent;

/// A file under a temporary name beside its final one; removed when dropped before [`Target::publish`].
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    overwrite: bool,
    published: bool,
}

/// Whether `output` may be written: it is not there or may be replaced, and it is not the file `input`.
pub(crate) fn check(output: &Path, overwrite: bool, input: Option<&File>) -> Result<()> {
    let failed = |e| Error::storage(format!("look at {}", output.display()), e);
    if output.file_name().is_none() {
        let text = format!("{:?} is no name for a file", output.display().to_string());
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let there = match fs::metadata(output) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A link to nowhere is in the way all the same.
            return match fs::symlink_metadata(output) {
                Ok(_) if !overwrite => Err(exists(output)),
                _ => Ok(()),
            };
        }
        Err(error) => return Err(failed(error)),
    };
    if let Some(input) = input {
        let input = input.metadata().map_err(failed)?;
        if (input.dev(), input.ino()) == (there.dev(), there.ino()) {
            let text = format!("{} is the input itself", output.display());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
    }
    if there.is_dir() {
        let text = format!("{} is a folder", output.display());
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    if overwrite { Ok(()) } else { Err(exists(output)) }
}

fn exists(path: &Path) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{} exists already", path.display()),
    )
}

impl Target {
    /// Creates the temporary file for `path`.
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let mut tries = 0;
        loop {
            let temporary = temporary_name(path);
            let created = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&temporary);
            match created {
                Ok(file) => {
                    return Ok(Self {
                        path: path.to_path_buf(),
                        temporary,
                        file,
                        overwrite,
                        published: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 16 => tries += 1,
                Err(error) => return Err(Error::storage(format!("create {}", temporary.display()), error)),
            }
        }
    }

    /// The open file. After something replaced the file under the temporary name it is the old one.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The temporary name.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// The final name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// An error of writing it.
    pub(crate) fn failed(&self, error: io::Error) -> Error {
        Error::storage(format!("write {}", self.path.display()), error)
    }

    /// Makes the file durable and gives it its final name.
    pub(crate) fn publish(mut self) -> Result<()> {
        // By its name: what is there may have been written by another.
        File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .map_err(|e| self.failed(e))?;
        let renamed = if self.overwrite {
            fs::rename(&self.temporary, &self.path)
        } else {
            rename_without_replacing(&self.temporary, &self.path)
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => self.failed(error),
        })?;
        self.published = true;
        sync_parent(&self.path)
    }
}

/// A folder for files on the way, beside the output; removed with what is in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one for `output`.
    pub(crate) fn create(output: &Path) -> Result<Self> {
        let path = temporary_name(output);
        fs::create_dir(&path)
            .map_err(|e| Error::storage(format!("create the folder {}", path.display()), e))?;
        Ok(Self(path))
    }

    /// A path inside it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network and FUSE file systems don't all know the flag.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => other.map_err(io::Error::from),
    }
}

/// `.<name>.<16 hex digits>.part` in the same folder.
fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{} {} {count}", std::process::id(), SystemClock.wall().0);
    let number = u64::from(crc32c::crc32c(seed.as_bytes())) << 32
        | (u64::from(std::process::id()) ^ count) & 0xffff_ffff;
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    // A name has at most 255 bytes; a long one is cut, for only the number has to be unlike others.
    let name = String::from_utf8_lossy(&name[..name.len().min(60)]).into_owned();
    path.with_file_name(format!(".{name}.{number:016x}.part"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_target_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        drop(Target::create(&path, false).unwrap());
        assert_eq!(names(), 0);
        let (first, second) = (
            Target::create(&path, false).unwrap(),
            Target::create(&path, false).unwrap(),
        );
        first.file().write_all(b"one").unwrap();
        first.publish().unwrap();
        assert_eq!(second.publish().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let third = Target::create(&path, true).unwrap();
        third.file().write_all(b"three").unwrap();
        third.publish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"three".to_vec(), 1));
    }

    #[test]
    fn the_input_is_never_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
        fs::write(&path, b"x").unwrap();
        fs::hard_link(&path, &link).unwrap();
        let input = File::open(&path).unwrap();
        for output in [&path, &link] {
            assert_eq!(
                check(output, true, Some(&input)).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
        }
        assert!(check(&folder.path().join("c.mp4"), false, Some(&input)).is_ok());
    }
}
