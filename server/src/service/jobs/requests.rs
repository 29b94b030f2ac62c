//! What people ask of a video: its sound, a span of it.

use std::time::Duration;

use serde_json::json;

use super::source::{micros, path_of};
use super::{AudioPayload, AudioResult, Jobs, TrimPayload};
use crate::domain::status::{FileType, JobStatus};
use crate::fault::{Fault, Field};
use crate::store::jobs::Job;
use crate::store::videos::Video;

/// Formats of extracted sound.
const FORMATS: [&str; 5] = ["mp3", "m4a", "opus", "flac", "wav"];

/// An end beyond the video's by no more than this is taken for its end: lengths are shown in whole seconds.
const SLACK: Duration = Duration::from_secs(1);

/// The sound of a video.
#[derive(Debug)]
pub(crate) struct Sound {
    /// The newest job that makes it.
    pub(crate) job: Option<Job>,
    /// The newest that was made.
    pub(crate) made: Option<AudioResult>,
}

/// A span that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Trim {
    /// Seconds.
    pub(crate) start: f64,
    /// Seconds.
    pub(crate) end: f64,
    pub(crate) extract_audio: bool,
    pub(crate) keep_original: bool,
    pub(crate) is_virtual: bool,
    pub(crate) audio_bitrate: String,
}

impl Jobs {
    /// A video that is not in the trash.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn video(&self, id: i64) -> Result<Option<Video>, Fault> {
        let video = self.0.store.video(id).await?;
        Ok(video.filter(|video| video.deleted_at.is_none()))
    }

    /// Asks for the sound of a video as a file. One that was made in this format is taken.
    ///
    /// # Errors
    /// `Invalid` for an unknown format or bit rate; `BadRequest` without the video or its file, and while it is being made.
    pub(crate) async fn extract_audio(&self, id: i64, format: &str, bitrate: &str) -> Result<Job, Fault> {
        if !FORMATS.contains(&format) {
            return Err(Fault::field(
                "body.format",
                format!("one of {}", FORMATS.join(", ")),
            ));
        }
        check_bitrate("body.bitrate", bitrate)?;
        let video = self.with_file(id).await?;
        for job in self.0.store.video_jobs(video.id, "audio").await? {
            let same = serde_json::from_str::<AudioPayload>(&job.payload)
                .is_ok_and(|payload| payload.format == format);
            if same && self.made(&job).await.is_some() {
                return Ok(job);
            }
        }
        let payload = json!(AudioPayload::new(format, bitrate));
        self.add("audio", Some(id), &payload)
            .await?
            .ok_or_else(|| Fault::bad("Audio extraction already in progress for this video"))
    }

    /// The sound of a video, as far as it was asked for.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn sound(&self, video: i64) -> Result<Sound, Fault> {
        let jobs = self.0.store.video_jobs(video, "audio").await?;
        let mut made = None;
        for job in &jobs {
            made = self.made(job).await;
            if made.is_some() {
                break;
            }
        }
        Ok(Sound {
            job: jobs.into_iter().next(),
            made,
        })
    }

    /// The files of sound that belong to a video, relative to the storage folder: who removes a video for good removes them.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn sound_files(&self, video: i64) -> Result<Vec<String>, sqlx::Error> {
        let jobs = self.0.store.video_jobs(video, "audio").await?;
        let made = jobs.iter().filter_map(|job| {
            let made: AudioResult = serde_json::from_str(job.result.as_deref()?).ok()?;
            Some(made.path)
        });
        Ok(made.collect())
    }

    /// What a job `audio` made, if it is still there.
    async fn made(&self, job: &Job) -> Option<AudioResult> {
        if job.status != JobStatus::Completed {
            return None;
        }
        let made: AudioResult = serde_json::from_str(job.result.as_deref()?).ok()?;
        let path = path_of(self.0.folders.storage(), &made.path)?;
        tokio::fs::try_exists(path).await.ok()?.then_some(made)
    }

    /// Asks for a span of a video.
    ///
    /// # Errors
    /// `Invalid` for times that are none; `BadRequest` without the video or its file, for a span that is not in it, for one in
    /// place of a video that clips are cut from, and while another is being made.
    pub(crate) async fn trim(&self, id: i64, trim: &Trim) -> Result<Job, Fault> {
        let mut wrong = Vec::new();
        let mut check = |good: bool, place: &str, message: &str| {
            if !good {
                wrong.push(Field {
                    place: place.to_owned(),
                    message: message.to_owned(),
                });
            }
        };
        check(trim.start >= 0.0, "body.start_time", "at least 0");
        check(trim.end > 0.0, "body.end_time", "more than 0");
        if !wrong.is_empty() {
            return Err(Fault::Invalid(wrong));
        }
        check_bitrate("body.audio_bitrate", &trim.audio_bitrate)?;
        let video = self.with_file(id).await?;
        if trim.end <= trim.start {
            return Err(Fault::bad("End time must be greater than start time"));
        }
        let mut end = trim.end;
        if let Some(length) = video.duration_us {
            let length = micros(Some(length));
            let exceeds = || {
                let seconds = length.as_secs();
                Fault::bad(format!("End time exceeds video duration ({seconds}s)"))
            };
            let wanted = Duration::try_from_secs_f64(end).map_err(|_| exceeds())?;
            if wanted > length + SLACK || trim.start >= length.as_secs_f64() {
                return Err(exceeds());
            }
            end = end.min(length.as_secs_f64());
        }
        if !trim.is_virtual && !trim.keep_original && self.0.store.clips_of(id).await? > 0 {
            return Err(Fault::bad("Clips are cut from this video; keep the original"));
        }
        if trim.is_virtual && video.file_type == FileType::Audio {
            // Sound is played from its file, which would be all of it.
            return Err(Fault::bad(
                "A span of a sound is a file of its own; leave out virtual",
            ));
        }
        let extension = match video.file_type {
            FileType::Video => "mp4",
            FileType::Audio => "m4a",
        };
        let payload = TrimPayload {
            start: trim.start,
            end,
            extract_audio: trim.extract_audio,
            keep_original: trim.keep_original,
            is_virtual: trim.is_virtual,
            audio_bitrate: trim.audio_bitrate.clone(),
            output: format!("{}.{extension}", uuid::Uuid::now_v7()),
            audio: trim
                .extract_audio
                .then(|| AudioPayload::new("mp3", &trim.audio_bitrate)),
        };
        self.add("trim", Some(id), &json!(payload))
            .await?
            .ok_or_else(|| Fault::bad("Video trimming already in progress for this video"))
    }

    /// The spans of a video that were asked for, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn trims(&self, video: i64) -> Result<Vec<Job>, Fault> {
        Ok(self.0.store.video_jobs(video, "trim").await?)
    }

    /// One span that was asked for.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) async fn one_trim(&self, id: i64) -> Result<Job, Fault> {
        let job = self.0.store.job(id).await?;
        job.filter(|job| job.kind == "trim")
            .ok_or_else(|| Fault::missing("Trim task not found"))
    }

    /// Takes back a span that was asked for.
    ///
    /// # Errors
    /// `BadRequest` when there is no such one, or it is over.
    pub(crate) async fn cancel_trim(&self, id: i64) -> Result<(), Fault> {
        let refused = || Fault::bad("Task cannot be cancelled (not found or not processing)");
        self.one_trim(id).await.map_err(|_| refused())?;
        self.cancel(id).await.map_err(|_| refused())?;
        Ok(())
    }

    async fn with_file(&self, id: i64) -> Result<Video, Fault> {
        let video = self.video(id).await?;
        let video = video.ok_or_else(|| Fault::bad("Video not found"))?;
        let there = match path_of(self.0.folders.storage(), &video.file_name) {
            Some(path) => tokio::fs::try_exists(path).await.unwrap_or(false),
            None => false,
        };
        if there {
            Ok(video)
        } else {
            Err(Fault::bad(format!("Video file not found: {}", video.file_name)))
        }
    }
}

/// `64k` to `999k`, and not less than any encoder can do.
fn check_bitrate(place: &str, text: &str) -> Result<(), Fault> {
    let number = text
        .strip_suffix('k')
        .filter(|digits| matches!(digits.len(), 2 | 3) && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u32>().ok());
    match number {
        Some(8..) => Ok(()),
        _ => Err(Fault::field(place, "a bit rate such as 128k")),
    }
}
