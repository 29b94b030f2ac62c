//! `/api/upload`: files in chunks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, MaybeJson, Path};
use super::problem::Problem;
use crate::app::App;
use crate::domain::status::UploadStatus;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::uploads::{About, Spool};

/// Bytes of the longest part of a form that is no file.
const MAX_TEXT: usize = 1024;

/// Parts of a form.
const MAX_PARTS: usize = 16;

/// How long the rest of a refused chunk is read and thrown away.
const REST: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    // A chunk is as long as it must be, which is looked at while it comes.
    let chunks = OpenApiRouter::new()
        .routes(routes!(chunk))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .routes(routes!(init))
        .routes(routes!(status))
        .routes(routes!(complete))
        .routes(routes!(remove))
        .merge(chunks)
}

/// A file that is about to come.
#[derive(Debug, Deserialize, ToSchema)]
struct InitRequest {
    /// Its name; what it ends in says what it may be.
    #[schema(min_length = 1, max_length = 256)]
    filename: String,
    /// Its bytes.
    #[schema(minimum = 1)]
    file_size: i64,
    /// Bytes of a chunk; the answer says which are to be sent.
    #[schema(minimum = 1)]
    chunk_size: Option<i64>,
}

/// How it is to come.
#[derive(Debug, Serialize, ToSchema)]
struct InitResponse {
    /// The upload.
    task_id: String,
    /// Bytes of each chunk but the last.
    chunk_size: i64,
    /// How many.
    total_chunks: i64,
}

/// One chunk.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a form")]
struct ChunkForm {
    /// Its number, from 0.
    chunk_index: i64,
    /// Its bytes.
    #[schema(value_type = String, format = Binary)]
    chunk: Vec<u8>,
}

/// A chunk that is on the disk.
#[derive(Debug, Serialize, ToSchema)]
struct ChunkResponse {
    /// Its number.
    chunk_index: i64,
    /// How many are there.
    uploaded_chunks: i64,
    /// Of how many.
    total_chunks: i64,
}

/// An upload.
#[derive(Debug, Serialize, ToSchema)]
struct StatusResponse {
    /// The upload.
    task_id: String,
    /// What the client calls the file.
    filename: String,
    /// Its bytes.
    file_size: i64,
    /// Bytes of each chunk but the last.
    chunk_size: i64,
    /// How many.
    total_chunks: i64,
    /// How many are there.
    uploaded_chunks: i64,
    /// Where it is.
    status: UploadStatus,
    /// Which are there.
    uploaded_chunk_indices: Vec<i64>,
    /// Why it failed.
    error_message: Option<String>,
    /// The video that it became.
    video_id: Option<i64>,
    /// When it began.
    created_at: Micros,
    /// When it is removed, if nobody goes on with it.
    expires_at: Micros,
}

/// What the video is to be called.
#[derive(Debug, Default, Deserialize, ToSchema)]
struct CompleteRequest {
    /// Its title; that of the file without one.
    title: Option<String>,
    /// Its category.
    category_id: Option<i64>,
    /// Its tags.
    tag_ids: Option<Vec<i64>>,
}

/// The video.
#[derive(Debug, Serialize, ToSchema)]
struct CompleteResponse {
    /// `Upload completed`.
    message: &'static str,
    /// The video.
    video_id: i64,
    /// Its title.
    title: String,
    /// The name of its file.
    file_path: String,
}

/// Begin an upload.
#[utoipa::path(post, path = "/api/upload/init", tag = "upload", request_body = InitRequest, security(("bearer" = [])),
    responses((status = 200, body = InitResponse), (status = 400, response = Problem), (status = 401, response = Problem), (status = 413, response = Problem), (status = 422, response = Problem),
        (status = 507, response = Problem)))]
async fn init(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(asked): Json<InitRequest>,
) -> Result<axum::Json<InitResponse>, Fault> {
    let chunk_size = asked.chunk_size.unwrap_or(5 << 20);
    let upload = app
        .uploads
        .begin(
            "chunks",
            &asked.filename,
            asked.file_size,
            chunk_size,
            &About::default(),
        )
        .await?;
    Ok(axum::Json(InitResponse {
        task_id: upload.id,
        chunk_size: upload.chunk_size,
        total_chunks: upload.total_chunks,
    }))
}

/// Send a chunk. Chunks come in any order; one that comes again is written again.
#[utoipa::path(post, path = "/api/upload/{task_id}/chunk", tag = "upload", params(("task_id" = String, Path)),
    request_body(content = ChunkForm, content_type = "multipart/form-data"), security(("bearer" = [])),
    responses((status = 200, body = ChunkResponse), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem),
        (status = 409, response = Problem), (status = 422, response = Problem), (status = 507, response = Problem)))]
async fn chunk(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
    request: Request,
) -> Result<axum::Json<ChunkResponse>, Fault> {
    let mut form = Multipart::from_request(request, &app)
        .await
        .map_err(|_| Fault::field("body", "a form"))?;
    // It ends by itself when the client goes away: nothing may write once this request is over.
    let taken = tokio::spawn(async move {
        let taken = take(&app, &id, &mut form).await;
        if taken.is_err() {
            // A browser that is still sending would be told of a broken connection, and not why.
            let rest = async { while let Ok(Some(_)) = form.next_field().await {} };
            let _ = tokio::time::timeout(REST, rest).await;
        }
        taken
    });
    taken.await?.map(axum::Json)
}

async fn take(app: &App, id: &str, form: &mut Multipart) -> Result<ChunkResponse, Fault> {
    // For a task that is not there the answer does not depend on the form.
    app.uploads.status(id).await?;
    let broken = |_| Fault::bad("The body is no form, or ended early");
    let mut index = None;
    let mut early: Option<Spool> = None;
    let mut done = None;
    for _ in 0..MAX_PARTS {
        let Some(field) = form.next_field().await.map_err(broken)? else {
            break;
        };
        match (field.name(), index) {
            (Some("chunk_index"), _) => index = Some(number(field).await?),
            (Some("chunk"), Some(index)) if done.is_none() => {
                done = Some((index, app.uploads.chunk(id, index, field).await?));
            }
            (Some("chunk"), None) if early.is_none() => early = Some(app.uploads.spool(id, field).await?),
            _ => return Err(Fault::field("body", "chunk_index and chunk, and nothing else")),
        }
    }
    let missing = |name: &str| Fault::field(format!("body.{name}"), "Field required");
    let index = index.ok_or_else(|| missing("chunk_index"))?;
    let (index, (uploaded_chunks, total_chunks)) = match (done, early) {
        (Some(done), _) => done,
        (None, Some(spool)) => (index, app.uploads.chunk_of(id, index, spool).await?),
        (None, None) => return Err(missing("chunk")),
    };
    Ok(ChunkResponse {
        chunk_index: index,
        uploaded_chunks,
        total_chunks,
    })
}

async fn number(mut field: Field<'_>) -> Result<i64, Fault> {
    let wrong = || Fault::field("body.chunk_index", "a whole number");
    let mut text = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(|_| wrong())? {
        text.extend_from_slice(&bytes);
        if text.len() > MAX_TEXT {
            return Err(wrong());
        }
    }
    let text = std::str::from_utf8(&text).map_err(|_| wrong())?;
    text.trim().parse().map_err(|_| wrong())
}

/// Say how far an upload is.
#[utoipa::path(get, path = "/api/upload/{task_id}/status", tag = "upload", params(("task_id" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = StatusResponse), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn status(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
) -> Result<axum::Json<StatusResponse>, Fault> {
    let (upload, uploaded_chunk_indices) = app.uploads.status(&id).await?;
    Ok(axum::Json(StatusResponse {
        task_id: upload.id,
        filename: upload.file_name,
        file_size: upload.file_size,
        chunk_size: upload.chunk_size,
        total_chunks: upload.total_chunks,
        uploaded_chunks: upload.chunks,
        status: upload.status,
        uploaded_chunk_indices,
        error_message: upload.error_message,
        video_id: upload.video_id,
        created_at: upload.created_at,
        expires_at: upload.expires_at,
    }))
}

/// Make a video of an upload of which all chunks are there.
#[utoipa::path(post, path = "/api/upload/{task_id}/complete", tag = "upload", params(("task_id" = String, Path)),
    request_body = Option<CompleteRequest>, security(("bearer" = [])),
    responses((status = 200, body = CompleteResponse), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem),
        (status = 413, response = Problem), (status = 422, response = Problem), (status = 507, response = Problem)))]
async fn complete(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
    MaybeJson(asked): MaybeJson<CompleteRequest>,
) -> Result<axum::Json<CompleteResponse>, Fault> {
    let (title, category_id, tag_ids) = match asked {
        Some(asked) => (asked.title, asked.category_id, asked.tag_ids.unwrap_or_default()),
        None => Default::default(),
    };
    let about = About {
        title,
        category_id,
        tag_ids,
        tus: None,
    };
    app.uploads.status(&id).await?;
    // Once begun it is done, whether somebody waits for it or not.
    let uploads = app.uploads.clone();
    let done = tokio::spawn(async move { uploads.complete(&id, Some(about)).await }).await??;
    Ok(axum::Json(CompleteResponse {
        message: "Upload completed",
        video_id: done.video_id,
        title: done.title,
        file_path: done.file_name,
    }))
}

/// Drop an upload.
#[utoipa::path(delete, path = "/api/upload/{task_id}", tag = "upload", params(("task_id" = String, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    app.uploads.remove(&id, "chunks").await?;
    Ok(StatusCode::NO_CONTENT)
}
