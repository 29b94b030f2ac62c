//! `/api/jobs`: long work that waits, runs, ended or failed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Path, Query};
use super::problem::Problem;
use crate::app::App;
use crate::domain::status::JobStatus;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::store::jobs::Job;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(cancel))
        .routes(routes!(retry))
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
struct JobView {
    /// Its number.
    id: i64,
    /// `thumbnail`, `audio`, `trim`, `import`, `purge`.
    kind: String,
    /// The video that it is about.
    video_id: Option<i64>,
    /// Where it is.
    status: JobStatus,
    /// 0 to 1000.
    progress: i64,
    /// How often it was begun.
    attempts: i64,
    /// Why it failed, or why it is tried again.
    error_message: Option<String>,
    /// When it is, or was, due.
    run_after: Micros,
    /// When it was made.
    created_at: Micros,
    /// When it last changed.
    updated_at: Micros,
    /// When it ended.
    completed_at: Option<Micros>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            video_id: job.video_id,
            status: job.status,
            progress: job.progress,
            attempts: job.attempts,
            error_message: job.error_message,
            run_after: job.run_after,
            created_at: job.created_at,
            updated_at: job.updated_at,
            completed_at: job.completed_at,
        }
    }
}

/// Which jobs.
#[derive(Debug, Deserialize)]
struct Which {
    /// Those of one status.
    status: Option<JobStatus>,
}

/// List the newest 200 jobs.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", params(("status" = Option<JobStatus>, Query, description = "Those of one status")), security(("bearer" = [])),
    responses((status = 200, body = Vec<JobView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn list(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(which): Query<Which>,
) -> Result<Json<Vec<JobView>>, Fault> {
    let jobs = app.jobs.list(which.status).await?;
    Ok(Json(jobs.into_iter().map(Into::into).collect()))
}

/// Take a job back that waits or runs.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", tag = "jobs", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = JobView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn cancel(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<Json<JobView>, Fault> {
    Ok(Json(app.jobs.cancel(id).await?.into()))
}

/// Try a job again that failed or was cancelled.
#[utoipa::path(post, path = "/api/jobs/{id}/retry", tag = "jobs", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = JobView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn retry(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<Json<JobView>, Fault> {
    Ok(Json(app.jobs.retry(id).await?.into()))
}
