//! `/api/sources`: live inputs, their checks, and starting and stopping their recording.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, Path};
use super::extras;
use super::problem::Problem;
use super::tasks::{self, TaskView};
use crate::app::App;
use crate::domain::status::Protocol;
use crate::domain::time::{Micros, given, present};
use crate::fault::Fault;
use crate::service::recordings::{Request, State as LiveState};
use crate::service::sources::{SourceChange, shown_url};
use crate::store::sources::{Source, SourceFields};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change, remove))
        .routes(routes!(bulk_category))
        .routes(routes!(test))
        .routes(routes!(check))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(picture))
        .routes(routes!(callback))
}

/// A category as other objects show it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CategoryRef {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) sort_order: i64,
}

/// A live input.
#[derive(Debug, Serialize, ToSchema)]
struct SourceView {
    id: i64,
    name: String,
    protocol: Protocol,
    /// Without its password.
    url: String,
    /// Days that its recordings are kept while retention is active; 0 is for ever.
    retention_days: i64,
    /// Bytes of its recordings that are kept while retention is active; null is no limit.
    quota_bytes: Option<i64>,
    /// `auto`, `copy`, `aac` or `none`.
    audio: String,
    /// `auto`, `tcp` or `udp`, for RTSP.
    transport: String,
    /// Whether it is checked by and by.
    is_active: bool,
    /// Whether it sent media at the last check, or does while it is recorded.
    is_online: bool,
    last_check_time: Option<Micros>,
    /// Why it was offline at the last check.
    last_error: Option<String>,
    is_recording: bool,
    /// What its recording does; null when there is none.
    state: Option<LiveState>,
    category: Option<CategoryRef>,
    created_at: Micros,
    updated_at: Micros,
}

impl SourceView {
    fn of(source: Source, app: &App) -> Self {
        let state = app.recordings.live_of(source.id).map(|live| live.state);
        let category = source
            .category_id
            .zip(source.category_name)
            .map(|(id, name)| CategoryRef {
                id,
                name,
                sort_order: source.category_sort_order.unwrap_or(0),
            });
        Self {
            url: shown_url(&source.url),
            is_online: source.is_online || state == Some(LiveState::Recording),
            state,
            category,
            id: source.id,
            name: source.name,
            protocol: source.protocol,
            retention_days: source.retention_days,
            quota_bytes: source.quota_bytes,
            audio: source.audio,
            transport: source.transport,
            is_active: source.is_active,
            last_check_time: source.last_check_time,
            last_error: source.last_error,
            is_recording: source.is_recording,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

const fn a_year() -> i64 {
    365
}

const fn yes() -> bool {
    true
}

fn auto() -> String {
    "auto".to_owned()
}

/// A new live input.
#[derive(Debug, Deserialize, ToSchema)]
struct NewSource {
    /// 1 to 64 characters.
    name: String,
    protocol: Protocol,
    /// With its password, which is never shown again.
    url: String,
    #[serde(default = "a_year")]
    retention_days: i64,
    #[serde(default)]
    quota_bytes: Option<i64>,
    #[serde(default = "auto")]
    audio: String,
    #[serde(default = "auto")]
    transport: String,
    #[serde(default = "yes")]
    is_active: bool,
    #[serde(default)]
    category_id: Option<i64>,
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedSource {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Protocol>, nullable = false)]
    protocol: Option<Protocol>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    url: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, nullable = false)]
    retention_days: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    quota_bytes: Option<Option<i64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    audio: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    transport: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_active: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    category_id: Option<Option<i64>>,
}

/// All sources, newest first.
#[utoipa::path(get, path = "/api/sources", tag = "sources", security(("bearer" = [])),
    responses((status = 200, body = Vec<SourceView>), (status = 401, response = Problem)))]
async fn list(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<Vec<SourceView>>, Fault> {
    let sources = app.sources.list().await?;
    Ok(axum::Json(
        sources
            .into_iter()
            .map(|source| SourceView::of(source, &app))
            .collect(),
    ))
}

/// Make a source.
#[utoipa::path(post, path = "/api/sources", tag = "sources", request_body = NewSource, security(("bearer" = [])),
    responses((status = 201, body = SourceView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewSource>,
) -> Result<Response, Fault> {
    let fields = SourceFields {
        name: new.name,
        protocol: new.protocol,
        url: new.url,
        category_id: new.category_id,
        retention_days: new.retention_days,
        quota_bytes: new.quota_bytes,
        audio: new.audio,
        transport: new.transport,
        is_active: new.is_active,
    };
    let source = app.sources.add(fields).await?;
    Ok((StatusCode::CREATED, axum::Json(SourceView::of(source, &app))).into_response())
}

/// One source.
#[utoipa::path(get, path = "/api/sources/{id}", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = SourceView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn one(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<SourceView>, Fault> {
    Ok(axum::Json(SourceView::of(app.sources.one(id).await?, &app)))
}

/// Change a source. Its address as it was shown keeps its password.
#[utoipa::path(put, path = "/api/sources/{id}", tag = "sources", params(("id" = i64, Path)), request_body = ChangedSource, security(("bearer" = [])),
    responses((status = 200, body = SourceView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ChangedSource>,
) -> Result<axum::Json<SourceView>, Fault> {
    let change = SourceChange {
        name: to.name,
        protocol: to.protocol,
        url: to.url,
        category_id: to.category_id,
        retention_days: to.retention_days,
        quota_bytes: to.quota_bytes,
        audio: to.audio,
        transport: to.transport,
        is_active: to.is_active,
    };
    Ok(axum::Json(SourceView::of(
        app.sources.change(id, change).await?,
        &app,
    )))
}

/// Remove a source; its recordings stay.
#[utoipa::path(delete, path = "/api/sources/{id}", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.sources.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sources and where they go.
#[derive(Debug, Deserialize, ToSchema)]
struct BulkCategory {
    /// Unknown ones are skipped.
    source_ids: Vec<i64>,
    category_id: i64,
}

/// How many were changed.
#[derive(Debug, Serialize, ToSchema)]
struct Updated {
    updated_count: u64,
}

/// Put sources into a category.
#[utoipa::path(post, path = "/api/sources/bulk-update-category", tag = "sources", request_body = BulkCategory, security(("bearer" = [])),
    responses((status = 200, body = Updated), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn bulk_category(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(bulk): Json<BulkCategory>,
) -> Result<axum::Json<Updated>, Fault> {
    let updated_count = app
        .sources
        .set_category(&bulk.source_ids, bulk.category_id)
        .await?;
    Ok(axum::Json(Updated { updated_count }))
}

/// An address to look into.
#[derive(Debug, Deserialize, ToSchema)]
struct Look {
    url: String,
    #[serde(default = "auto")]
    transport: String,
}

/// What an address holds, or why that can't be told.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Looked {
    /// Whether media came.
    ok: bool,
    /// Its tracks: kind, codec, codec_string, language, width, height, fps, sample_rate, channels.
    #[schema(value_type = Vec<Object>)]
    tracks: Vec<serde_json::Value>,
    /// Bits per second.
    bit_rate: Option<u64>,
    /// What is odd about it.
    notes: Vec<String>,
    /// Why nothing came, in words.
    error: Option<String>,
}

/// Look into an address before saving it.
#[utoipa::path(post, path = "/api/sources/test", tag = "sources", request_body = Look, security(("bearer" = [])),
    responses((status = 200, body = Looked), (status = 401, response = Problem), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn test(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(look): Json<Look>,
) -> Result<axum::Json<Looked>, Fault> {
    Ok(axum::Json(
        match app.sources.look(&look.url, &look.transport).await? {
            Ok(found) => Looked {
                ok: true,
                tracks: found.tracks,
                bit_rate: found.bit_rate,
                notes: found.notes,
                error: None,
            },
            Err(error) => Looked {
                error: Some(error),
                ..Looked::default()
            },
        },
    ))
}

/// That a check was begun.
#[derive(Debug, Serialize, ToSchema)]
struct Checking {
    message: &'static str,
    source_id: i64,
}

/// Check a source behind the answer: each of up to ten tries is told over the WebSocket.
#[utoipa::path(get, path = "/api/sources/{id}/status", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 202, body = Checking), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn check(State(app): State<Arc<App>>, _admin: Admin, Path(id): Path<i64>) -> Result<Response, Fault> {
    app.checks.ask(id).await?;
    let body = Checking {
        message: "检测任务已启动",
        source_id: id,
    };
    Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
}

/// Begin to record a source.
#[utoipa::path(post, path = "/api/sources/{id}/record/start", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = TaskView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem), (status = 503, response = Problem)))]
async fn start(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<TaskView>, Fault> {
    Ok(axum::Json(
        app.recordings.start(id, Request::default()).await?.into(),
    ))
}

/// Stop recording a source. What was recorded is in the library when the answer comes.
#[utoipa::path(post, path = "/api/sources/{id}/record/stop", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = TaskView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn stop(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<TaskView>, Fault> {
    let task = app.recordings.stop(id).await?;
    let video_id = app.tasks.video_of(task.id).await?;
    Ok(axum::Json(TaskView::from(task).with_video(video_id)))
}

/// What a source shows: the live picture while it is recorded, else that of the latest recording that is in the library.
#[utoipa::path(get, path = "/api/sources/{id}/picture", tag = "sources", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, description = "The picture", content_type = "image/*"), (status = 204, description = "There is none"),
        (status = 304, description = "The same as before"), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn picture(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    if let Some(live) = app.recordings.live_of(id)
        && let Some(picture) = app.recordings.picture(live.task_id).await?
    {
        return Ok(tasks::shown(picture, &headers));
    }
    match app.sources.picture(id).await? {
        Some(name) => {
            let mut sent =
                extras::shown(&app, &format!("thumbnails/{name}"), false, &method, &headers).await?;
            // Another one may be under this address in a moment.
            let value = HeaderValue::from_static("private, no-cache");
            sent.headers_mut().insert(header::CACHE_CONTROL, value);
            Ok(sent)
        }
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// What a cloud vendor pushes when a stream begins or ends.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "the presence of the others is the vendor's form")]
struct Push {
    app: String,
    appname: String,
    channel_id: String,
    errmsg: String,
    node: String,
    sequence: String,
    sign: String,
    stream_id: String,
    stream_param: String,
    user_ip: String,
    appid: i64,
    errcode: i64,
    event_time: i64,
    event_type: i64,
    idc_id: i64,
    set_id: i64,
    t: i64,
    #[serde(default)]
    height: i64,
    #[serde(default)]
    width: i64,
}

/// That it was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    code: i64,
}

impl Push {
    /// Whether it is signed with `key`, as Tencent Cloud does it: the MD5 of the key and the time until which the push is good.
    fn is_signed(&self, key: &str, now: Micros) -> bool {
        let digest = Md5::digest(format!("{key}{}", self.t));
        let right: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let same = right.as_bytes().ct_eq(self.sign.to_ascii_lowercase().as_bytes());
        bool::from(same) && self.t >= now.0 / 1_000_000
    }
}

/// A cloud vendor's push: the sources of the stream are online when `event_type` is 1. Where `CALLBACK_KEY` is set it must be signed.
#[utoipa::path(post, path = "/api/sources/callback", tag = "sources", request_body = Push,
    responses((status = 200, body = Taken), (status = 403, response = Problem), (status = 422, response = Problem)))]
async fn callback(State(app): State<Arc<App>>, Json(push): Json<Push>) -> Result<axum::Json<Taken>, Fault> {
    let key = app.config.callback_key.as_ref();
    if key.is_some_and(|key| !push.is_signed(key.expose(), Micros::now())) {
        return Err(Fault::Forbidden(
            "The push is not signed with the key, or is too old".to_owned(),
        ));
    }
    app.checks
        .pushed(&push.appname, &push.channel_id, push.event_type == 1)
        .await?;
    Ok(axum::Json(Taken { code: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_signed_with_the_key_and_its_time() {
        let push = |sign: &str, t: i64| -> Push {
            let form = serde_json::json!({
                "app": "a", "appname": "live", "channel_id": "x", "errmsg": "", "node": "", "sequence": "", "sign": sign,
                "stream_id": "x", "stream_param": "", "user_ip": "", "appid": 1, "errcode": 0, "event_time": 1, "event_type": 1,
                "idc_id": 1, "set_id": 1, "t": t,
            });
            serde_json::from_value(form).unwrap()
        };
        // printf 's3cret1700000000' | md5sum
        let sign = "5d75c9c422f888a6fc13fe10cfd4b30e";
        let at = |seconds: i64| Micros(seconds * 1_000_000);
        let good = push(sign, 1_700_000_000);
        assert!(good.is_signed("s3cret", at(1_700_000_000)));
        assert!(push(&sign.to_uppercase(), 1_700_000_000).is_signed("s3cret", at(1_600_000_000)));
        assert!(!good.is_signed("s3cret", at(1_700_000_001)), "its time is over");
        assert!(!good.is_signed("other", at(1_600_000_000)));
        assert!(!push(sign, 1_700_000_001).is_signed("s3cret", at(1_600_000_000)));
        assert!(!push("", 1_700_000_000).is_signed("s3cret", at(1_600_000_000)));
    }
}
