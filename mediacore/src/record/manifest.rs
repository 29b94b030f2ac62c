//! The list of a recording's parts, written beside them as `<recording>.parts.json` when there is more than one.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

use super::finish::sync_parent;

/// The parts of one recording, in order.
///
/// A player plays them one after the other with a discontinuity between; `at_s` is where a part begins on the
/// recording's own timeline.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Manifest {
    /// The version of this format: 1.
    pub version: u32,
    /// The parts.
    pub parts: Vec<ManifestPart>,
}

/// One part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ManifestPart {
    /// The file's name, in the folder of the manifest.
    pub file: String,
    /// Where it begins on the recording's timeline, in seconds.
    pub at_s: f64,
    /// Its length in seconds; absent while it is being recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

/// No manifest is larger: a part needs a hundred bytes.
const MAX_BYTES: u64 = 4 << 20;

impl Manifest {
    /// The manifest beside the recording `x.mp4`: `x.parts.json`.
    pub fn path_for(recording: &Path) -> PathBuf {
        recording.with_extension("parts.json")
    }

    /// Adds a part.
    pub fn push(&mut self, path: &Path, at: Duration, duration: Option<Duration>) {
        self.version = 1;
        self.parts.push(ManifestPart {
            file: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            at_s: at.as_secs_f64(),
            duration_s: duration.map(|length| length.as_secs_f64()),
        });
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |e| Error::storage(format!("read {}", path.display()), e);
        let len = fs::metadata(path).map_err(failed)?.len();
        if len > MAX_BYTES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("{} is {len} bytes long", path.display()),
            ));
        }
        let manifest: Self = serde_json::from_slice(&fs::read(path).map_err(failed)?).map_err(|e| {
            Error::new(ErrorKind::Malformed, format!("{} is no manifest", path.display())).with_source(e)
        })?;
        match manifest
            .parts
            .iter()
            .find(|part| part.file.is_empty() || part.file.contains(['/', '\0']))
        {
            Some(part) => Err(Error::new(
                ErrorKind::Malformed,
                format!("{}: {:?} is no file name", path.display(), part.file),
            )),
            None => Ok(manifest),
        }
    }

    /// Writes it durably: whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |e| Error::storage(format!("write {}", path.display()), e);
        let text = serde_json::to_vec_pretty(self).map_err(|e| {
            Error::new(ErrorKind::Internal, "a manifest can't be written as JSON").with_source(e)
        })?;
        let temporary = path.with_extension("json.new");
        let mut file = fs::File::create(&temporary).map_err(failed)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        fs::rename(&temporary, path).map_err(failed)?;
        sync_parent(path)
    }
}

/// `x.mp4`, then `x.part2.mp4`, `x.part3.mp4`, …
pub fn part_path(recording: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return recording.to_path_buf();
    }
    let mut name = recording.file_stem().unwrap_or_default().to_os_string();
    name.push(format!(".part{number}"));
    if let Some(extension) = recording.extension() {
        name.push(".");
        name.push(extension);
    }
    recording.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_its_file_and_names_stay_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = Manifest::path_for(&folder.path().join("talk.mp4"));
        let mut manifest = Manifest::default();
        manifest.push(
            Path::new("/x/talk.mp4"),
            Duration::ZERO,
            Some(Duration::from_millis(1500)),
        );
        manifest.push(
            &part_path(Path::new("/x/talk.mp4"), 2),
            Duration::from_millis(1500),
            None,
        );
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        assert_eq!(manifest.parts[1].file, "talk.part2.mp4");
        fs::write(&path, r#"{"version":1,"parts":[{"file":"../x.mp4","at_s":0}]}"#).unwrap();
        assert_eq!(Manifest::read(&path).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
