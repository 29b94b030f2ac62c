//! Media: `/vod`, `/play`, `/videos`, `/audio`, and where to play a video.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Request, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Path;
use super::file::{self, Disposition};
use super::problem::Problem;
use super::viewing::Viewing;
use crate::app::App;
use crate::domain::status::FileType;
use crate::fault::Fault;
use crate::metrics::VIEWER_REQUESTS;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(play))
        .routes(routes!(stream))
        .route("/vod/{*path}", axum::routing::any(by_name))
        .route("/play/{token}/{name}", axum::routing::any(by_token))
        .route("/videos/{name}", axum::routing::get(video_file))
        .route("/audio/{name}", axum::routing::get(audio_file))
}

/// A request without its body, which media does not look at.
struct Asked(Request<()>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let mut request = Request::new(());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        *request.headers_mut() = parts.headers.clone();
        Ok(Self(request))
    }
}

/// Where to play a video.
#[derive(Debug, Serialize, ToSchema)]
struct Playable {
    /// The path of an HLS playlist that needs no header; null for audio.
    hls_url: Option<String>,
    /// The path of a file; null for video.
    audio_url: Option<String>,
    /// What it holds.
    file_type: FileType,
}

/// Where to play a video.
#[utoipa::path(get, path = "/api/videos/{id}/play", tag = "videos", params(("id" = i64, Path)),
    responses((status = 200, body = Playable), (status = 403, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn play(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
) -> Result<Json<Playable>, Fault> {
    let item = app.playback.item(id).await?;
    item.may_be_seen(&viewer)?;
    let (hls_url, audio_url) = match item.file_type {
        FileType::Video => (Some(app.playback.playlist(&item, &viewer)), None),
        FileType::Audio => (None, Some(format!("/audio/{}", item.file_name))),
    };
    Ok(Json(Playable {
        hls_url,
        audio_url,
        file_type: item.file_type,
    }))
}

/// The file of a video, with ranges. Of a video of several files it is the first.
#[utoipa::path(get, path = "/api/videos/{id}/stream", tag = "videos", params(("id" = i64, Path)),
    responses((status = 200, description = "The file", content_type = "video/mp4"), (status = 206, description = "A part of it"),
        (status = 304, description = "Unchanged"), (status = 403, response = Problem), (status = 404, response = Problem),
        (status = 412, response = Problem), (status = 416, response = Problem), (status = 422, response = Problem)))]
async fn stream(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(id): Path<i64>,
    Asked(request): Asked,
) -> Result<Response, Fault> {
    let item = app.playback.item(id).await?;
    item.may_be_seen(&viewer)?;
    let name = app.playback.first_file(&item).await?;
    file(
        &app,
        &name,
        Disposition::Attachment(&format!("{}.{}", item.title, extension(&name))),
        &request,
    )
    .await
}

async fn by_name(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Asked(request): Asked,
) -> Result<Response, Fault> {
    VIEWER_REQUESTS.count(asked_for(request.uri().path()));
    let answer = app.playback.by_name(&request, &viewer).await?;
    Ok(answer.map(Body::new).into_response())
}

async fn by_token(
    State(app): State<Arc<App>>,
    Path((token, name)): Path<(String, String)>,
    Asked(request): Asked,
) -> Result<Response, Fault> {
    VIEWER_REQUESTS.count(asked_for(&name));
    let answer = app
        .playback
        .by_token(&request, &token, &name, &app.access)
        .await?;
    Ok(answer.map(Body::new).into_response())
}

async fn video_file(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(name): Path<String>,
    Asked(request): Asked,
) -> Result<Response, Fault> {
    let item = app.playback.may_have(&name, &viewer).await?;
    file(
        &app,
        &name,
        Disposition::Attachment(&format!("{}.{}", item.title, extension(&name))),
        &request,
    )
    .await
}

async fn audio_file(
    State(app): State<Arc<App>>,
    Viewing(viewer): Viewing,
    Path(name): Path<String>,
    Asked(request): Asked,
) -> Result<Response, Fault> {
    let item = app.playback.may_have(&name, &viewer).await?;
    let mut sent = file(&app, &name, Disposition::Inline, &request).await?;
    let out = sent.headers_mut();
    if item.is_public(&viewer) {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        out.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        );
    } else {
        out.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        );
    }
    Ok(sent)
}

async fn file(
    app: &App,
    name: &str,
    disposition: Disposition<'_>,
    request: &Request<()>,
) -> Result<Response, Fault> {
    VIEWER_REQUESTS.count("file");
    file::send(
        &app.media,
        name,
        file::media_type(name),
        disposition,
        request.method(),
        request.headers(),
    )
    .await
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("mp4", |(_, extension)| extension)
}

/// What a path of the packager is, for the count.
fn asked_for(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("m3u8") => "playlist",
        Some("ts" | "m4s" | "mp4" | "aac" | "vtt") => "segment",
        _ => "other",
    }
}
