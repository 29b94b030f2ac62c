//! Pictures that are uploaded: known by their bytes, written durably, served under names of our own.

use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::fault::{Fault, blocking};

/// The kinds of pictures that browsers show, by how they begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Gif,
    Webp,
}

impl Kind {
    /// What the bytes are.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

/// Writes a picture into `folder`; its name, which begins with `prefix`.
///
/// # Errors
/// `BadRequest` for what is no picture of a kind that is allowed.
pub(crate) async fn save(folder: PathBuf, prefix: &str, bytes: Bytes, gif: bool) -> Result<String, Fault> {
    let kind = Kind::of(&bytes).filter(|kind| gif || *kind != Kind::Gif);
    let kind = kind.ok_or_else(|| {
        let gif = if gif { ", GIF" } else { "" };
        Fault::bad(format!("The file is no picture: JPEG, PNG{gif} and WebP are"))
    })?;
    let name = format!("{prefix}{}.{}", uuid::Uuid::new_v4(), kind.extension());
    let path = folder.join(&name);
    blocking(move || write(&path, &bytes).map_err(|error| failed(&path, &error))).await?;
    Ok(name)
}

/// Writes a picture under a name that nothing has yet, durably.
///
/// # Errors
/// Those of the disk; nothing is left behind then.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Why a picture could not be written.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::StorageFull => Fault::NoSpace("The disk is full".to_owned()),
        _ => Fault::internal(format!("write {}: {error}", path.display())),
    }
}

/// Removes a file that no row names any more.
pub(crate) async fn forget(path: PathBuf) {
    let removed =
        tokio::task::spawn_blocking(move || std::fs::remove_file(&path).map_err(|error| (path, error))).await;
    if let Ok(Err((path, error))) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{} can't be removed: {error}", path.display());
    }
}
