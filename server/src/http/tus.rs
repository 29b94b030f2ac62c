//! `/api/tus`: files by tus 1.0 (<https://tus.io/protocols/resumable-upload>), with creation, creation-with-upload,
//! termination, expiration and checksum. With its last byte an upload is a video; `Upload-Video-Id` says which.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Path};
use super::problem::{self, Problem};
use crate::app::App;
use crate::domain::status::UploadStatus;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::service::uploads::{ALGORITHMS, About, Appended, Checksum};

/// The version that is spoken.
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");

/// The extensions of it.
const EXTENSIONS: HeaderValue =
    HeaderValue::from_static("creation,creation-with-upload,termination,expiration,checksum");

/// The MIME type of a body of PATCH.
const OCTETS: &str = "application/offset+octet-stream";

/// What scripts of other sites may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, \
     Upload-Length, Upload-Metadata, Upload-Expires, Upload-Video-Id",
);

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_VIDEO_ID: HeaderName = HeaderName::from_static("upload-video-id");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, about))
        .routes(routes!(offset, append, terminate, about_one))
}

/// Says what is spoken.
#[utoipa::path(options, path = "/api/tus", tag = "upload", responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size")))]
async fn about(State(app): State<Arc<App>>) -> Response {
    let headers = [
        (TUS_VERSION, VERSION),
        (HeaderName::from_static("tus-extension"), EXTENSIONS),
        (
            HeaderName::from_static("tus-max-size"),
            HeaderValue::from(app.uploads.max_size()),
        ),
        (
            HeaderName::from_static("tus-checksum-algorithm"),
            HeaderValue::from_static(ALGORITHMS),
        ),
    ];
    spoken((StatusCode::NO_CONTENT, headers).into_response())
}

/// Says what is spoken.
#[utoipa::path(options, path = "/api/tus/{id}", tag = "upload", params(("id" = String, Path)),
    responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size"), (status = 422, response = Problem)))]
async fn about_one(state: State<Arc<App>>, Path(_id): Path<String>) -> Response {
    about(state).await
}

/// Begin an upload. `Upload-Metadata` has `filename`, and may have `title`, `category_id` and `tags` (numbers with commas).
#[utoipa::path(post, path = "/api/tus", tag = "upload", security(("bearer" = [])),
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = i64, Header), ("Upload-Metadata" = Option<String>, Header)),
    responses((status = 201, description = "Begun; Location says where"), (status = 400, response = Problem), (status = 401, response = Problem), (status = 409, response = Problem),
        (status = 412, response = Problem), (status = 413, response = Problem), (status = 422, response = Problem), (status = 460, description = "Another checksum"), (status = 507, response = Problem)))]
async fn create(State(app): State<Arc<App>>, _admin: Admin, request: Request) -> Response {
    answer(begin(&app, request).await)
}

/// Say how many bytes there are.
#[utoipa::path(head, path = "/api/tus/{id}", tag = "upload", security(("bearer" = [])),
    params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 200, description = "Upload-Offset, Upload-Length"), (status = 401, response = Problem), (status = 404, response = Problem), (status = 412, response = Problem), (status = 422, response = Problem)))]
async fn offset(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(look(&app, &id, &headers).await)
}

/// Send bytes from `Upload-Offset` on.
#[utoipa::path(patch, path = "/api/tus/{id}", tag = "upload", security(("bearer" = [])),
    params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = i64, Header), ("Upload-Checksum" = Option<String>, Header)),
    request_body(content = String, content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Upload-Offset; with the last byte Upload-Video-Id"), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem),
        (status = 409, response = Problem), (status = 412, response = Problem), (status = 415, response = Problem), (status = 422, response = Problem), (status = 460, description = "Another checksum"), (status = 507, response = Problem)))]
async fn append(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(send(&app, id, request).await)
}

/// Drop an upload.
#[utoipa::path(delete, path = "/api/tus/{id}", tag = "upload", security(("bearer" = [])),
    params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 412, response = Problem), (status = 422, response = Problem)))]
async fn terminate(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(drop_upload(&app, &id, &headers).await)
}

async fn begin(app: &Arc<App>, request: Request) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    if let Some(refused) = other_version(&parts.headers) {
        return Ok(refused);
    }
    let length = number(&parts.headers, &UPLOAD_LENGTH)?
        .ok_or_else(|| Fault::bad("Upload-Length is needed, as a whole number"))?;
    if u64::try_from(length).is_ok_and(|length| length > app.uploads.max_size()) {
        return Err(Fault::TooLarge(format!(
            "An upload has at most {} bytes",
            app.uploads.max_size()
        )));
    }
    let given = text(&parts.headers, &UPLOAD_METADATA).unwrap_or_default();
    let (name, about) = metadata(given)?;
    let checksum = checksum(&parts.headers)?;
    let upload = app.uploads.begin("tus", &name, length, 5 << 20, &about).await?;
    let location = format!("/api/tus/{}", upload.id);
    let mut response = if text(&parts.headers, &header::CONTENT_TYPE) == Some(OCTETS) {
        take(app, upload.id, 0, checksum, body).await?
    } else {
        progress(upload.received, upload.expires_at, None)
    };
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::CREATED;
    }
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn look(app: &App, id: &str, headers: &HeaderMap) -> Result<Response, Fault> {
    if let Some(refused) = other_version(headers) {
        return Ok(refused);
    }
    let upload = app.uploads.offset(id).await?;
    let video = upload
        .video_id
        .filter(|_| upload.status == UploadStatus::Completed);
    let mut response = progress(upload.received, upload.expires_at, video);
    *response.status_mut() = StatusCode::OK;
    let out = response.headers_mut();
    out.insert(UPLOAD_LENGTH, HeaderValue::from(upload.file_size));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let about: About = serde_json::from_str(&upload.metadata).unwrap_or_default();
    if let Some(Ok(given)) = about.tus.as_deref().map(HeaderValue::from_str) {
        out.insert(UPLOAD_METADATA, given);
    }
    Ok(response)
}

async fn send(app: &Arc<App>, id: String, request: Request) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    if let Some(refused) = other_version(&parts.headers) {
        return Ok(refused);
    }
    if text(&parts.headers, &header::CONTENT_TYPE) != Some(OCTETS) {
        return Ok(problem::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body is to be application/offset+octet-stream",
        ));
    }
    let offset = number(&parts.headers, &UPLOAD_OFFSET)?
        .ok_or_else(|| Fault::bad("Upload-Offset is needed, as a whole number"))?;
    let checksum = checksum(&parts.headers)?;
    take(app, id, offset, checksum, body).await
}

async fn take(
    app: &Arc<App>,
    id: String,
    offset: i64,
    checksum: Option<Checksum>,
    body: Body,
) -> Result<Response, Fault> {
    // What came is kept also when the client goes away, and nothing writes once this request is over.
    let uploads = app.uploads.clone();
    let taken = tokio::spawn(async move {
        uploads
            .append(&id, offset, checksum, body.into_data_stream())
            .await
    });
    Ok(match taken.await?? {
        Appended::Offset {
            received,
            expires_at,
            completed,
        } => progress(received, expires_at, completed.map(|done| done.video_id)),
        Appended::WrongSum => problem::plain(
            StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            "The bytes do not have this checksum; none of them counts",
        ),
    })
}

async fn drop_upload(app: &App, id: &str, headers: &HeaderMap) -> Result<Response, Fault> {
    if let Some(refused) = other_version(headers) {
        return Ok(refused);
    }
    app.uploads.remove(id, "tus").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// 204 with how far it is.
fn progress(received: i64, expires_at: Micros, video: Option<i64>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let out = response.headers_mut();
    out.insert(UPLOAD_OFFSET, HeaderValue::from(received));
    match video {
        Some(video) => {
            out.insert(UPLOAD_VIDEO_ID, HeaderValue::from(video));
        }
        None => {
            let date = httpdate::fmt_http_date(expires_at.timestamp().into());
            if let Ok(date) = HeaderValue::from_str(&date) {
                out.insert(UPLOAD_EXPIRES, date);
            }
        }
    }
    response
}

fn answer(result: Result<Response, Fault>) -> Response {
    spoken(result.unwrap_or_else(IntoResponse::into_response))
}

fn spoken(mut response: Response) -> Response {
    let out = response.headers_mut();
    out.insert(TUS_RESUMABLE, VERSION);
    out.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// 412 to one who speaks another version.
fn other_version(headers: &HeaderMap) -> Option<Response> {
    if headers.get(TUS_RESUMABLE) == Some(&VERSION) {
        return None;
    }
    let mut response = problem::plain(StatusCode::PRECONDITION_FAILED, "Tus-Resumable must be 1.0.0");
    response.headers_mut().insert(TUS_VERSION, VERSION);
    Some(response)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<i64>, Fault> {
    let Some(text) = text(headers, name) else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number
        .map(Some)
        .ok_or_else(|| Fault::bad(format!("{name} is to be a whole number")))
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Fault> {
    let Some(value) = headers.get("upload-checksum") else {
        return Ok(None);
    };
    let sum = value.to_str().ok().and_then(Checksum::parse);
    sum.map(Some).ok_or_else(|| {
        Fault::bad(format!(
            "Upload-Checksum is to be one of {ALGORITHMS}, and base64"
        ))
    })
}

/// Reads `key base64,key base64`: the name of the file, and what is said about the video.
fn metadata(given: &str) -> Result<(String, About), Fault> {
    let wrong = |what: &str| Fault::bad(format!("Upload-Metadata: {what}"));
    let mut about = About {
        tus: (!given.is_empty()).then(|| given.to_owned()),
        ..About::default()
    };
    let mut name = None;
    for pair in given.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = BASE64_STANDARD
            .decode(value.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| wrong(&format!("{key} is no text in base64")))?;
        match key {
            "filename" => name = Some(value),
            "name" if name.is_none() => name = Some(value),
            "title" => about.title = Some(value),
            "category_id" if !value.is_empty() => {
                let id = value.trim().parse();
                about.category_id = Some(id.map_err(|_| wrong("category_id is no number"))?);
            }
            "tags" => {
                for tag in value.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                    let id = tag.parse().map_err(|_| wrong("tags are no numbers"))?;
                    about.tag_ids.push(id);
                }
            }
            _ => {}
        }
    }
    let name = name.ok_or_else(|| wrong("filename is needed"))?;
    Ok((name, about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_pairs_of_keys_and_base64() {
        let (name, about) =
            metadata("filename YS5tcDQ=, title 6K6y5bqn,tags MSwgMg==,category_id Nw==,is_x").unwrap();
        assert_eq!(name, "a.mp4");
        assert_eq!(about.title.as_deref(), Some("讲座"));
        assert_eq!((about.tag_ids, about.category_id), (vec![1, 2], Some(7)));
        for wrong in ["", "title YQ==", "filename ***", "filename YS5tcDQ=,tags YQ=="] {
            assert!(metadata(wrong).is_err(), "{wrong}");
        }
    }
}
