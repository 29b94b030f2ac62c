//! `/api/retention`: what is removed by itself, what that would be now, and what was.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro repeats the type of the query"
)]

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, MaybeJson, Query};
use super::problem::Problem;
use crate::app::App;
use crate::domain::status::RemovalReason;
use crate::domain::time::{Micros, present};
use crate::fault::Fault;
use crate::service::retention::{self, Candidate, Preview};
use crate::store::retention::Removed;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(state, change))
        .routes(routes!(preview))
        .routes(routes!(run))
        .routes(routes!(removals))
}

/// What is removed by itself. Ages and quotas of single sources are settings of the sources, and count while this is active.
#[derive(Debug, Serialize, ToSchema)]
struct RetentionView {
    /// Nothing is removed by a rule while it is false.
    is_active: bool,
    /// Bytes of all videos, the trash aside, that are kept; null is no limit.
    total_quota_bytes: Option<i64>,
    /// Bytes of the media's disk that are kept free; null is off.
    min_free_bytes: Option<i64>,
    /// Published videos stay.
    keep_published: bool,
    last_run_at: Option<Micros>,
    /// Null while it is not active.
    next_run_at: Option<Micros>,
    /// Bytes of all videos, the trash aside.
    used_bytes: u64,
    /// Bytes of the media's disk that can be written.
    free_bytes: u64,
}

impl From<retention::State> for axum::Json<RetentionView> {
    fn from(state: retention::State) -> Self {
        Self(RetentionView {
            is_active: state.policy.is_active,
            total_quota_bytes: state.policy.total_quota_bytes,
            min_free_bytes: state.policy.min_free_bytes,
            keep_published: state.policy.keep_published,
            last_run_at: state.policy.last_run_at,
            next_run_at: state.next_run_at,
            used_bytes: state.used,
            free_bytes: state.free,
        })
    }
}

/// What is changed; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct ChangedRetention {
    is_active: Option<bool>,
    /// Null is no limit.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    total_quota_bytes: Option<Option<i64>>,
    /// Null is off. At least the setting `min_free_space`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    min_free_bytes: Option<Option<i64>>,
    keep_published: Option<bool>,
}

impl From<ChangedRetention> for retention::Change {
    fn from(to: ChangedRetention) -> Self {
        Self {
            is_active: to.is_active,
            total_quota_bytes: to.total_quota_bytes,
            min_free_bytes: to.min_free_bytes,
            keep_published: to.keep_published,
        }
    }
}

/// What is removed by itself, and how much there is.
#[utoipa::path(get, path = "/api/retention", tag = "retention", security(("bearer" = [])),
    responses((status = 200, body = RetentionView), (status = 401, response = Problem)))]
async fn state(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<RetentionView>, Fault> {
    Ok(app.retention.state().await?.into())
}

/// Change what is removed by itself. The rules are applied within minutes, or by `run`.
#[utoipa::path(put, path = "/api/retention", tag = "retention", request_body = ChangedRetention, security(("bearer" = [])),
    responses((status = 200, body = RetentionView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(to): Json<ChangedRetention>,
) -> Result<axum::Json<RetentionView>, Fault> {
    Ok(app.retention.change(to.into()).await?.into())
}

/// A video that would go.
#[derive(Debug, Serialize, ToSchema)]
struct CandidateView {
    video_id: i64,
    title: String,
    /// The source that it is a recording of.
    source_id: Option<i64>,
    source_name: Option<String>,
    /// Bytes of files that nothing else has.
    bytes: u64,
    created_at: Micros,
    reason: RemovalReason,
    /// The limit and what was measured, for people.
    detail: String,
}

impl From<Candidate> for CandidateView {
    fn from(candidate: Candidate) -> Self {
        let (source_id, source_name) = candidate.source.unzip();
        Self {
            video_id: candidate.video_id,
            title: candidate.title,
            source_id,
            source_name,
            bytes: candidate.bytes,
            created_at: candidate.created_at,
            reason: candidate.reason,
            detail: candidate.detail,
        }
    }
}

/// How many videos stay although a rule would have them go.
#[derive(Debug, Serialize, ToSchema)]
struct KeptView {
    /// Because they are protected.
    protected: usize,
    /// Because they are published.
    published: usize,
}

/// What would go.
#[derive(Debug, Serialize, ToSchema)]
struct RetentionPreviewView {
    /// In the order in which they would go; at most 1000.
    items: Vec<CandidateView>,
    /// Bytes of all that would go.
    total_bytes: u64,
    /// All that would go.
    total_count: usize,
    kept: KeptView,
}

impl From<Preview> for axum::Json<RetentionPreviewView> {
    fn from(preview: Preview) -> Self {
        Self(RetentionPreviewView {
            items: preview.items.into_iter().map(Into::into).collect(),
            total_bytes: preview.total_bytes,
            total_count: preview.total_count,
            kept: KeptView {
                protected: preview.protected,
                published: preview.published,
            },
        })
    }
}

/// What would be removed now if retention were active: with what is given in place of what is saved. Nothing is removed or saved.
#[utoipa::path(post, path = "/api/retention/preview", tag = "retention", request_body = Option<ChangedRetention>, security(("bearer" = [])),
    responses((status = 200, body = RetentionPreviewView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn preview(
    State(app): State<Arc<App>>,
    _admin: Admin,
    MaybeJson(to): MaybeJson<ChangedRetention>,
) -> Result<axum::Json<RetentionPreviewView>, Fault> {
    Ok(app.retention.preview(to.unwrap_or_default().into()).await?.into())
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
struct RanView {
    removed_count: usize,
    removed_bytes: u64,
}

/// Apply the rules now. Videos go to the trash, from where they can be taken back; for want of free space they go at once.
#[utoipa::path(post, path = "/api/retention/run", tag = "retention", security(("bearer" = [])),
    responses((status = 200, body = RanView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 503, response = Problem)))]
async fn run(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<RanView>, Fault> {
    let ran = app.retention.run().await?;
    Ok(axum::Json(RanView {
        removed_count: ran.count,
        removed_bytes: ran.bytes,
    }))
}

/// Which removals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those before this one.
    before_id: Option<i64>,
    /// How many, 1 to 1000; 100 when it is absent.
    limit: Option<i64>,
}

/// A removal.
#[derive(Debug, Serialize, ToSchema)]
struct RemovalView {
    id: i64,
    removed_at: Micros,
    video_id: i64,
    title: String,
    bytes: i64,
    reason: RemovalReason,
    /// The limit and what was measured, for people.
    detail: String,
}

impl From<Removed> for RemovalView {
    fn from(removed: Removed) -> Self {
        Self {
            id: removed.id,
            removed_at: removed.removed_at,
            video_id: removed.video_id,
            title: removed.title,
            bytes: removed.bytes,
            reason: removed.reason,
            detail: removed.detail,
        }
    }
}

/// What was removed by rules, and what left the trash for good; newest first.
#[utoipa::path(get, path = "/api/retention/removals", tag = "retention", params(Which), security(("bearer" = [])),
    responses((status = 200, body = Vec<RemovalView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn removals(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(which): Query<Which>,
) -> Result<axum::Json<Vec<RemovalView>>, Fault> {
    let limit = which.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(Fault::field("query.limit", "a number from 1 to 1000"));
    }
    let removed = app.retention.removals(which.before_id, limit).await?;
    Ok(axum::Json(removed.into_iter().map(Into::into).collect()))
}
