//! `/api/videos/{id}/trim`, `/api/videos/trim/tasks`: a span of a video.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audio::{task_error, task_status};
use super::extract::{Admin, Json, Path};
use super::problem::Problem;
use crate::app::App;
use crate::domain::status::JobStatus;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::jobs::{Trim, TrimPayload, TrimResult};
use crate::store::jobs::Job;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(one, cancel))
}

/// A span that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
struct TrimRequest {
    /// Seconds.
    #[schema(minimum = 0)]
    start_time: f64,
    /// Seconds.
    #[schema(exclusive_minimum = 0)]
    end_time: f64,
    /// Make its sound into a file, too.
    #[serde(default)]
    extract_audio: bool,
    /// Make a new video, and leave this one as it is.
    #[serde(default)]
    keep_original: bool,
    /// Make a new video that is a span of this one's file, which costs no copy.
    #[serde(default, rename = "virtual")]
    is_virtual: bool,
    /// `128k` (the default).
    audio_bitrate: Option<String>,
}

/// The making of a span.
#[derive(Debug, Serialize, ToSchema)]
struct TrimTask {
    /// The number of its job.
    id: i64,
    /// The video that it is cut from.
    video_id: i64,
    /// `pending`, `processing`, `completed` or `failed`.
    status: JobStatus,
    /// Seconds.
    #[schema(value_type = f64)]
    start_time: Number,
    /// Seconds.
    #[schema(value_type = f64)]
    end_time: Number,
    /// Its sound is made into a file, too.
    extract_audio: bool,
    /// The video stays as it is.
    keep_original: bool,
    /// It costs no copy.
    #[serde(rename = "virtual")]
    is_virtual: bool,
    /// `128k`.
    audio_bitrate: String,
    /// The new file, relative to the storage folder.
    trimmed_video_path: Option<String>,
    /// The file of sound, relative to the storage folder.
    extracted_audio_path: Option<String>,
    /// The video that shows the span.
    new_video_id: Option<i64>,
    /// 0 to 1000.
    progress: i64,
    /// When it was asked for.
    created_at: Micros,
    /// When it ended.
    completed_at: Option<Micros>,
    /// Why it failed.
    error_message: Option<String>,
}

/// A sentence.
#[derive(Debug, Serialize, ToSchema)]
struct TrimMessage {
    /// The sentence.
    message: &'static str,
}

/// Whole seconds without a fraction.
fn seconds(value: f64) -> Number {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return Number::from(value as i64);
    }
    Number::from_f64(value).unwrap_or_else(|| Number::from(0))
}

impl TrimTask {
    fn of(job: &Job) -> Result<Self, Fault> {
        let asked: TrimPayload = serde_json::from_str(&job.payload)
            .map_err(|error| Fault::internal(format!("the payload of job {}: {error}", job.id)))?;
        let made = job
            .result
            .as_deref()
            .and_then(|text| serde_json::from_str::<TrimResult>(text).ok())
            .unwrap_or_default();
        Ok(Self {
            id: job.id,
            video_id: job.video_id.unwrap_or_default(),
            status: task_status(job.status),
            start_time: seconds(asked.start),
            end_time: seconds(asked.end),
            extract_audio: asked.extract_audio,
            keep_original: asked.keep_original,
            is_virtual: asked.is_virtual,
            audio_bitrate: asked.audio_bitrate,
            trimmed_video_path: made.path,
            extracted_audio_path: made.audio_path,
            new_video_id: made.video_id,
            progress: job.progress,
            created_at: job.created_at,
            completed_at: job.completed_at,
            error_message: task_error(job),
        })
    }
}

/// Cut a span out of a video without encoding it: in place of the video, or as a new one.
#[utoipa::path(post, path = "/api/videos/{id}/trim", tag = "trim", request_body = TrimRequest, params(("id" = i64, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = TrimTask), (status = 400, response = Problem), (status = 401, response = Problem), (status = 413, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(asked): Json<TrimRequest>,
) -> Result<axum::Json<TrimTask>, Fault> {
    let trim = Trim {
        start: asked.start_time,
        end: asked.end_time,
        extract_audio: asked.extract_audio,
        keep_original: asked.keep_original,
        is_virtual: asked.is_virtual,
        audio_bitrate: asked.audio_bitrate.unwrap_or_else(|| "128k".to_owned()),
    };
    let job = app.jobs.trim(id, &trim).await?;
    Ok(axum::Json(TrimTask::of(&job)?))
}

/// List the spans of a video that were asked for, newest first.
#[utoipa::path(get, path = "/api/videos/{id}/trim/tasks", tag = "trim", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Vec<TrimTask>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn list(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<TrimTask>>, Fault> {
    let jobs = app.jobs.trims(id).await?;
    let tasks: Result<Vec<_>, _> = jobs.iter().map(TrimTask::of).collect();
    Ok(axum::Json(tasks?))
}

/// Say how far a span is.
#[utoipa::path(get, path = "/api/videos/trim/tasks/{task_id}", tag = "trim", params(("task_id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = TrimTask), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn one(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<TrimTask>, Fault> {
    Ok(axum::Json(TrimTask::of(&app.jobs.one_trim(id).await?)?))
}

/// Take a span back that is not made yet.
#[utoipa::path(delete, path = "/api/videos/trim/tasks/{task_id}", tag = "trim", params(("task_id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = TrimMessage), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn cancel(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<TrimMessage>, Fault> {
    app.jobs.cancel_trim(id).await?;
    Ok(axum::Json(TrimMessage {
        message: "Trim task cancelled",
    }))
}
