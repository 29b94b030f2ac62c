//! `/api/categories`, `/api/tags`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, Path};
use super::problem::Problem;
use crate::app::App;
use crate::domain::time::{Micros, given};
use crate::fault::Fault;
use crate::store::catalogue::Tag;
use crate::store::categories::Category;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(categories, add_category))
        .routes(routes!(change_category, remove_category))
        .routes(routes!(tags, add_tag))
        .routes(routes!(change_tag, remove_tag))
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
struct CategoryView {
    id: i64,
    name: String,
    sort_order: i64,
    created_at: Micros,
    /// Videos of every status.
    video_count: i64,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        let Category {
            id,
            name,
            sort_order,
            created_at,
            video_count,
        } = category;
        Self {
            id,
            name,
            sort_order,
            created_at,
            video_count,
        }
    }
}

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
struct TagView {
    id: i64,
    name: String,
    created_at: Micros,
    /// Videos of every status.
    video_count: i64,
}

impl From<Tag> for TagView {
    fn from(tag: Tag) -> Self {
        let Tag {
            id,
            name,
            created_at,
            video_count,
        } = tag;
        Self {
            id,
            name,
            created_at,
            video_count,
        }
    }
}

/// All categories, in their order.
#[utoipa::path(get, path = "/api/categories", tag = "catalogue", responses((status = 200, body = Vec<CategoryView>)))]
async fn categories(State(app): State<Arc<App>>) -> Result<axum::Json<Vec<CategoryView>>, Fault> {
    Ok(axum::Json(
        app.catalogue
            .categories()
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    ))
}

/// A new category.
#[derive(Debug, Deserialize, ToSchema)]
struct NewCategory {
    /// 1 to 32 characters.
    name: String,
    #[serde(default)]
    sort_order: i64,
}

/// Make a category.
#[utoipa::path(post, path = "/api/categories", tag = "catalogue", request_body = NewCategory, security(("bearer" = [])),
    responses((status = 201, body = CategoryView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn add_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewCategory>,
) -> Result<Response, Fault> {
    let category = app.catalogue.add_category(&new.name, new.sort_order).await?;
    Ok((StatusCode::CREATED, axum::Json(CategoryView::from(category))).into_response())
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedCategory {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, nullable = false)]
    sort_order: Option<i64>,
}

/// Change a category.
#[utoipa::path(put, path = "/api/categories/{id}", tag = "catalogue", params(("id" = i64, Path)), request_body = ChangedCategory, security(("bearer" = [])),
    responses((status = 200, body = CategoryView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ChangedCategory>,
) -> Result<axum::Json<CategoryView>, Fault> {
    Ok(axum::Json(
        app.catalogue
            .set_category(id, to.name.as_deref(), to.sort_order)
            .await?
            .into(),
    ))
}

/// Remove a category that no video is in.
#[utoipa::path(delete, path = "/api/categories/{id}", tag = "catalogue", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.catalogue.remove_category(id).await?;
    app.codes.reload().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All tags, by name.
#[utoipa::path(get, path = "/api/tags", tag = "catalogue", responses((status = 200, body = Vec<TagView>)))]
async fn tags(State(app): State<Arc<App>>) -> Result<axum::Json<Vec<TagView>>, Fault> {
    Ok(axum::Json(
        app.catalogue.tags().await?.into_iter().map(Into::into).collect(),
    ))
}

/// A new tag.
#[derive(Debug, Deserialize, ToSchema)]
struct NewTag {
    /// 1 to 16 characters.
    name: String,
}

/// Make a tag.
#[utoipa::path(post, path = "/api/tags", tag = "catalogue", request_body = NewTag, security(("bearer" = [])),
    responses((status = 201, body = TagView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn add_tag(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewTag>,
) -> Result<Response, Fault> {
    let tag = app.catalogue.add_tag(&new.name).await?;
    Ok((StatusCode::CREATED, axum::Json(TagView::from(tag))).into_response())
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedTag {
    /// 1 to 16 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    name: Option<String>,
}

/// Rename a tag, on videos too.
#[utoipa::path(put, path = "/api/tags/{id}", tag = "catalogue", params(("id" = i64, Path)), request_body = ChangedTag, security(("bearer" = [])),
    responses((status = 200, body = TagView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change_tag(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ChangedTag>,
) -> Result<axum::Json<TagView>, Fault> {
    Ok(axum::Json(
        app.catalogue.set_tag(id, to.name.as_deref()).await?.into(),
    ))
}

/// Remove a tag, from videos too.
#[utoipa::path(delete, path = "/api/tags/{id}", tag = "catalogue", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove_tag(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.catalogue.remove_tag(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
