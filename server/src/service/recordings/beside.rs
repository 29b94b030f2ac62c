//! [`Beside`]: what a recording is, written beside its file as `<recording>.json`.
//!
//! It is written when the recording begins and again when it ends, each time whole or not at all. With it the recording's item can be
//! made again when the database is lost, or is one of yesterday; and an end that the database could not be told of is told at the next
//! start. It goes where its file goes: into the trash, and away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outcome::Outcome;
use crate::domain::status::TaskStatus;
use crate::domain::time::Micros;
use crate::store::tasks::Task;

/// No such file is larger: a gap needs a hundred bytes.
const MAX_BYTES: u64 = 8 << 20;

/// Gaps that are written: more than anyone reads.
const MAX_GAPS: usize = 10_000;

/// A row of another table, by number and name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Named {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// What a recording is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Beside {
    /// The version of this format: 1.
    version: u32,
    pub(crate) task_id: i64,
    /// `None` when the source was deleted.
    pub(crate) source_id: Option<i64>,
    pub(crate) source_name: String,
    pub(crate) category: Option<Named>,
    pub(crate) started_at: Option<Micros>,
    pub(crate) window_end: Option<Micros>,
    /// The file of the recording that it goes on from after a restart.
    pub(crate) continues: Option<String>,
    /// How it ended; absent while it runs, and after a crash.
    #[serde(default)]
    pub(crate) ended: Option<Ended>,
}

/// How a recording ended.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Ended {
    pub(crate) at: Micros,
    pub(crate) status: TaskStatus,
    pub(crate) reconnects: u32,
    /// As the task has them.
    pub(crate) gaps: Vec<Value>,
    pub(crate) error: Option<String>,
    /// When the first and the last of it came.
    pub(crate) came: Option<(Micros, Micros)>,
    /// The database was told: one that doesn't know of it is older.
    pub(crate) is_told: bool,
}

impl Ended {
    /// As `outcome` has it.
    pub(super) fn of(outcome: &Outcome) -> Self {
        Self {
            at: Micros::now(),
            status: outcome.status,
            reconnects: outcome.reconnects,
            gaps: outcome.gaps.iter().take(MAX_GAPS).cloned().collect(),
            error: outcome.error.clone(),
            came: outcome.came,
            is_told: false,
        }
    }
}

impl Beside {
    /// That of a task that begins.
    pub(super) fn of(task: &Task, category: Option<Named>, continues: Option<String>) -> Self {
        Self {
            version: 1,
            task_id: task.id,
            source_id: task.source_id,
            source_name: task.source_name.clone(),
            category,
            started_at: task.started_at,
            window_end: task.window_end,
            continues,
            ended: None,
        }
    }

    /// What is beside the media file `media`; `None` when there is nothing, or nothing that can be read.
    pub(crate) fn read(media: &Path) -> Option<Self> {
        let path = path_of(media)?;
        let bytes = match read_small(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{} can't be read: {error}", path.display());
                return None;
            }
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(beside) if beside.version == 1 => Some(beside),
            Ok(beside) => {
                tracing::warn!("{} is of version {}", path.display(), beside.version);
                None
            }
            Err(error) => {
                tracing::warn!("{} says nothing of its recording: {error}", path.display());
                None
            }
        }
    }

    /// Writes it beside the media file `media`, durably, whole or not at all.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn write(&self, media: &Path) -> io::Result<()> {
        let path = path_of(media).ok_or(io::ErrorKind::InvalidInput)?;
        let text = serde_json::to_vec_pretty(self)?;
        let temporary = path.with_extension("json.new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&temporary)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// The file beside a media file: `x.json` for `x.mp4`. `None` for what has none, as a list of parts.
pub(crate) fn path_of(media: &Path) -> Option<PathBuf> {
    let extension = media.extension()?;
    (extension != "json").then(|| media.with_extension("json"))
}

fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_what_is_torn_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("a.mp4");
        assert_eq!(Beside::read(&media), None);
        let beside = Beside {
            version: 1,
            task_id: 7,
            source_id: Some(3),
            source_name: "Hall \u{1F3A5}".to_owned(),
            category: Some(Named {
                id: 2,
                name: "Talks".to_owned(),
            }),
            started_at: Some(Micros(1_790_000_000_000_001)),
            window_end: None,
            continues: Some("b.mp4".to_owned()),
            ended: Some(Ended {
                at: Micros(1_790_000_100_000_000),
                status: TaskStatus::Interrupted,
                reconnects: 2,
                gaps: vec![serde_json::json!({"at_s": 1.5, "length_s": 2.0, "cause": "x", "kind": null})],
                error: None,
                came: Some((Micros(1_790_000_000_000_002), Micros(1_790_000_099_000_000))),
                is_told: true,
            }),
        };
        beside.write(&media).unwrap();
        beside.write(&media).unwrap();
        assert_eq!(Beside::read(&media), Some(beside));
        let path = folder.path().join("a.json");
        let text = fs::read(&path).unwrap();
        for cut in [0, 1, text.len() / 2, text.len() - 2] {
            fs::write(&path, text.get(..cut).unwrap()).unwrap();
            assert_eq!(Beside::read(&media), None, "{cut}");
        }
        assert_eq!(path_of(Path::new("/s/x.parts.json")), None);
        assert_eq!(
            path_of(Path::new("/s/x.part2.mp4")),
            Some("/s/x.part2.json".into())
        );
    }
}
