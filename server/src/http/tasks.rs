//! `/api/tasks`: attempts to record, those that run and those that have ended.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro repeats the type of the query"
)]

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Path, Query};
use super::problem::Problem;
use crate::app::App;
use crate::domain::status::TaskStatus;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::recordings::{Live, Picture};
use crate::store::tasks::{Task, TaskFilter};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(live))
        .routes(routes!(one, remove))
        .routes(routes!(events))
        .routes(routes!(picture))
}

/// An attempt to record a source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskView {
    id: i64,
    /// Null when the source was removed.
    source_id: Option<i64>,
    schedule_id: Option<i64>,
    status: TaskStatus,
    started_at: Option<Micros>,
    ended_at: Option<Micros>,
    /// When it is to end.
    window_end: Option<Micros>,
    /// The file's name.
    file_path: Option<String>,
    /// Bytes.
    file_size: Option<i64>,
    /// Whole seconds.
    duration: Option<i64>,
    reconnects: i64,
    /// What is missing: `at_s`, `length_s`, `cause`.
    #[schema(value_type = Vec<Object>)]
    gaps: serde_json::Value,
    /// The task that it goes on from.
    continues_id: Option<i64>,
    /// The task that goes on from it; null when there is none.
    continued_by: Option<i64>,
    /// A person asked it to stop.
    stop_asked: bool,
    error_message: Option<String>,
    /// The item of the library that has what it recorded; null when there is none, or when it is in the trash.
    video_id: Option<i64>,
    created_at: Micros,
    updated_at: Micros,
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            source_id: task.source_id,
            schedule_id: task.schedule_id,
            status: task.status,
            started_at: task.started_at,
            ended_at: task.ended_at,
            window_end: task.window_end,
            file_path: task.file_name,
            file_size: task.file_size,
            duration: task.duration_us.map(|us| us / 1_000_000),
            reconnects: task.reconnects,
            gaps: serde_json::from_str(&task.gaps).unwrap_or_else(|_| serde_json::Value::Array(Vec::new())),
            continues_id: task.continues_id,
            continued_by: None,
            stop_asked: task.stop_asked,
            error_message: task.error_message,
            video_id: None,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

impl TaskView {
    /// With the item that has what it recorded.
    pub(super) fn with_video(self, video_id: Option<i64>) -> Self {
        Self { video_id, ..self }
    }

    /// With the task that goes on from it.
    fn with_next(self, continued_by: Option<i64>) -> Self {
        Self { continued_by, ..self }
    }
}

/// A task of the list.
#[derive(Debug, Serialize, ToSchema)]
struct Listed {
    #[serde(flatten)]
    task: TaskView,
    source_name: String,
    category_id: Option<i64>,
    category_name: Option<String>,
    /// What it does now; null when it has ended.
    live: Option<Live>,
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those of a source.
    source_id: Option<i64>,
    /// Those of a status.
    status: Option<TaskStatus>,
    /// How many of the newest to leave out.
    #[serde(default)]
    #[param(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    skip: u32,
    /// How many, at most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Tasks, newest first.
#[utoipa::path(get, path = "/api/tasks", tag = "tasks", params(Which), security(("bearer" = [])),
    responses((status = 200, body = Vec<Listed>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn list(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(which): Query<Which>,
) -> Result<axum::Json<Vec<Listed>>, Fault> {
    let limit = which.limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        return Err(Fault::field("query.limit", "a number from 1 to 100"));
    }
    let filter = TaskFilter {
        source_id: which.source_id,
        status: which.status,
        skip: which.skip.into(),
        limit: limit.into(),
    };
    let tasks = app.tasks.list(&filter).await?;
    let running = app.recordings.live();
    let listed = tasks.into_iter().map(|row| Listed {
        source_name: row.task.source_name.clone(),
        category_id: row.category_id,
        category_name: row.category_name,
        live: running.iter().find(|live| live.task_id == row.task.id).cloned(),
        task: TaskView::from(row.task)
            .with_video(row.video_id)
            .with_next(row.continued_by),
    });
    Ok(axum::Json(listed.collect()))
}

/// What is being recorded now.
#[utoipa::path(get, path = "/api/tasks/live", tag = "tasks", security(("bearer" = [])),
    responses((status = 200, body = Vec<Live>), (status = 401, response = Problem)))]
async fn live(State(app): State<Arc<App>>, _admin: Admin) -> axum::Json<Vec<Live>> {
    axum::Json(app.recordings.live())
}

/// One task.
#[utoipa::path(get, path = "/api/tasks/{id}", tag = "tasks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = TaskView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn one(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<TaskView>, Fault> {
    let task = app.tasks.one(id).await?;
    let video_id = app.tasks.video_of(id).await?;
    let continued_by = app.tasks.next_of(&task).await?;
    Ok(axum::Json(
        TaskView::from(task).with_video(video_id).with_next(continued_by),
    ))
}

/// What a running recording shows: its latest durable key frame as JPEG, 960 pixels wide.
#[utoipa::path(get, path = "/api/tasks/{id}/picture", tag = "tasks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, description = "The picture", content_type = "image/jpeg"), (status = 204, description = "It is not recording, or has no picture yet"), (status = 304, description = "The same as before"),
        (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn picture(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let Some(picture) = app.recordings.picture(id).await? else {
        app.tasks.one(id).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    Ok(shown(picture, &headers))
}

/// A picture, or that it is the one that the client has.
pub(super) fn shown(picture: Picture, headers: &HeaderMap) -> Response {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == picture.tag.as_bytes());
    let kept = [
        (header::ETAG, picture.tag),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    match known {
        true => (StatusCode::NOT_MODIFIED, kept).into_response(),
        false => (kept, [(header::CONTENT_TYPE, "image/jpeg")], picture.bytes).into_response(),
    }
}

/// Remove a task from the history. What it recorded stays in the library.
#[utoipa::path(delete, path = "/api/tasks/{id}", tag = "tasks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.tasks.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Something that happened during a task.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    happened_at: Micros,
    /// `connected`, `reconnecting`, `gap`, `part`, `disk_full`, `track`, `no_key_frame`, `clock`, `packets`.
    kind: String,
    /// In words.
    message: String,
}

/// What happened during a task.
#[utoipa::path(get, path = "/api/tasks/{id}/events", tag = "tasks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Vec<EventView>), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn events(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<EventView>>, Fault> {
    let events = app.tasks.events(id).await?.into_iter();
    Ok(axum::Json(
        events
            .map(|event| EventView {
                happened_at: event.happened_at,
                kind: event.kind,
                message: event.message,
            })
            .collect(),
    ))
}
