//! `/api/system`: what the machine does, and how the server is configured.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro repeats the type of the query"
)]

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Query};
use super::problem::Problem;
use crate::app::App;
use crate::domain::time::Micros;
use crate::fault::Fault;
use crate::log::{Level, Line, Wanted};
use crate::service::fsck::orphans::{self as found, Orphan};
use crate::service::monitor::{self, Point};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(history))
        .routes(routes!(info))
        .routes(routes!(logs))
        .routes(routes!(orphans))
        .routes(routes!(import_orphans))
}

/// What the machine does. Percentages are 0 to 100; the disk is that of the storage folder.
#[derive(Debug, Serialize, ToSchema)]
struct StatusView {
    cpu_percent: f64,
    memory_percent: f64,
    /// Bytes.
    disk_total: u64,
    disk_used: u64,
    /// Bytes that can still be written.
    disk_free: u64,
    disk_percent: f64,
    memory_total: u64,
    memory_used: u64,
    /// Bytes per second, without the loopback.
    network_in: u64,
    network_out: u64,
    /// Over one, five and fifteen minutes.
    load: [f64; 3],
    /// Seconds since the machine started.
    uptime_s: u64,
    /// Bytes of memory that the server has.
    process_memory: u64,
    /// Recordings that run.
    recordings_active: usize,
    /// Bits per second that all recordings make durable.
    recordings_bit_rate: u64,
    /// In how many hours the disk is full if it goes on as it did; null when it does not fill up.
    hours_until_full: Option<f64>,
    /// When it was looked.
    sampled_at: Micros,
}

/// What the machine does now.
#[utoipa::path(get, path = "/api/system/status", tag = "system", security(("bearer" = [])),
    responses((status = 200, body = StatusView), (status = 401, response = Problem)))]
async fn status(State(app): State<Arc<App>>, _admin: Admin) -> axum::Json<StatusView> {
    let now = app.monitor.now();
    let live = app.recordings.live();
    axum::Json(StatusView {
        cpu_percent: now.cpu_percent,
        memory_percent: now.memory_percent,
        disk_total: now.disk_total,
        disk_used: now.disk_used,
        disk_free: now.disk_free,
        disk_percent: now.disk_percent,
        memory_total: now.memory_total,
        memory_used: now.memory_used,
        network_in: now.network_in,
        network_out: now.network_out,
        load: now.load,
        uptime_s: now.uptime_s,
        process_memory: now.process_memory,
        recordings_active: live.len(),
        recordings_bit_rate: live.iter().fold(0, |sum, live| live.bit_rate.saturating_add(sum)),
        hours_until_full: now.hours_until_full,
        sampled_at: now.at,
    })
}

/// How far back is looked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Back {
    /// 1 to 1440; a day when it is absent.
    minutes: Option<u32>,
}

/// What the machine did over ten seconds or, more than an hour ago, a minute: on average.
#[derive(Debug, Serialize, ToSchema)]
struct PointView {
    at: Micros,
    cpu_percent: f64,
    memory_percent: f64,
    disk_percent: f64,
    disk_used: u64,
    network_in: u64,
    network_out: u64,
    process_memory: u64,
}

impl From<Point> for PointView {
    fn from(point: Point) -> Self {
        Self {
            at: point.at,
            cpu_percent: point.cpu_percent,
            memory_percent: point.memory_percent,
            disk_percent: point.disk_percent,
            disk_used: point.disk_used,
            network_in: point.network_in,
            network_out: point.network_out,
            process_memory: point.process_memory,
        }
    }
}

/// What the machine did, oldest first, since the server started.
#[utoipa::path(get, path = "/api/system/history", tag = "system", params(Back), security(("bearer" = [])),
    responses((status = 200, body = Vec<PointView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn history(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(back): Query<Back>,
) -> Result<axum::Json<Vec<PointView>>, Fault> {
    let minutes = back.minutes.unwrap_or(1440);
    if !(1..=1440).contains(&minutes) {
        return Err(Fault::field("query.minutes", "a number from 1 to 1440"));
    }
    let points = app.monitor.history(minutes);
    Ok(axum::Json(points.into_iter().map(Into::into).collect()))
}

/// A setting in effect.
#[derive(Debug, Serialize, ToSchema)]
struct SettingView {
    name: &'static str,
    /// `***` when it is a secret.
    value: String,
}

/// What the server is.
#[derive(Debug, Serialize, ToSchema)]
struct InfoView {
    /// The server's version.
    version: &'static str,
    /// The versions of the server and of the libav libraries.
    versions: String,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// Since when it runs.
    started_at: Micros,
    /// How it is configured.
    settings: Vec<SettingView>,
}

/// What the server is and how it is configured.
#[utoipa::path(get, path = "/api/system/info", tag = "system", security(("bearer" = [])),
    responses((status = 200, body = InfoView), (status = 401, response = Problem)))]
async fn info(State(app): State<Arc<App>>, _admin: Admin) -> axum::Json<InfoView> {
    let setting = |(name, value)| SettingView { name, value };
    axum::Json(InfoView {
        version: env!("CARGO_PKG_VERSION"),
        versions: mediacore::version(),
        database: if app.store.is_postgres() {
            "postgres"
        } else {
            "sqlite"
        },
        started_at: app.monitor.started_at(),
        settings: monitor::settings(&app.config).into_iter().map(setting).collect(),
    })
}

/// Lines of the longest answer.
const MAX_LINES: usize = 1000;

/// Which lines of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WantedLines {
    /// This serious or more; all when it is absent.
    level: Option<Level>,
    /// With this text in the message, the target or a field (`name=value`), whatever the case.
    search: Option<String>,
    /// Older than this one.
    before_id: Option<i64>,
    /// How many, 1 to 1000; 200 when it is absent.
    limit: Option<usize>,
}

/// The newest lines of the log since the server started, newest first: `info` and more serious, and what else `log_level` asks for. The
/// newest 4 MB are kept.
#[utoipa::path(get, path = "/api/system/logs", tag = "system", params(WantedLines), security(("bearer" = [])),
    responses((status = 200, body = Vec<Line>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn logs(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(wanted): Query<WantedLines>,
) -> Result<Response, Fault> {
    let limit = wanted.limit.unwrap_or(200);
    if !(1..=MAX_LINES).contains(&limit) {
        return Err(Fault::field("query.limit", "a number from 1 to 1000"));
    }
    let wanted = Wanted {
        level: wanted.level.unwrap_or(Level::Debug),
        search: wanted.search.filter(|text| !text.is_empty()),
        // Nothing is older than a number below zero.
        before: wanted.before_id.map(|id| u64::try_from(id).unwrap_or(0)),
        limit,
    };
    let lines = app.lines.lines(&wanted);
    let lines: Vec<&Line> = lines.iter().map(Arc::as_ref).collect();
    Ok(axum::Json(lines).into_response())
}

/// Media in the storage folder that no row of the database names, because the database was lost or is an older one. Nothing removes it.
#[utoipa::path(get, path = "/api/system/orphans", tag = "system", security(("bearer" = [])),
    responses((status = 200, body = Vec<Orphan>), (status = 401, response = Problem)))]
async fn orphans(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<Vec<Orphan>>, Fault> {
    Ok(axum::Json(found::find(&app.store, &app.folders).await?))
}

/// What was made of media that no row named.
#[derive(Debug, Serialize, ToSchema)]
struct ImportedView {
    /// Its videos, which wait for a review.
    video_ids: Vec<i64>,
}

/// Makes videos of media that no row names, to be reviewed: with the source, the category and the time that are written beside it.
#[utoipa::path(post, path = "/api/system/orphans/import", tag = "system", security(("bearer" = [])),
    responses((status = 200, body = ImportedView), (status = 401, response = Problem)))]
async fn import_orphans(
    State(app): State<Arc<App>>,
    _admin: Admin,
) -> Result<axum::Json<ImportedView>, Fault> {
    let _one = app.importing.lock().await;
    let video_ids = found::import(&app.store, &app.folders, &app.recordings).await?;
    app.jobs.wake();
    Ok(axum::Json(ImportedView { video_ids }))
}
