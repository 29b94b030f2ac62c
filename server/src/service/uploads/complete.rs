//! An upload of which all is there becomes a video: by a rename and some rows.

use std::fs::{self, File};
use std::path::Path;

use mediacore::ErrorKind;
use mediacore::probe::Report;
use mediacore::source::Interrupt;
use serde_json::json;

use super::intake::disk;
use super::{About, Uploads, is_open};
use crate::domain::status::{FileType, SourceType, UploadStatus};
use crate::fault::{Fault, blocking};
use crate::metrics::UPLOADS;
use crate::service::events::Event;
use crate::service::jobs::{ImportPayload, file_type, is_good, to_bytes, to_micros};
use crate::store::uploads::Upload;
use crate::store::videos::NewVideo;
use crate::worker::Workers;

/// Characters of the longest title.
const MAX_TITLE: usize = 500;

/// Tags of a video.
const MAX_TAGS: usize = 100;

/// How long it may take to find out what a file is.
const LOOK: std::time::Duration = std::time::Duration::from_secs(20);

/// The video that an upload became.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    pub(crate) video_id: i64,
    pub(crate) title: String,
    /// The name in the storage folder.
    pub(crate) file_name: String,
}

impl Uploads {
    /// Makes a video of an upload. What was said when it began counts where `about` is absent. Asked again it answers the same.
    ///
    /// # Errors
    /// `NotFound`; `BadRequest` when chunks are missing, the category or a tag is not there, or what came is no media, which
    /// ends the upload.
    pub(crate) async fn complete(&self, id: &str, about: Option<About>) -> Result<Completed, Fault> {
        let _closed = self.0.turns.close(id).await;
        let missing = || Fault::missing("Upload task not found");
        let upload = self.0.store.upload(id).await?.ok_or_else(missing)?;
        if let (UploadStatus::Completed, Some(video)) = (upload.status, upload.video_id) {
            let video = self.0.store.video(video).await?.ok_or_else(missing)?;
            return Ok(Completed {
                video_id: video.id,
                title: video.title,
                file_name: video.file_name,
            });
        }
        is_open(&upload)?;
        if upload.received != upload.file_size {
            return Err(Fault::bad(format!(
                "Missing chunks. Uploaded: {}, Expected: {}",
                upload.chunks, upload.total_chunks
            )));
        }
        let about = about.unwrap_or_else(|| serde_json::from_str(&upload.metadata).unwrap_or_default());
        let title = title(&upload, &about)?;
        if about.tag_ids.len() > MAX_TAGS {
            return Err(Fault::field("body.tag_ids", format!("at most {MAX_TAGS}")));
        }
        let (category, tags) = self
            .0
            .store
            .knows_category_and_tags(about.category_id, &about.tag_ids)
            .await?;
        if !category {
            return Err(Fault::bad("Category not found"));
        }
        if !tags {
            return Err(Fault::bad("Some tags not found"));
        }
        let (report, name) = self.publish(&upload).await?;
        let import = (!is_good(&report)).then(|| {
            let extension = match file_type(&report) {
                FileType::Video => "mp4",
                FileType::Audio => "m4a",
            };
            json!(ImportPayload {
                output: format!("{}.{extension}", uuid::Uuid::now_v7()),
            })
        });
        let new = NewVideo {
            task_id: None,
            category_id: about.category_id,
            title: title.clone(),
            description: None,
            file_name: name.clone(),
            file_size: Some(upload.file_size),
            duration_us: report.duration.map(to_micros),
            source_type: SourceType::Uploaded,
            file_type: file_type(&report),
            tracks: crate::cli::tracks_json(&report),
            gaps: "[]".to_owned(),
            parts: Vec::new(),
        };
        let made = self
            .0
            .store
            .complete_upload(id, &new, &about.tag_ids, import.as_ref())
            .await?;
        let video_id = made.ok_or_else(missing)?;
        UPLOADS.count("completed");
        self.0.events.tell(Event::VideoChanged { video_id });
        self.0.jobs.wake();
        Ok(Completed {
            video_id,
            title,
            file_name: name,
        })
    }

    /// Looks what the file is, and gives it its name in the storage folder. After a crash in the middle it may have it already.
    async fn publish(&self, upload: &Upload) -> Result<(Report, String), Fault> {
        let from = self.temporary(&upload.id);
        let folders = std::sync::Arc::clone(&self.0.folders);
        let (size, given, known) = (upload.file_size, upload.file_name.clone(), upload.target.clone());
        let _turn = self.0.workers.turn().await?;
        let workers = self.0.workers.clone();
        let looked = blocking(move || {
            folders.check().map_err(Fault::Internal)?;
            let done = known.filter(|name| !from.exists() && folders.storage().join(name).exists());
            let path = match &done {
                Some(name) => folders.storage().join(name),
                None => from,
            };
            look(&workers, &path, size, &given).map(|found| found.map(|(report, end)| (report, end, done)))
        })
        .await?;
        let (report, extension, done) = match looked {
            Ok(found) => found,
            Err(why) => {
                let why = format!("The file is not taken: {why}");
                self.0.store.fail_upload(&upload.id, &why).await?;
                UPLOADS.count("failed");
                let path = self.temporary(&upload.id);
                let _ = tokio::task::spawn_blocking(move || fs::remove_file(path)).await;
                return Err(Fault::bad(why));
            }
        };
        if let Some(name) = done {
            // That it has its name may not be on the disk: the sync after the rename is what failed, or never came.
            let to = self.0.folders.storage().join(&name);
            blocking(move || sync_folder(&to).map_err(|error| disk(&error))).await?;
            return Ok((report, name));
        }
        let name = format!("{}.{extension}", uuid::Uuid::now_v7());
        self.0.store.set_upload_target(&upload.id, &name).await?;
        let (from, to) = (self.temporary(&upload.id), self.0.folders.storage().join(&name));
        blocking(move || rename(&from, &to).map_err(|error| disk(&error))).await?;
        Ok((report, name))
    }
}

fn title(upload: &Upload, about: &About) -> Result<String, Fault> {
    let given = about
        .title
        .as_deref()
        .map(str::trim)
        .filter(|title| !title.is_empty());
    let title = match given {
        Some(title) => title,
        None => match upload.file_name.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => &upload.file_name,
        },
    };
    if title.chars().count() > MAX_TITLE {
        return Err(Fault::field(
            "body.title",
            format!("at most {MAX_TITLE} characters"),
        ));
    }
    Ok(title.to_owned())
}

/// What a file is, and what its name ends in by that; the text says why it is not taken.
fn look(
    workers: &Workers,
    path: &Path,
    size: i64,
    given: &str,
) -> Result<Result<(Report, &'static str), String>, Fault> {
    let interrupt = Interrupt::new();
    interrupt.set_deadline(LOOK);
    let report = match workers.probe(path, &interrupt) {
        Ok(report) => report,
        Err(error) => {
            return match error.kind() {
                ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::LimitExceeded => {
                    Ok(Err("it is no media file, or is damaged".to_owned()))
                }
                ErrorKind::InvalidInput | ErrorKind::TimedOut => {
                    Ok(Err("it can't be read as media".to_owned()))
                }
                _ => Err(error.into()),
            };
        }
    };
    if report.size.map(to_bytes) != Some(size) {
        return Ok(Err(format!("it does not have {size} bytes")));
    }
    if !report
        .tracks
        .iter()
        .any(|track| track.kind.is_some() && (track.sample_rate > 0 || track.width > 0))
    {
        return Ok(Err("there is no picture and no sound in it".to_owned()));
    }
    let is_encrypted = |codec: &str| matches!(codec, "encv" | "enca");
    if report.tracks.iter().any(|track| is_encrypted(&track.codec)) {
        return Ok(Err("it is encrypted, and nobody could watch it".to_owned()));
    }
    let sound = file_type(&report) == FileType::Audio;
    let extension = match report.container.as_str() {
        "mp4" if sound => "m4a",
        "mp4" => "mp4",
        "mov" => "mov",
        "matroska,webm" if given.to_lowercase().ends_with(".webm") => "webm",
        "matroska,webm" => "mkv",
        "mpegts" => "ts",
        "flv" | "live_flv" => "flv",
        "avi" => "avi",
        "mp3" => "mp3",
        "aac" => "aac",
        "wav" => "wav",
        "flac" => "flac",
        other => return Ok(Err(format!("files of the kind {other:?} are not taken"))),
    };
    Ok(Ok((report, extension)))
}

/// Gives a file that is on the disk another name, durably.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to)
}

/// Makes the name of a file durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
