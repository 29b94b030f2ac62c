//! Pictures, texts and links of a video, and its thumbnail.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, Path, Query};
use super::file::{self, Disposition};
use super::problem::Problem;
use super::viewing::Viewing;
use crate::app::App;
use crate::domain::time::{Micros, given, present};
use crate::fault::Fault;
use crate::service::extras::{LinkChange, TextChange};
use crate::store::extras;

/// Bytes of the largest picture.
const MAX_IMAGE: usize = 10 << 20;

/// Bytes of the largest thumbnail.
const MAX_THUMBNAIL: usize = 5 << 20;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(images, add_image))
        .routes(routes!(upload_thumbnail))
        .layer(DefaultBodyLimit::max(MAX_IMAGE + (1 << 20)));
    OpenApiRouter::new()
        .routes(routes!(remove_image))
        .routes(routes!(image_file))
        .routes(routes!(texts, add_text))
        .routes(routes!(change_text, remove_text))
        .routes(routes!(links, add_link))
        .routes(routes!(change_link, remove_link))
        .routes(routes!(auto_thumbnail))
        .routes(routes!(capture_thumbnail))
        .routes(routes!(thumbnail_file))
        .merge(uploads)
}

/// A picture of a video.
#[derive(Debug, Serialize, ToSchema)]
struct Image {
    id: i64,
    video_id: i64,
    /// The file's name.
    image_path: String,
    /// Where to get it.
    image_url: String,
    sort_order: i64,
    created_at: Micros,
}

impl From<extras::Image> for Image {
    fn from(image: extras::Image) -> Self {
        Self {
            id: image.id,
            video_id: image.video_id,
            image_url: format!("/api/images/{}", image.file_name),
            image_path: image.file_name,
            sort_order: image.sort_order,
            created_at: image.created_at,
        }
    }
}

/// A text of a video.
#[derive(Debug, Serialize, ToSchema)]
struct Text {
    id: i64,
    video_id: i64,
    title: String,
    content: Option<String>,
    sort_order: i64,
    created_at: Micros,
}

impl From<extras::Text> for Text {
    fn from(text: extras::Text) -> Self {
        let extras::Text {
            id,
            video_id,
            title,
            content,
            sort_order,
            created_at,
        } = text;
        Self {
            id,
            video_id,
            title,
            content,
            sort_order,
            created_at,
        }
    }
}

/// A link of a video.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    id: i64,
    video_id: i64,
    title: String,
    url: String,
    sort_order: i64,
    created_at: Micros,
}

impl From<extras::Link> for Link {
    fn from(link: extras::Link) -> Self {
        let extras::Link {
            id,
            video_id,
            title,
            url,
            sort_order,
            created_at,
        } = link;
        Self {
            id,
            video_id,
            title,
            url,
            sort_order,
            created_at,
        }
    }
}

/// A form with a picture in it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the form")]
struct Picture {
    /// JPEG, PNG, GIF or WebP.
    #[schema(value_type = String, format = Binary)]
    file: Bytes,
}

/// The file of a form, of at most `limit` bytes, and its other fields.
async fn picture(request: Request, limit: usize) -> Result<(Bytes, Option<i64>), Fault> {
    let wrong = |_| Fault::field("body", "a form with a file");
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|_| Fault::field("body", "a form with a file"))?;
    let mut file = None;
    let mut order = None;
    while let Some(mut part) = parts.next_field().await.map_err(wrong)? {
        match part.name() {
            Some("file") => {
                let mut bytes = BytesMut::new();
                while let Some(chunk) = part.chunk().await.map_err(wrong)? {
                    if bytes.len() + chunk.len() > limit {
                        return Err(Fault::bad(format!(
                            "The picture is larger than {} MB",
                            limit >> 20
                        )));
                    }
                    bytes.extend_from_slice(&chunk);
                }
                file = Some(bytes.freeze());
            }
            Some("sort_order") => order = part.text().await.map_err(wrong)?.trim().parse().ok(),
            _ => {}
        }
    }
    file.map(|file| (file, order))
        .ok_or_else(|| Fault::field("body.file", "Field required"))
}

/// The pictures of a video, in their order.
#[utoipa::path(get, path = "/api/videos/{id}/images", tag = "extras", params(("id" = i64, Path)),
    responses((status = 200, body = Vec<Image>), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn images(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<Image>>, Fault> {
    Ok(axum::Json(
        app.extras
            .images(id, &viewer)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    ))
}

/// Where it goes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Place {
    /// Also understood as a field of the form.
    sort_order: Option<i64>,
}

/// Add a picture.
#[utoipa::path(post, path = "/api/videos/{id}/images", tag = "extras", params(("id" = i64, Path), Place), security(("bearer" = [])),
    request_body(content = Picture, content_type = "multipart/form-data"),
    responses((status = 200, body = Image), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 507, response = Problem)))]
async fn add_image(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Query(place): Query<Place>,
    request: Request,
) -> Result<axum::Json<Image>, Fault> {
    let (bytes, order) = picture(request, MAX_IMAGE).await?;
    let order = place.sort_order.or(order).unwrap_or(0);
    Ok(axum::Json(app.extras.add_image(id, bytes, order).await?.into()))
}

/// Remove a picture.
#[utoipa::path(delete, path = "/api/videos/{id}/images/{image_id}", tag = "extras", params(("id" = i64, Path), ("image_id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove_image(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path((id, image)): Path<(i64, i64)>,
) -> Result<StatusCode, Fault> {
    app.extras.remove_image(id, image).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture.
#[utoipa::path(get, path = "/api/images/{file}", tag = "extras", params(("file" = String, Path)),
    responses((status = 200, description = "The picture", content_type = "image/*"), (status = 304, description = "Unchanged"),
        (status = 403, response = Problem), (status = 404, response = Problem), (status = 429, response = Problem)))]
async fn image_file(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let public = app.extras.may_have_image(&name, &viewer).await?;
    shown(&app, &format!("images/{name}"), public, &method, &headers).await
}

/// The thumbnail of a video.
#[utoipa::path(get, path = "/thumbnails/{name}", tag = "extras", params(("name" = String, Path)),
    responses((status = 200, description = "The picture", content_type = "image/*"), (status = 304, description = "Unchanged"),
        (status = 403, response = Problem), (status = 404, response = Problem), (status = 429, response = Problem)))]
async fn thumbnail_file(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let public = app.extras.may_have_thumbnail(&name, &viewer).await?;
    shown(&app, &format!("thumbnails/{name}"), public, &method, &headers).await
}

pub(super) async fn shown(
    app: &App,
    path: &str,
    public: bool,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let mut sent = file::send(
        &app.media,
        path,
        file::media_type(path),
        Disposition::Inline,
        method,
        headers,
    )
    .await?;
    // Whoever may not see it any more asks again after an hour at most; the name of another picture is another one.
    let kept = if public {
        "public, max-age=3600"
    } else {
        "private, max-age=3600"
    };
    let kept = HeaderValue::from_static(kept);
    sent.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(sent)
}

/// The texts of a video, in their order.
#[utoipa::path(get, path = "/api/videos/{id}/texts", tag = "extras", params(("id" = i64, Path)),
    responses((status = 200, body = Vec<Text>), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn texts(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<Text>>, Fault> {
    Ok(axum::Json(
        app.extras
            .texts(id, &viewer)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    ))
}

/// A new text.
#[derive(Debug, Deserialize, ToSchema)]
struct NewText {
    /// 1 to 64 characters.
    title: String,
    content: Option<String>,
    #[serde(default)]
    sort_order: i64,
}

/// Add a text.
#[utoipa::path(post, path = "/api/videos/{id}/texts", tag = "extras", params(("id" = i64, Path)), request_body = NewText, security(("bearer" = [])),
    responses((status = 200, body = Text), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn add_text(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(new): Json<NewText>,
) -> Result<axum::Json<Text>, Fault> {
    Ok(axum::Json(
        app.extras
            .add_text(id, &new.title, new.content.as_deref(), new.sort_order)
            .await?
            .into(),
    ))
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedText {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    content: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, nullable = false)]
    sort_order: Option<i64>,
}

/// Change a text.
#[utoipa::path(put, path = "/api/videos/{id}/texts/{text_id}", tag = "extras", params(("id" = i64, Path), ("text_id" = i64, Path)), request_body = ChangedText, security(("bearer" = [])),
    responses((status = 200, body = Text), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change_text(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path((id, text)): Path<(i64, i64)>,
    Json(to): Json<ChangedText>,
) -> Result<axum::Json<Text>, Fault> {
    let change = TextChange {
        title: to.title,
        content: to.content,
        sort_order: to.sort_order,
    };
    Ok(axum::Json(app.extras.set_text(id, text, change).await?.into()))
}

/// Remove a text.
#[utoipa::path(delete, path = "/api/videos/{id}/texts/{text_id}", tag = "extras", params(("id" = i64, Path), ("text_id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove_text(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path((id, text)): Path<(i64, i64)>,
) -> Result<StatusCode, Fault> {
    app.extras.remove_text(id, text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The links of a video, in their order.
#[utoipa::path(get, path = "/api/videos/{id}/links", tag = "extras", params(("id" = i64, Path)),
    responses((status = 200, body = Vec<Link>), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn links(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<Link>>, Fault> {
    Ok(axum::Json(
        app.extras
            .links(id, &viewer)
            .await?
            .into_iter()
            .map(Into::into)
            .collect(),
    ))
}

/// A new link.
#[derive(Debug, Deserialize, ToSchema)]
struct NewLink {
    /// 1 to 64 characters.
    title: String,
    /// http or https, at most 512 characters.
    url: String,
    #[serde(default)]
    sort_order: i64,
}

/// Add a link.
#[utoipa::path(post, path = "/api/videos/{id}/links", tag = "extras", params(("id" = i64, Path)), request_body = NewLink, security(("bearer" = [])),
    responses((status = 200, body = Link), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn add_link(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(new): Json<NewLink>,
) -> Result<axum::Json<Link>, Fault> {
    Ok(axum::Json(
        app.extras
            .add_link(id, &new.title, &new.url, new.sort_order)
            .await?
            .into(),
    ))
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedLink {
    /// 1 to 64 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    title: Option<String>,
    /// http or https, at most 512 characters.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    url: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, nullable = false)]
    sort_order: Option<i64>,
}

/// Change a link.
#[utoipa::path(put, path = "/api/videos/{id}/links/{link_id}", tag = "extras", params(("id" = i64, Path), ("link_id" = i64, Path)), request_body = ChangedLink, security(("bearer" = [])),
    responses((status = 200, body = Link), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change_link(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path((id, link)): Path<(i64, i64)>,
    Json(to): Json<ChangedLink>,
) -> Result<axum::Json<Link>, Fault> {
    let change = LinkChange {
        title: to.title,
        url: to.url,
        sort_order: to.sort_order,
    };
    Ok(axum::Json(app.extras.set_link(id, link, change).await?.into()))
}

/// Remove a link.
#[utoipa::path(delete, path = "/api/videos/{id}/links/{link_id}", tag = "extras", params(("id" = i64, Path), ("link_id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove_link(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path((id, link)): Path<(i64, i64)>,
) -> Result<StatusCode, Fault> {
    app.extras.remove_link(id, link).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The thumbnail of a video.
#[derive(Debug, Serialize, ToSchema)]
struct Thumbnail {
    video_id: i64,
    thumbnail_url: String,
}

fn made(video_id: i64, name: &str) -> axum::Json<Thumbnail> {
    axum::Json(Thumbnail {
        video_id,
        thumbnail_url: format!("/thumbnails/{name}"),
    })
}

/// Make the picture in the middle of a video its thumbnail.
#[utoipa::path(post, path = "/api/videos/{id}/thumbnail/auto", tag = "extras", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Thumbnail), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn auto_thumbnail(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Thumbnail>, Fault> {
    Ok(made(id, &app.extras.capture(id, None).await?))
}

/// A moment.
#[derive(Debug, Deserialize, ToSchema)]
struct Moment {
    /// Seconds.
    timestamp: f64,
}

/// Make the picture of a moment the thumbnail of a video.
#[utoipa::path(post, path = "/api/videos/{id}/thumbnail/capture", tag = "extras", params(("id" = i64, Path)), request_body = Moment, security(("bearer" = [])),
    responses((status = 200, body = Thumbnail), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn capture_thumbnail(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(moment): Json<Moment>,
) -> Result<axum::Json<Thumbnail>, Fault> {
    Ok(made(id, &app.extras.capture(id, Some(moment.timestamp)).await?))
}

/// Make an uploaded picture the thumbnail of a video.
#[utoipa::path(post, path = "/api/videos/{id}/thumbnail/upload", tag = "extras", params(("id" = i64, Path)), security(("bearer" = [])),
    request_body(content = Picture, content_type = "multipart/form-data"),
    responses((status = 200, body = Thumbnail), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem), (status = 507, response = Problem)))]
async fn upload_thumbnail(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    request: Request,
) -> Result<axum::Json<Thumbnail>, Fault> {
    let (bytes, _) = picture(request, MAX_THUMBNAIL).await?;
    Ok(made(id, &app.extras.set_thumbnail(id, bytes).await?))
}
