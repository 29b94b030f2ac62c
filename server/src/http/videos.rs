//! `/api/videos`: the library.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro repeats the type of the query"
)]

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, MaybeJson, Path, Query};
use super::problem::Problem;
use super::sources::CategoryRef;
use super::viewing::Viewing;
use crate::app::App;
use crate::domain::status::{FileType, SourceType, VideoStatus};
use crate::domain::time::{Micros, given, present};
use crate::fault::Fault;
use crate::service::library::{Batch, Filter, Listed, Page, Sort};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(pending))
        .routes(routes!(trash))
        .routes(routes!(one, change, remove))
        .routes(routes!(set_category))
        .routes(routes!(set_tags))
        .routes(routes!(publish))
        .routes(routes!(offline))
        .routes(routes!(restore))
        .routes(routes!(batch_publish))
        .routes(routes!(batch_offline))
        .routes(routes!(batch_delete))
        .routes(routes!(batch_category))
        .routes(routes!(batch_tags))
        .routes(routes!(batch_protect))
        .routes(routes!(view))
}

/// How many there are in all.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// A tag of a video.
#[derive(Debug, Serialize, ToSchema)]
struct TagRef {
    id: i64,
    name: String,
}

/// A video.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VideoView {
    id: i64,
    task_id: Option<i64>,
    category_id: Option<i64>,
    title: String,
    description: Option<String>,
    /// The file's name.
    file_path: String,
    /// Bytes.
    file_size: Option<i64>,
    /// Whole seconds.
    duration: Option<i64>,
    /// The path of its picture.
    thumbnail: Option<String>,
    view_count: i64,
    source_type: SourceType,
    file_type: FileType,
    status: VideoStatus,
    reviewed_at: Option<Micros>,
    reviewed_by: Option<i64>,
    created_at: Micros,
    updated_at: Micros,
    /// In the trash since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Micros>,
    category: Option<CategoryRef>,
    tags: Vec<TagRef>,
    /// A viewing code is needed to open it.
    locked: bool,
    /// No rule of retention removes it.
    is_protected: bool,
    /// Since when its media is known to be gone; null while it is there.
    missing_since: Option<Micros>,
    /// The video that it is a span of.
    clip_of: Option<i64>,
    /// What it holds: kind, codec, width, height, fps, …
    #[schema(value_type = Vec<Object>)]
    tracks: serde_json::Value,
    /// What is missing: `at_s`, `length_s`, `cause`.
    #[schema(value_type = Vec<Object>)]
    gaps: serde_json::Value,
}

impl From<&Listed> for VideoView {
    fn from(listed: &Listed) -> Self {
        let video = &listed.video;
        let json =
            |text: &str| serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::Array(Vec::new()));
        let name = video.file_name.rsplit('/').next().unwrap_or_default();
        let picture = video.thumbnail.as_ref().filter(|_| !listed.locked);
        Self {
            id: video.id,
            task_id: video.task_id,
            category_id: video.category_id,
            title: video.title.clone(),
            description: video.description.clone(),
            file_path: name.to_owned(),
            file_size: video.file_size,
            duration: video.duration_us.map(|us| us.saturating_add(500_000) / 1_000_000),
            thumbnail: picture.map(|name| format!("/thumbnails/{name}")),
            view_count: video.view_count,
            source_type: video.source_type,
            file_type: video.file_type,
            status: video.status,
            reviewed_at: video.reviewed_at,
            reviewed_by: video.reviewed_by,
            created_at: video.created_at,
            updated_at: video.updated_at,
            deleted_at: video.deleted_at,
            category: listed.category.as_ref().map(|(id, name, order)| CategoryRef {
                id: *id,
                name: name.clone(),
                sort_order: *order,
            }),
            tags: listed
                .tags
                .iter()
                .map(|(id, name)| TagRef {
                    id: *id,
                    name: name.clone(),
                })
                .collect(),
            locked: listed.locked,
            is_protected: video.is_protected,
            missing_since: video.missing_since,
            clip_of: video.clip_of,
            tracks: json(&video.tracks),
            gaps: json(&video.gaps),
        }
    }
}

fn shown(listed: &Listed) -> axum::Json<VideoView> {
    axum::Json(VideoView::from(listed))
}

fn page(page: &Page) -> Response {
    let views: Vec<VideoView> = page.videos.iter().map(VideoView::from).collect();
    ([(TOTAL, page.total.to_string())], axum::Json(views)).into_response()
}

/// Which videos.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// A part of the title, whatever the case.
    search: Option<String>,
    category_id: Option<i64>,
    /// Numbers with commas between: videos with any of these tags.
    tag_ids: Option<String>,
    /// For administrators.
    status: Option<VideoStatus>,
    file_type: Option<FileType>,
    source_type: Option<SourceType>,
    /// What no rule of retention removes, or the others. For administrators.
    is_protected: Option<bool>,
    #[serde(default)]
    sort: Sort,
    /// How many to leave out.
    #[serde(default)]
    #[param(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    skip: u32,
    /// How many, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

impl Which {
    fn filter(self) -> Result<Filter, Fault> {
        let limit = self.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(Fault::field("query.limit", "a number from 1 to 100"));
        }
        if self.search.as_ref().is_some_and(|text| text.len() > 512) {
            return Err(Fault::field("query.search", "at most 512 bytes"));
        }
        // What is no number switches the filter off.
        let tags: Option<Vec<i64>> = self
            .tag_ids
            .as_deref()
            .map(|text| text.split(',').map(|id| id.trim().parse().ok()).collect())
            .unwrap_or_default();
        let mut tag_ids = tags.unwrap_or_default();
        tag_ids.truncate(100);
        Ok(Filter {
            search: self.search.filter(|text| !text.is_empty()),
            category_id: self.category_id,
            tag_ids,
            status: self.status,
            file_type: self.file_type,
            source_type: self.source_type,
            is_protected: self.is_protected,
            trash: false,
            sort: self.sort,
            skip: usize::try_from(self.skip).unwrap_or(usize::MAX),
            limit: usize::try_from(limit).unwrap_or(20),
        })
    }
}

/// Videos, newest first; of a visitor those that are published. `X-Total-Count` says how many there are in all.
#[utoipa::path(get, path = "/api/videos", tag = "videos", params(Which),
    responses((status = 200, body = Vec<VideoView>), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn list(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    Ok(page(app.library.list(which.filter()?, &viewer).await?.as_ref()))
}

/// Videos that wait for a review.
#[utoipa::path(get, path = "/api/videos/pending", tag = "videos", params(Which), security(("bearer" = [])),
    responses((status = 200, body = Vec<VideoView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn pending(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Viewing(viewer): Viewing,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let filter = Filter {
        status: Some(VideoStatus::Pending),
        ..which.filter()?
    };
    Ok(page(app.library.list(filter, &viewer).await?.as_ref()))
}

/// Videos in the trash.
#[utoipa::path(get, path = "/api/videos/trash", tag = "videos", params(Which), security(("bearer" = [])),
    responses((status = 200, body = Vec<VideoView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn trash(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Viewing(viewer): Viewing,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let filter = Filter {
        trash: true,
        ..which.filter()?
    };
    Ok(page(app.library.list(filter, &viewer).await?.as_ref()))
}

/// One video. A visitor sees that a locked one is there, and not its picture.
#[utoipa::path(get, path = "/api/videos/{id}", tag = "videos", params(("id" = i64, Path)),
    responses((status = 200, body = VideoView), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn one(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<VideoView>, Fault> {
    Ok(shown(&app.library.one(id, &viewer).await?))
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct Words {
    /// 1 to 128 characters; not null.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// No rule of retention removes it; not null.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_protected: Option<Option<bool>>,
}

/// Change title and description, and whether retention may remove it.
#[utoipa::path(put, path = "/api/videos/{id}", tag = "videos", params(("id" = i64, Path)), request_body = Words, security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(words): Json<Words>,
) -> Result<axum::Json<VideoView>, Fault> {
    let title = words.title.as_deref();
    let description = words.description.as_ref().map(Option::as_deref);
    let is_protected = match words.is_protected {
        Some(None) => return Err(Fault::field("body.is_protected", "true or false")),
        given => given.flatten(),
    };
    Ok(shown(
        &app.library.change(id, title, description, is_protected).await?,
    ))
}

/// Put a video into the trash, from where it can be taken for a day.
#[utoipa::path(delete, path = "/api/videos/{id}", tag = "videos", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    match app.library.bin(&[id], true).await?.done.is_empty() {
        true => Err(Fault::missing("Video not found")),
        false => Ok(StatusCode::NO_CONTENT),
    }
}

/// Take a video out of the trash.
#[utoipa::path(post, path = "/api/videos/{id}/restore", tag = "videos", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn restore(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<VideoView>, Fault> {
    let batch = app.library.bin(&[id], false).await?;
    Ok(shown(&app.library.only(id, batch).await?))
}

/// A category, or none.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct ToCategory {
    category_id: Option<i64>,
}

/// Put a video into a category, or into none.
#[utoipa::path(put, path = "/api/videos/{id}/category", tag = "videos", params(("id" = i64, Path)), request_body = Option<ToCategory>, security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn set_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    MaybeJson(to): MaybeJson<ToCategory>,
) -> Result<axum::Json<VideoView>, Fault> {
    let batch = app
        .library
        .set_category(&[id], to.unwrap_or_default().category_id)
        .await?;
    Ok(shown(&app.library.only(id, batch).await?))
}

/// Tags.
#[derive(Debug, Deserialize, ToSchema)]
struct ToTags {
    tag_ids: Vec<i64>,
}

/// Give a video exactly these tags.
#[utoipa::path(put, path = "/api/videos/{id}/tags", tag = "videos", params(("id" = i64, Path)), request_body = ToTags, security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn set_tags(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ToTags>,
) -> Result<axum::Json<VideoView>, Fault> {
    let batch = app.library.set_tags(&[id], &to.tag_ids).await?;
    Ok(shown(&app.library.only(id, batch).await?))
}

/// Publish a video.
#[utoipa::path(post, path = "/api/videos/{id}/publish", tag = "videos", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn publish(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<VideoView>, Fault> {
    let batch = app
        .library
        .review(&[id], VideoStatus::Published, session.admin_id)
        .await?;
    Ok(shown(&app.library.only(id, batch).await?))
}

/// Take a video back.
#[utoipa::path(post, path = "/api/videos/{id}/offline", tag = "videos", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = VideoView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn offline(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<VideoView>, Fault> {
    let batch = app
        .library
        .review(&[id], VideoStatus::Offline, session.admin_id)
        .await?;
    Ok(shown(&app.library.only(id, batch).await?))
}

/// Videos.
#[derive(Debug, Deserialize, ToSchema)]
struct These {
    /// At most 100.
    video_ids: Vec<i64>,
}

/// What a batch came to.
#[derive(Debug, Serialize, ToSchema)]
struct BatchView {
    success_count: usize,
    /// Those that are not there.
    failed_ids: Vec<i64>,
    /// As `success_count`.
    success: usize,
    /// How many are not there.
    failed: usize,
}

impl From<Batch> for axum::Json<BatchView> {
    fn from(batch: Batch) -> Self {
        let (success, failed) = (batch.done.len(), batch.failed.len());
        Self(BatchView {
            success_count: success,
            failed_ids: batch.failed,
            success,
            failed,
        })
    }
}

/// Publish videos.
#[utoipa::path(post, path = "/api/videos/batch-publish", tag = "videos", request_body = These, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_publish(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Json(these): Json<These>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app
        .library
        .review(&these.video_ids, VideoStatus::Published, session.admin_id)
        .await?
        .into())
}

/// Take videos back.
#[utoipa::path(post, path = "/api/videos/batch-offline", tag = "videos", request_body = These, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_offline(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Json(these): Json<These>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app
        .library
        .review(&these.video_ids, VideoStatus::Offline, session.admin_id)
        .await?
        .into())
}

/// Put videos into the trash.
#[utoipa::path(post, path = "/api/videos/batch-delete", tag = "videos", request_body = These, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_delete(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(these): Json<These>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app.library.bin(&these.video_ids, true).await?.into())
}

/// Videos and where they go.
#[derive(Debug, Deserialize, ToSchema)]
struct TheseToCategory {
    /// At most 100.
    video_ids: Vec<i64>,
    category_id: Option<i64>,
}

/// Put videos into a category, or into none.
#[utoipa::path(post, path = "/api/videos/batch-category", tag = "videos", request_body = TheseToCategory, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(these): Json<TheseToCategory>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app
        .library
        .set_category(&these.video_ids, these.category_id)
        .await?
        .into())
}

/// Videos and their tags.
#[derive(Debug, Deserialize, ToSchema)]
struct TheseToTags {
    /// At most 100.
    video_ids: Vec<i64>,
    tag_ids: Vec<i64>,
}

/// Give videos exactly these tags.
#[utoipa::path(post, path = "/api/videos/batch-tags", tag = "videos", request_body = TheseToTags, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_tags(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(these): Json<TheseToTags>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app
        .library
        .set_tags(&these.video_ids, &these.tag_ids)
        .await?
        .into())
}

/// Videos, and whether rules may remove them.
#[derive(Debug, Deserialize, ToSchema)]
struct TheseProtected {
    /// At most 100.
    video_ids: Vec<i64>,
    is_protected: bool,
}

/// Keep the rules of retention from removing videos, or let them.
#[utoipa::path(post, path = "/api/videos/batch-protect", tag = "videos", request_body = TheseProtected, security(("bearer" = [])),
    responses((status = 200, body = BatchView), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn batch_protect(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(these): Json<TheseProtected>,
) -> Result<axum::Json<BatchView>, Fault> {
    Ok(app
        .library
        .protect(&these.video_ids, these.is_protected)
        .await?
        .into())
}

/// How often a video was viewed.
#[derive(Debug, Serialize, ToSchema)]
struct Views {
    view_count: i64,
}

/// Count a view.
#[utoipa::path(post, path = "/api/videos/{id}/view", tag = "videos", params(("id" = i64, Path)),
    responses((status = 200, body = Views), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn view(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<Views>, Fault> {
    Ok(axum::Json(Views {
        view_count: app.library.view(id, &viewer).await?,
    }))
}
