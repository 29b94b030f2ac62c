//! How a recording ends: the task's row and the library's item, together.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mediacore::codec::Media;
use mediacore::record::manifest::{Manifest, ManifestPart};
use mediacore::record::{Came, End, Gap, Report, Status, TrackReport};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Recordings;
use super::beside::{Beside, Ended};
use crate::domain::status::{FileType, SourceType, TaskStatus};
use crate::domain::time::Micros;
use crate::fault::{Fault, blocking};
use crate::service::events::Event;
use crate::store::sources::Source;
use crate::store::tasks::{Ending, Task};
use crate::store::videos::NewVideo;

/// The category of recordings whose source has none.
pub(crate) const DEFAULT_CATEGORY: &str = "未分类";

/// Why a recording that goes on after a restart misses media.
pub(super) const RESTARTED: &str = "the server was restarted";

/// Pauses between the first tries to tell the database how a recording ended: six minutes in all.
const SETTLE_PAUSES: [Duration; 8] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(120),
];

/// The pause between later ones.
const SETTLE_LATER: Duration = Duration::from_secs(120);

/// A file that was recorded.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) duration: Duration,
}

/// What a recording left, however it ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) status: TaskStatus,
    pub(super) parts: Vec<Part>,
    pub(super) gaps: Vec<Value>,
    pub(super) tracks: Vec<Value>,
    pub(super) is_audio: bool,
    pub(super) reconnects: u32,
    pub(super) error: Option<String>,
    /// When the first and the last of it came.
    pub(super) came: Option<(Micros, Micros)>,
    /// The source of a recording that was found, whose task has none.
    pub(super) source_id: Option<i64>,
    /// When a recording that was found ended.
    pub(super) ended_at: Option<Micros>,
}

impl Ending {
    /// Nothing was recorded.
    pub(super) fn failed(why: String) -> Self {
        Self {
            status: TaskStatus::Failed,
            file_size: None,
            duration_us: None,
            reconnects: 0,
            gaps: "[]".to_owned(),
            error_message: Some(why),
            last_media_at: None,
            source_id: None,
            ended_at: None,
        }
    }
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl Outcome {
    fn of(report: &Report) -> Self {
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let tracks: Vec<&TrackReport> = report
            .parts
            .first()
            .map(|part| part.tracks.iter().collect())
            .unwrap_or_default();
        Self {
            status: match report.status {
                Status::Completed => TaskStatus::Completed,
                Status::Interrupted => TaskStatus::Interrupted,
                Status::Failed => TaskStatus::Failed,
            },
            parts: report
                .parts
                .iter()
                .map(|part| Part {
                    name: name(&part.path),
                    size: part.size,
                    duration: part.duration,
                })
                .collect(),
            gaps: report.gaps.iter().map(gap).collect(),
            is_audio: !tracks.is_empty()
                && tracks
                    .iter()
                    .all(|track| matches!(track.track.media, Media::Audio { .. })),
            tracks: tracks.into_iter().map(track).collect(),
            reconnects: report.reconnects,
            error: report
                .error
                .as_ref()
                .filter(|error| error.kind() != mediacore::ErrorKind::Cancelled)
                .map(mediacore::Error::report),
            came: report.came().map(came),
            source_id: None,
            ended_at: None,
        }
    }

    fn size(&self) -> i64 {
        bytes(self.parts.iter().map(|part| part.size).sum())
    }

    fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }
}

/// When media came, as the store has it.
pub(super) fn came(came: Came) -> (Micros, Micros) {
    (Micros(came.first.0), Micros(came.last.0))
}

fn gap(gap: &Gap) -> Value {
    json!({"at_s": gap.at.as_secs_f64(), "length_s": gap.length.as_secs_f64(), "cause": gap.cause, "kind": gap.kind.map(|kind| kind.as_str())})
}

fn track(report: &TrackReport) -> Value {
    let track = &report.track;
    let mut value = json!({
        "kind": track.kind().as_str(),
        "codec": track.codec.as_str(),
        "codec_string": track.rfc6381(),
        "language": track.language.as_str(),
    });
    match track.media {
        Media::Video { width, height, .. } => {
            value["width"] = width.into();
            value["height"] = height.into();
            value["fps"] = ((report.frame_rate * 1e3).round() / 1e3).into();
        }
        Media::Audio {
            sample_rate,
            channels,
            ..
        } => {
            value["sample_rate"] = sample_rate.into();
            value["channels"] = channels.into();
        }
    }
    value
}

impl Recordings {
    /// Puts what was recorded into the library; the task as it is then. One that ended `on_time` has all that was asked for. First of
    /// all how it ended is written beside its file; what happened to it is in the database when `notes` is over.
    pub(super) async fn conclude(
        &self,
        source: &Source,
        task: &Task,
        report: &Report,
        on_time: bool,
        notes: JoinHandle<()>,
    ) -> Task {
        let mut outcome = Outcome::of(report);
        if on_time && report.end == End::Stopped && !outcome.parts.is_empty() {
            outcome.status = TaskStatus::Completed;
        }
        if !outcome.parts.is_empty() {
            self.ended_beside(task, &outcome, false).await;
        }
        if let Err(error) = notes.await {
            tracing::error!("what happened to task {} is lost: {error}", task.id);
        }
        // A database that is away for a while must not keep the source from being recorded again.
        let pauses = SETTLE_PAUSES.into_iter().chain(std::iter::repeat(SETTLE_LATER));
        for pause in pauses {
            match self.settle(source.category_id, task, &outcome).await {
                Ok(ended) => {
                    self.ended_beside(task, &outcome, true).await;
                    return ended;
                }
                Err(fault) => tracing::error!("task {} can't be ended in the database: {fault:?}", task.id),
            }
            if self.stopping.load(Ordering::Acquire) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        // The file and its row are there; the next start puts them together.
        task.clone()
    }

    /// Writes beside the file how the recording ended, and whether the database knows; of nothing recorded nothing stays.
    pub(super) async fn ended_beside(&self, task: &Task, outcome: &Outcome, is_told: bool) {
        if outcome.parts.is_empty() {
            return self.forget_beside(task).await;
        }
        let ended = Ended::of(outcome);
        let with = move |beside: Option<Beside>| {
            let mut beside = beside?;
            let at = beside.ended.as_ref().map_or(ended.at, |before| before.at);
            beside.ended = Some(Ended { at, is_told, ..ended });
            Some(beside)
        };
        self.change_beside(task, with).await;
    }

    /// Removes what is beside a file that was never made.
    pub(super) async fn forget_beside(&self, task: &Task) {
        let path = task
            .file_name
            .as_ref()
            .map(|name| self.folders.storage().join(name));
        let Some(path) = path else { return };
        let folders = std::sync::Arc::clone(&self.folders);
        let removed = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            if !path.exists()
                && let Some(beside) = super::beside::path_of(&path)
            {
                let _ = std::fs::remove_file(beside);
            }
            Ok::<_, Fault>(())
        });
        if let Err(fault) = removed.await {
            tracing::warn!("what task {} was stays beside its file: {fault:?}", task.id);
        }
    }

    /// Ends a task in the database with what there is of it.
    ///
    /// # Errors
    /// When the store or the manifest of several files can't be written.
    pub(super) async fn settle(
        &self,
        category_id: Option<i64>,
        task: &Task,
        outcome: &Outcome,
    ) -> Result<Task, Fault> {
        let recorded = !outcome.parts.is_empty();
        let first = outcome.came.map(|(first, _)| first);
        let mut gaps = outcome.gaps.clone();
        if recorded && let Some(away) = self.away(task, first).await? {
            gaps.insert(0, away);
        }
        let ending = Ending {
            status: if recorded {
                outcome.status
            } else {
                TaskStatus::Failed
            },
            file_size: recorded.then(|| outcome.size()),
            duration_us: recorded.then(|| micros(outcome.duration())),
            reconnects: outcome.reconnects.into(),
            gaps: Value::from(gaps.clone()).to_string(),
            last_media_at: outcome.came.map(|(_, last)| last),
            error_message: match (&outcome.error, recorded) {
                (None, false) => Some("nothing was recorded".to_owned()),
                (error, _) => error.clone(),
            },
            source_id: outcome.source_id,
            ended_at: outcome.ended_at,
        };
        let mut video = None;
        let mut behind = None;
        if recorded {
            let earlier = match task.continues_id {
                Some(id) => self.store.video_of_task(id).await?,
                None => None,
            };
            // Alone it misses nothing before its beginning.
            let gaps = if earlier.is_some() {
                gaps
            } else {
                outcome.gaps.clone()
            };
            let (new, manifest) = self.item(category_id, task, outcome, gaps, earlier).await?;
            behind = earlier.zip(manifest);
            video = Some(new);
        }
        let behind = behind.as_ref().map(|(id, manifest)| (*id, manifest.as_str()));
        let video_id = self
            .store
            .end_task(task.id, &ending, video.as_ref(), behind)
            .await?;
        if let Some(video_id) = video_id {
            self.events.tell(Event::VideoChanged { video_id });
            if behind.is_none() && !outcome.is_audio {
                self.store
                    .add_job("thumbnail", Some(video_id), &json!({}))
                    .await?;
            }
        }
        let ended = self.store.task(task.id).await?.unwrap_or_else(|| task.clone());
        self.tell(&ended, ended.status);
        Ok(ended)
    }

    /// The gap at the beginning of a task that goes on from another, whose first media came at `first`; `None` for one that doesn't.
    pub(super) async fn away(&self, task: &Task, first: Option<Micros>) -> Result<Option<Value>, Fault> {
        let Some(from) = task.continues_id else {
            return Ok(None);
        };
        let last = self.store.last_media_before(from, task.id).await?;
        let length = first.zip(last).map(|(first, last)| first.since(last));
        let length = length.unwrap_or_default().as_secs_f64();
        Ok(Some(
            json!({"at_s": 0.0, "length_s": length, "cause": RESTARTED, "kind": null}),
        ))
    }

    /// What the library gets; and the manifest, when that is one of several files.
    async fn item(
        &self,
        category_id: Option<i64>,
        task: &Task,
        outcome: &Outcome,
        mut gaps: Vec<Value>,
        earlier: Option<i64>,
    ) -> Result<(NewVideo, Option<String>), Fault> {
        let parts: Vec<(String, i64, i64)> = outcome
            .parts
            .iter()
            .map(|part| (part.name.clone(), bytes(part.size), micros(part.duration)))
            .collect();
        let mut all = Vec::new();
        if let Some(video_id) = earlier {
            all = self.store.video_parts(video_id).await?;
            if let Some(video) = self.store.video(video_id).await? {
                if all.is_empty() {
                    all.push((
                        video.file_name,
                        video.file_size.unwrap_or(0),
                        video.duration_us.unwrap_or(0),
                    ));
                }
                gaps = joined_gaps(&video.gaps, video.duration_us.unwrap_or(0), gaps);
            }
        }
        all.extend(parts.iter().cloned());
        let first = all.first().map(|(name, ..)| name.clone()).unwrap_or_default();
        let manifest = if all.len() > 1 {
            Some(self.write_manifest(&first, all).await?)
        } else {
            None
        };
        let category_id = match category_id {
            Some(id) => Some(id),
            None => self.store.category_named(DEFAULT_CATEGORY).await?,
        };
        let begun = task
            .started_at
            .unwrap_or(task.created_at)
            .timestamp()
            .to_zoned(self.zone.clone());
        let video = NewVideo {
            task_id: Some(task.id),
            category_id,
            title: format!("{} {}", task.source_name, begun.strftime("%Y-%m-%d %H:%M")),
            description: None,
            file_name: manifest.clone().unwrap_or(first),
            file_size: Some(outcome.size()),
            duration_us: Some(micros(outcome.duration())),
            source_type: SourceType::Recorded,
            file_type: if outcome.is_audio {
                FileType::Audio
            } else {
                FileType::Video
            },
            tracks: Value::from(outcome.tracks.clone()).to_string(),
            gaps: Value::from(gaps).to_string(),
            parts: if manifest.is_some() { parts } else { Vec::new() },
        };
        Ok((video, manifest))
    }

    /// Writes the list of the files of one item, which packaging reads.
    async fn write_manifest(&self, first: &str, parts: Vec<(String, i64, i64)>) -> Result<String, Fault> {
        let path = Manifest::path_for(&self.folders.storage().join(first));
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut manifest = Manifest {
            version: 1,
            parts: Vec::new(),
        };
        let mut at = 0.0;
        for (file, _, duration) in parts {
            let seconds = Duration::from_micros(u64::try_from(duration).unwrap_or(0)).as_secs_f64();
            manifest.parts.push(ManifestPart {
                file,
                at_s: at,
                duration_s: Some(seconds),
            });
            at += seconds;
        }
        let folders = std::sync::Arc::clone(&self.folders);
        blocking(move || {
            // Not where a disk was unmounted.
            folders.check().map_err(Fault::Internal)?;
            manifest.write(&path).map_err(Fault::from)
        })
        .await?;
        Ok(name)
    }
}

/// The gaps of an item that goes on: those that it had, and the new ones behind, of which the first is where the server was away.
fn joined_gaps(had: &str, duration_us: i64, new: Vec<Value>) -> Vec<Value> {
    let end = Duration::from_micros(u64::try_from(duration_us).unwrap_or(0)).as_secs_f64();
    let mut all: Vec<Value> = serde_json::from_str(had).unwrap_or_default();
    for mut gap in new {
        if let Some(at) = gap["at_s"].as_f64() {
            gap["at_s"] = (at + end).into();
        }
        all.push(gap);
    }
    all
}
