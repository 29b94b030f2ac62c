//! The old installation's media, linked or copied into the storage folder.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What was taken from one folder to the other.
pub(super) struct Files<'a> {
    from: &'a Path,
    to: &'a Path,
    /// Sizes by where they are below the storage folder.
    taken: HashMap<PathBuf, u64>,
}

/// The file's name of a path of the old server, which was absolute for some.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

impl<'a> Files<'a> {
    pub(super) fn new(from: &'a Path, to: &'a Path) -> Self {
        Self {
            from,
            to,
            taken: HashMap::new(),
        }
    }

    /// Takes the file that the old database calls `path` into the sub-folder `folder`; its name, or `None` when it isn't there.
    pub(super) async fn take(&mut self, path: &str, folder: &str) -> Result<Option<String>> {
        let name = base_name(path);
        if name.is_empty() || name.starts_with('.') || name.contains('\0') {
            return Ok(None);
        }
        let target = Path::new(folder).join(name);
        if self.taken.contains_key(&target) {
            return Ok(Some(name.to_owned()));
        }
        let relative = Path::new(path.trim_start_matches('/'));
        let inside = relative
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let mut places = vec![self.from.join(folder).join(name), self.from.join(name)];
        if inside {
            places.push(self.from.join(relative));
        }
        let to = self.to.join(&target);
        let done =
            tokio::task::spawn_blocking(move || places.iter().find_map(|place| link(place, &to).transpose()))
                .await?;
        match done.transpose().with_context(|| format!("take over {name}"))? {
            Some(bytes) => {
                self.taken.insert(target, bytes);
                Ok(Some(name.to_owned()))
            }
            None => Ok(None),
        }
    }

    /// Bytes of a file at the top of the storage folder that was taken.
    pub(super) fn size(&self, name: &str) -> Option<i64> {
        self.taken
            .get(Path::new(name))
            .and_then(|bytes| i64::try_from(*bytes).ok())
    }

    /// How many files and bytes were taken.
    pub(super) fn taken(&self) -> (usize, u64) {
        (self.taken.len(), self.taken.values().sum())
    }
}

/// Links, or copies when another disk is between; its size, or `None` when there is no such file. A file of the same size that is there
/// already was taken at an earlier try.
fn link(from: &Path, to: &Path) -> io::Result<Option<u64>> {
    let size = match std::fs::symlink_metadata(from) {
        Ok(about) if about.is_file() => about.len(),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if std::fs::metadata(to).is_ok_and(|there| there.len() == size) {
        return Ok(Some(size));
    }
    if std::fs::hard_link(from, to).is_err() {
        let mut partial = to.as_os_str().to_owned();
        partial.push(".part");
        std::fs::copy(from, &partial)?;
        std::fs::File::open(&partial)?.sync_all()?;
        std::fs::rename(&partial, to)?;
    }
    Ok(Some(size))
}
