//! `/api/videos/{id}/extract-audio`, `/audio`: the sound of a video as a file.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, MaybeJson, Path};
use super::file::{self, Disposition};
use super::problem::Problem;
use super::viewing::Viewing;
use crate::app::App;
use crate::domain::status::{FileType, JobStatus};
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::access::Viewer;
use crate::service::jobs::{AudioPayload, AudioResult};
use crate::store::jobs::Job;
use crate::store::videos::Video;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(extract))
        .routes(routes!(info))
        .routes(routes!(download))
}

/// What is wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct ExtractRequest {
    /// `mp3` (the default), `m4a`, `opus`, `flac` or `wav`.
    format: Option<String>,
    /// `128k` (the default).
    bitrate: Option<String>,
}

/// The making of a file of sound.
#[derive(Debug, Serialize, ToSchema)]
struct AudioTask {
    /// The number of its job.
    id: i64,
    /// The video.
    video_id: i64,
    /// `pending`, `processing`, `completed` or `failed`.
    status: JobStatus,
    /// The file, relative to the storage folder, once it is made.
    output_path: Option<String>,
    /// `mp3`.
    format: String,
    /// `128k`.
    bitrate: String,
    /// 0 to 1000.
    progress: i64,
    /// Why it failed.
    error_message: Option<String>,
    /// When it was asked for.
    created_at: Micros,
    /// When it ended.
    completed_at: Option<Micros>,
}

/// The sound of a video.
#[derive(Debug, Serialize, ToSchema)]
struct AudioInfo {
    /// The video.
    video_id: i64,
    /// There is a file of sound.
    has_audio: bool,
    /// The newest making of one.
    task: Option<AudioTask>,
    /// Where the file is.
    download_url: Option<String>,
    /// Its bytes.
    file_size: Option<i64>,
}

/// A status in the words that such tasks have.
pub(super) const fn task_status(status: JobStatus) -> JobStatus {
    match status {
        JobStatus::Cancelled => JobStatus::Failed,
        other => other,
    }
}

/// Why a task failed.
pub(super) fn task_error(job: &Job) -> Option<String> {
    match job.status {
        JobStatus::Cancelled => Some("cancelled".to_owned()),
        JobStatus::Failed => job.error_message.clone(),
        _ => None,
    }
}

impl AudioTask {
    fn of(job: &Job) -> Self {
        let asked = serde_json::from_str::<AudioPayload>(&job.payload).ok();
        let made = job
            .result
            .as_deref()
            .and_then(|text| serde_json::from_str::<AudioResult>(text).ok());
        let (format, bitrate) = asked
            .map(|asked| (asked.format, asked.bitrate))
            .unwrap_or_default();
        Self {
            id: job.id,
            video_id: job.video_id.unwrap_or_default(),
            status: task_status(job.status),
            output_path: made.map(|made| made.path),
            format,
            bitrate,
            progress: job.progress,
            error_message: task_error(job),
            created_at: job.created_at,
            completed_at: job.completed_at,
        }
    }
}

/// The video, if this viewer may see it.
async fn may_see(app: &App, id: i64, viewer: &Viewer) -> Result<Video, Fault> {
    app.playback.item(id).await?.may_be_seen(viewer)?;
    app.jobs
        .video(id)
        .await?
        .ok_or_else(|| Fault::missing("Video not found"))
}

/// Whether the file of a video is itself one of sound.
fn is_sound(video: &Video) -> bool {
    video.file_type == FileType::Audio && video.clip_of.is_none()
}

/// Make the sound of a video into a file. One that was made already is taken.
#[utoipa::path(post, path = "/api/videos/{id}/extract-audio", tag = "audio", request_body = Option<ExtractRequest>,
    params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = AudioTask), (status = 400, response = Problem), (status = 401, response = Problem), (status = 413, response = Problem), (status = 422, response = Problem)))]
async fn extract(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    MaybeJson(asked): MaybeJson<ExtractRequest>,
) -> Result<axum::Json<AudioTask>, Fault> {
    let asked = asked.unwrap_or_default();
    let format = asked.format.as_deref().unwrap_or("mp3");
    let bitrate = asked.bitrate.as_deref().unwrap_or("128k");
    let job = app.jobs.extract_audio(id, format, bitrate).await?;
    Ok(axum::Json(AudioTask::of(&job)))
}

/// Say whether there is a file of a video's sound, and where.
#[utoipa::path(get, path = "/api/videos/{id}/audio", tag = "audio", params(("id" = i64, Path)),
    responses((status = 200, body = AudioInfo), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn info(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<AudioInfo>, Fault> {
    let video = may_see(&app, id, &viewer).await?;
    if is_sound(&video) {
        return Ok(axum::Json(AudioInfo {
            video_id: id,
            has_audio: true,
            task: None,
            download_url: Some(format!("/audio/{}", video.file_name)),
            file_size: video.file_size,
        }));
    }
    let sound = app.jobs.sound(id).await?;
    Ok(axum::Json(AudioInfo {
        video_id: id,
        has_audio: sound.made.is_some(),
        task: sound.job.as_ref().map(AudioTask::of),
        download_url: sound
            .made
            .as_ref()
            .map(|_| format!("/api/videos/{id}/audio/download")),
        file_size: sound.made.map(|made| made.size),
    }))
}

/// Download the sound of a video.
#[utoipa::path(get, path = "/api/videos/{id}/audio/download", tag = "audio", params(("id" = i64, Path)),
    responses((status = 200, description = "The file", content_type = "audio/mpeg"), (status = 206, description = "Parts of the file"),
        (status = 304, description = "The client has it"), (status = 403, response = Problem), (status = 404, response = Problem),
        (status = 412, response = Problem), (status = 416, response = Problem), (status = 422, response = Problem)))]
async fn download(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let video = may_see(&app, id, &viewer).await?;
    let none = || Fault::missing("Audio not available");
    let name = if is_sound(&video) {
        video.file_name
    } else {
        app.jobs.sound(id).await?.made.ok_or_else(none)?.path
    };
    let extension = name.rsplit_once('.').map_or("mp3", |(_, extension)| extension);
    let saved = format!("{}.{extension}", video.title);
    let disposition = Disposition::Attachment(&saved);
    let sent = file::send(
        &app.media,
        &name,
        file::media_type(&name),
        disposition,
        &method,
        &headers,
    )
    .await;
    sent.map_err(|fault| match fault {
        Fault::NotFound(_) => none(),
        other => other,
    })
}
