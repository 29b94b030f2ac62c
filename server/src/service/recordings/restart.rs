//! After a crash: what was being recorded is finished, told, and goes on if it still should.

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use mediacore::probe;
use mediacore::record::finish::Preference;
use mediacore::record::journal_path;
use mediacore::record::manifest::part_path;
use mediacore::record::recover::{self, Outcome as Found};
use mediacore::source::Interrupt;
use serde_json::{Value, json};

use super::beside::Beside;
use super::outcome::{Outcome, Part, came};
use super::{Recordings, Request};
use crate::domain::status::TaskStatus;
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::service::jobs::{ImportPayload, is_good};
use crate::store::tasks::{Found as FoundTask, Task};
use crate::worker::Workers;

/// Recordings that are finished at a time after a crash: what goes on must not wait for all others.
const AT_A_TIME: usize = 8;

/// Parts of one recording that are looked for.
const MAX_PARTS: u32 = 10_000;

impl Recordings {
    /// The tasks that an earlier run left: those that it did not end, and those that it ended because it had to stop. To be asked
    /// before anything new can start.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn left_over(&self) -> Result<Vec<Task>, Fault> {
        Ok(self.store.left_over_tasks().await?)
    }

    /// Finishes what an earlier run left, and starts again what should go on. Media that no row knows is put into the library too.
    pub(crate) async fn resume(self: Arc<Self>, left: Vec<Task>) {
        let taking_up = stream::iter(&left).for_each_concurrent(AT_A_TIME, |task| async {
            if let Err(fault) = self.take_up(task).await {
                tracing::error!(
                    "task {} could not be taken up after a restart: {fault:?}",
                    task.id
                );
            }
        });
        taking_up.await;
        if let Err(fault) = self.adopt_orphans().await {
            tracing::error!("unknown recordings in the storage folder can't be taken up: {fault:?}");
        }
    }

    async fn take_up(self: &Arc<Self>, task: &Task) -> Result<(), Fault> {
        let (recorded, source_id) = self.end_left_over(task).await?;
        let Some(source_id) = source_id else {
            return Ok(());
        };
        let request = Request {
            schedule_id: task.schedule_id,
            window_end: task.window_end,
            // The first of a chain has the item; a task that recorded nothing has none to go on from.
            continues_id: task.continues_id.or_else(|| recorded.then_some(task.id)),
        };
        self.start(source_id, request).await.map(drop)
    }

    /// Ends a task that an earlier run left, if it has not ended. Whether it recorded anything, and the source that should go on being
    /// recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn end_left_over(&self, task: &Task) -> Result<(bool, Option<i64>), Fault> {
        let beside = self.beside(task.file_name.as_deref()).await?;
        let ended = beside.and_then(|beside| beside.ended);
        // The end was told to a database, and this is an older one: what goes on from there is not to be begun today.
        let is_past = ended.is_some_and(|ended| ended.is_told || ended.status == TaskStatus::Completed);
        let open = task.window_end.is_none_or(|end| end > Micros::now());
        let complete = task.status == TaskStatus::Completed || (is_past && !task.status.is_over());
        let source_id = task.source_id.filter(|_| open && !task.stop_asked && !complete);
        // First of all, so that another crash between the end of this task and the start of the next one loses nothing.
        self.store.note_task_goes_on(task.id, source_id.is_some()).await?;
        let recorded = if task.status.is_over() {
            task.file_size.is_some()
        } else {
            self.finish(task).await?
        };
        Ok((recorded, source_id))
    }

    /// Ends a task that a crash cut off, with what there is of it. Whether that is anything.
    async fn finish(&self, task: &Task) -> Result<bool, Fault> {
        let outcome = match &task.file_name {
            Some(name) => {
                let path = self.folders.storage().join(name);
                let workers = self.workers.clone();
                blocking(move || Ok::<_, Fault>(left_at(&workers, &path))).await?
            }
            None => Outcome::nothing(),
        };
        let category = match task.source_id {
            Some(id) => self.store.source(id).await?.and_then(|source| source.category_id),
            None => None,
        };
        let saved = self.settle(category, task, &outcome).await?;
        self.ended_beside(task, &outcome, true).await;
        tracing::warn!(
            task = task.id,
            status = saved.status.as_str(),
            "a recording was interrupted by a crash; what there was of it is saved"
        );
        Ok(!outcome.parts.is_empty())
    }

    /// Recordings with a journal that the database does not know, because it was restored or lost.
    ///
    /// # Errors
    /// When the store or the folder can't be read.
    pub(crate) async fn adopt_orphans(&self) -> Result<usize, Fault> {
        let storage = self.folders.storage().to_path_buf();
        let found = blocking(move || recover::unfinished_in(&storage)).await?;
        let mut adopted = 0;
        for path in found {
            let Some(name) = self.own_name(&path) else {
                continue;
            };
            let base = base_of(&name);
            if self.is_active(&base)
                || self.store.knows_file(&base).await?
                || self.store.knows_file(&name).await?
            {
                continue;
            }
            if self.adopt(&base).await?.is_some() {
                adopted += 1;
                tracing::warn!("{name}, which the database did not know, is in the library now");
            }
        }
        Ok(adopted)
    }

    /// Makes an item of a recording that no row names, to be reviewed, with what is written beside it; its video. `None` when there is
    /// no media in it.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn adopt(&self, base: &str) -> Result<Option<i64>, Fault> {
        let path = self.folders.storage().join(base);
        let workers = self.workers.clone();
        let outcome = blocking(move || Ok::<_, Fault>(left_at(&workers, &path))).await?;
        if outcome.parts.is_empty() {
            return Ok(None);
        }
        let beside = self.beside(Some(base)).await?;
        let began = outcome.came.map(|(first, _)| first);
        let mut category = None;
        let mut found = FoundTask {
            source_name: "Recovered recording".to_owned(),
            file_name: base.to_owned(),
            continues_id: None,
            started_at: began,
        };
        let mut outcome = outcome;
        if let Some(beside) = beside {
            found.source_name = beside.source_name.clone();
            found.started_at = beside.started_at.or(began);
            if let Some(before) = &beside.continues {
                found.continues_id = self.store.task_of_file(before).await?;
            }
            outcome.source_id = self
                .store
                .source_like(beside.source_id, &beside.source_name)
                .await?;
            if let Some(named) = &beside.category {
                category = match self.store.category_named(&named.name).await? {
                    Some(id) => Some(id),
                    None => Some(self.store.add_category(&named.name, 0).await?.id),
                };
            }
        }
        outcome.ended_at = outcome.came.map(|(_, last)| last);
        let task = self.store.add_orphan_task(&found).await?;
        self.settle(category, &task, &outcome).await?;
        self.ended_beside(&task, &outcome, true).await;
        Ok(self.store.kept_video_of_task(task.id).await?)
    }

    /// As [`adopt`](Self::adopt), for any media: a file that does not play while it loads is made one that does.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn import(&self, base: &str) -> Result<Option<i64>, Fault> {
        let Some(video_id) = self.adopt(base).await? else {
            return Ok(None);
        };
        let path = self.folders.storage().join(base);
        let workers = self.workers.clone();
        let about = tokio::task::spawn_blocking(move || workers.probe(&path, &Interrupt::new())).await?;
        let alone = self
            .store
            .video(video_id)
            .await?
            .is_some_and(|video| video.file_name == base);
        if alone && about.is_ok_and(|about| !is_good(&about)) {
            let payload = json!(ImportPayload {
                output: format!("{}.mp4", uuid::Uuid::now_v7()),
            });
            self.store.add_job("import", Some(video_id), &payload).await?;
        }
        Ok(Some(video_id))
    }

    /// What is beside a file of the storage folder.
    async fn beside(&self, name: Option<&str>) -> Result<Option<Beside>, Fault> {
        let Some(name) = name else { return Ok(None) };
        let path = self.folders.storage().join(name);
        blocking(move || Ok::<_, Fault>(Beside::read(&path))).await
    }

    pub(super) fn own_name(&self, path: &Path) -> Option<String> {
        let inside = path.parent() == Some(self.folders.storage());
        inside
            .then(|| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .flatten()
    }

    pub(super) fn is_active(&self, name: &str) -> bool {
        super::lock(&self.active)
            .values()
            .any(|active| active.task.file_name.as_deref() == Some(name))
    }
}

impl Outcome {
    fn nothing() -> Self {
        Self {
            status: TaskStatus::Failed,
            parts: Vec::new(),
            gaps: Vec::new(),
            tracks: Vec::new(),
            is_audio: false,
            reconnects: 0,
            error: Some("the server stopped before anything was recorded".to_owned()),
            came: None,
            source_id: None,
            ended_at: None,
        }
    }
}

/// `x.part3.mp4` is a part of `x.mp4`.
pub(crate) fn base_of(name: &str) -> String {
    let stem = name.strip_suffix(".mp4").unwrap_or(name);
    match stem.rsplit_once(".part") {
        Some((base, number)) if number.parse::<u32>().is_ok() => format!("{base}.mp4"),
        _ => name.to_owned(),
    }
}

/// Finishes the files of the recording at `path`, and says what there is. How it ended is what is written beside it, if it is.
fn left_at(workers: &Workers, path: &Path) -> Outcome {
    let mut outcome = Outcome {
        status: TaskStatus::Interrupted,
        error: Some("the server was interrupted".to_owned()),
        ..Outcome::nothing()
    };
    let ended = Beside::read(path).and_then(|beside| beside.ended);
    if let Some(ended) = &ended {
        outcome.status = ended.status;
        outcome.error.clone_from(&ended.error);
        outcome.reconnects = ended.reconnects;
    }
    for number in 1..MAX_PARTS {
        let part = part_path(path, number);
        if !part.exists() && !journal_path(&part).exists() {
            break;
        }
        match recovered(workers, &part) {
            Ok(Some((found, gaps, came))) => {
                outcome.came = match (outcome.came, came) {
                    (Some((first, _)), Some((_, last))) => Some((first, last)),
                    (before, came) => before.or(came),
                };
                for (from, length, cause) in gaps {
                    outcome
                        .gaps
                        .push(json!({"at_s": from, "length_s": length, "cause": cause, "kind": null}));
                }
                if outcome.tracks.is_empty() {
                    (outcome.tracks, outcome.is_audio) = tracks_of(workers, &part);
                }
                outcome.parts.push(found);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(
                    "{} can't be finished and stays as it is: {}",
                    part.display(),
                    error.report()
                );
                outcome.error = Some(error.report());
            }
        }
    }
    if outcome.parts.is_empty() {
        return Outcome {
            error: outcome.error.filter(|_| path.exists()),
            ..Outcome::nothing()
        };
    }
    if let Some(ended) = ended {
        outcome.gaps = ended.gaps;
        outcome.came = ended.came.or(outcome.came);
    }
    outcome
}

type Gaps = Vec<(f64, f64, String)>;

/// When the first and the last media came.
type Times = Option<(Micros, Micros)>;

fn recovered(workers: &Workers, path: &Path) -> mediacore::Result<Option<(Part, Gaps, Times)>> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if journal_path(path).exists() {
        let done = recover::recover(path, Preference::Auto, &|_, _| {})?;
        if done.outcome == Found::Empty {
            return Ok(None);
        }
        let seconds = |ticks: std::time::Duration| ticks.as_secs_f64();
        let gaps = done
            .gaps
            .iter()
            .map(|gap| (seconds(gap.at), seconds(gap.length), gap.cause.clone()))
            .collect();
        return Ok(Some((
            Part {
                name,
                size: done.size,
                duration: done.duration,
            },
            gaps,
            done.came.map(came),
        )));
    }
    let about = workers.probe(path, &Interrupt::new())?;
    let part = Part {
        name,
        size: about.size.unwrap_or(0),
        duration: about.duration.unwrap_or_default(),
    };
    // It was finished, which is quick, and nothing else says when.
    let modified = path.metadata().and_then(|about| about.modified()).ok();
    let last = modified
        .and_then(|at| jiff::Timestamp::try_from(at).ok())
        .map(Micros::from);
    let came = last.map(|last| (last.before(part.duration), last));
    Ok(Some((part, Vec::new(), came)))
}

fn tracks_of(workers: &Workers, path: &Path) -> (Vec<Value>, bool) {
    let Ok(about) = workers.probe(path, &Interrupt::new()) else {
        return (Vec::new(), false);
    };
    let is_audio = !about.tracks.is_empty() && about.tracks.iter().all(|track| track.width == 0);
    (about.tracks.iter().map(probed).collect(), is_audio)
}

/// A track as the library lists it.
pub(crate) fn probed(track: &probe::Track) -> Value {
    let mut value = json!({
        "kind": track.kind.map_or("other", |kind| kind.as_str()),
        "codec": track.codec,
        "codec_string": track.rfc6381,
        "language": track.language.as_str(),
    });
    if track.width > 0 {
        value["width"] = track.width.into();
        value["height"] = track.height.into();
        value["fps"] = track.frame_rate.map(|rate| (rate * 1e3).round() / 1e3).into();
    } else {
        value["sample_rate"] = track.sample_rate.into();
        value["channels"] = track.channels.into();
    }
    value
}
