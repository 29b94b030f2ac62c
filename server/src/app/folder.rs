//! The folders on the disk: laid out once, held by one server, and known by a token.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// Folders in the storage folder.
const FOLDERS: &[&str] = &["temp", "audio", "thumbnails", "images", "trash"];

/// Names the storage folder, so that another one at its place is noticed.
pub(crate) const TOKEN: &str = ".mediastack-storage";

/// The server's hold on its folders; one server at a time has it.
#[derive(Debug)]
pub(crate) struct Folders {
    storage: PathBuf,
    token: String,
    device: u64,
    _lock: File,
}

impl Folders {
    /// Makes what is missing and takes hold of it.
    ///
    /// # Errors
    /// When another server holds it, or a folder can't be made.
    pub(crate) fn open(data: &Path, storage: &Path) -> Result<Self> {
        for folder in [data.to_path_buf(), data.join("db"), storage.to_path_buf()] {
            fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        }
        let path = data.join("server.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("{} is in use by a running server", data.display());
        }
        let token = token(storage)?;
        for name in FOLDERS {
            let folder = storage.join(name);
            fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        }
        let storage = fs::canonicalize(storage).with_context(|| format!("find {}", storage.display()))?;
        let device = fs::metadata(&storage)?.dev();
        Ok(Self {
            storage,
            token,
            device,
            _lock: lock,
        })
    }

    /// Takes hold of folders that are there; makes none.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when one is missing.
    pub(crate) fn open_existing(data: &Path, storage: &Path) -> Result<Self> {
        for folder in [data, storage] {
            if !folder.is_dir() {
                bail!("{} is not there: is its disk mounted?", folder.display());
            }
        }
        if !storage.join(TOKEN).exists() {
            bail!("{} is no storage folder: it has no {TOKEN}", storage.display());
        }
        Self::open(data, storage)
    }

    /// The storage folder, absolute.
    pub(crate) fn storage(&self) -> &Path {
        &self.storage
    }

    /// A name that this storage folder alone has.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the folder that is there now is the one that was opened: on the same disk, with its token.
    ///
    /// # Errors
    /// When it isn't: a disk was unmounted, or is broken. Nothing may be written then.
    pub(crate) fn check(&self) -> Result<()> {
        let device = fs::metadata(&self.storage)
            .with_context(|| format!("find {}", self.storage.display()))?
            .dev();
        if device != self.device || read_token(&self.storage)?.as_deref() != Some(&self.token) {
            bail!(
                "{} is not the storage folder any more: is its disk mounted?",
                self.storage.display()
            );
        }
        Ok(())
    }
}

fn token(storage: &Path) -> Result<String> {
    if let Some(token) = read_token(storage)? {
        return Ok(token);
    }
    let token = uuid::Uuid::now_v7().to_string();
    write_private(&storage.join(TOKEN), token.as_bytes())?;
    Ok(token)
}

fn read_token(storage: &Path) -> Result<Option<String>> {
    match File::open(storage.join(TOKEN)) {
        Ok(file) => {
            let mut text = String::new();
            file.take(100)
                .read_to_string(&mut text)
                .context("read the storage folder's token")?;
            Ok(Some(text.trim().to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read the storage folder's token"),
    }
}

/// The server's key: 32 bytes that no other installation has, made at the first start and readable by the server alone.
///
/// # Errors
/// When it can't be read or made, or is no key.
pub(crate) fn server_key(data: &Path) -> Result<[u8; 32]> {
    let path = data.join("server.key");
    match fs::read(&path) {
        Ok(bytes) => {
            let key = <[u8; 32]>::try_from(bytes.as_slice());
            key.map_err(|_| anyhow::anyhow!("{} is no key of 32 bytes", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("make a key: {error}"))?;
            write_private(&path, &key)?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Writes a file durably, whole or not at all, for its owner alone.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("write {}", path.display());
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(failed)?;
    fs::rename(&temporary, path).with_context(failed)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_holds_a_folder_and_knows_it_again() {
        let data = tempfile::tempdir().unwrap();
        let storage = data.path().join("videos");
        let held = Folders::open(data.path(), &storage).unwrap();
        assert!(Folders::open(data.path(), &storage).is_err());
        held.check().unwrap();
        fs::rename(&storage, data.path().join("gone")).unwrap();
        assert!(held.check().is_err());
        fs::create_dir(&storage).unwrap();
        assert!(held.check().is_err(), "an empty folder in its place is not it");
        fs::remove_dir(&storage).unwrap();
        fs::rename(data.path().join("gone"), &storage).unwrap();
        held.check().unwrap();
        let key = server_key(data.path()).unwrap();
        assert_eq!(key, server_key(data.path()).unwrap());
        assert_eq!(
            fs::metadata(data.path().join("server.key")).unwrap().mode() & 0o777,
            0o600
        );
    }
}
