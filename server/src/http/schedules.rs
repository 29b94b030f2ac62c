//! `/api/schedules`: recordings that start by the clock, what they plan, and how their runs ended.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro repeats the type of the query"
)]

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Json, Path, Query};
use super::problem::Problem;
use crate::app::App;
use crate::domain::cron::Language;
use crate::domain::status::RunOutcome;
use crate::domain::time::{Micros, given, present};
use crate::fault::Fault;
use crate::service::schedules::{NewSchedule, Planned, Preview, ScheduleChange, Upcoming};
use crate::store::schedules::Run;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(preview))
        .routes(routes!(ledger))
        .routes(routes!(upcoming))
        .routes(routes!(one, change, remove))
        .routes(routes!(runs))
}

/// The language that a client wants: `?lang=`, else `Accept-Language`.
struct Wanted(Language);

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
        let header = || parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok();
        Ok(Self(match &asked {
            Some((_, language)) => Language::of(language),
            None => header().map(Language::of).unwrap_or_default(),
        }))
    }
}

/// A recording that starts by the clock.
#[derive(Debug, Serialize, ToSchema)]
struct ScheduleView {
    id: i64,
    /// What it records.
    source_id: i64,
    source_name: String,
    /// Minute, hour, day of the month, month, weekday.
    cron_expr: String,
    /// The IANA zone that the expression means.
    timezone: String,
    /// Seconds that each run records; null is until the source ends or a person stops it.
    duration_s: Option<i64>,
    /// No run starts after it.
    ends_at: Option<Micros>,
    is_active: bool,
    /// When a run last started a recording.
    last_run_at: Option<Micros>,
    /// How the latest planned run ended.
    last_outcome: Option<RunOutcome>,
    /// The next run, with the zone's offset.
    #[schema(format = DateTime)]
    next_run_at: Option<String>,
    /// The next five, with the zone's offset. A local time that the clock skips runs at the end of the gap, one that it repeats runs once;
    /// an expression whose hour is a wildcard runs at each real instant that fits.
    next_runs: Vec<String>,
    /// The expression in words.
    description: String,
    created_at: Micros,
    updated_at: Micros,
}

impl From<Planned> for ScheduleView {
    fn from(planned: Planned) -> Self {
        let row = planned.schedule;
        Self {
            id: row.id,
            source_id: row.source_id,
            source_name: row.source_name,
            cron_expr: row.cron_expr,
            timezone: row.zone,
            duration_s: row.duration_s,
            ends_at: row.ends_at,
            is_active: row.is_active,
            last_run_at: row.last_run_at,
            last_outcome: row.last_outcome,
            next_run_at: planned.next_run_at,
            next_runs: planned.next_runs,
            description: planned.description,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// In which language an expression is described.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "it is read by its extractor and stands here for the document"
)]
struct In {
    /// `en` or `zh`; without it `Accept-Language` counts.
    lang: Option<String>,
}

/// Schedules, newest first.
#[utoipa::path(get, path = "/api/schedules", tag = "schedules", params(In), security(("bearer" = [])),
    responses((status = 200, body = Vec<ScheduleView>), (status = 401, response = Problem)))]
async fn list(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Wanted(language): Wanted,
) -> Result<axum::Json<Vec<ScheduleView>>, Fault> {
    let all = app.schedules.list(language).await?;
    Ok(axum::Json(all.into_iter().map(Into::into).collect()))
}

/// A new schedule.
#[derive(Debug, Deserialize, ToSchema)]
struct NewScheduleBody {
    /// What it records.
    source_id: i64,
    /// Minute, hour, day of the month, month, weekday (0 and 7 are Sunday); names JAN and MON are known.
    cron_expr: String,
    /// The IANA zone that the expression means; the server's when it is absent.
    timezone: Option<String>,
    /// Seconds that each run records, at least 10; absent is until the source ends or a person stops it.
    duration_s: Option<i64>,
    /// No run starts after it.
    ends_at: Option<Micros>,
    #[serde(default = "yes")]
    is_active: bool,
}

const fn yes() -> bool {
    true
}

/// Make a schedule.
#[utoipa::path(post, path = "/api/schedules", tag = "schedules", request_body = NewScheduleBody, params(In), security(("bearer" = [])),
    responses((status = 201, body = ScheduleView), (status = 400, response = Problem), (status = 401, response = Problem),
        (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Wanted(language): Wanted,
    Json(body): Json<NewScheduleBody>,
) -> Result<Response, Fault> {
    let new = NewSchedule {
        source_id: body.source_id,
        cron_expr: body.cron_expr,
        zone: body.timezone,
        duration_s: body.duration_s,
        ends_at: body.ends_at,
        is_active: body.is_active,
    };
    let made = app.schedules.add(new, language).await?;
    Ok((StatusCode::CREATED, axum::Json(ScheduleView::from(made))).into_response())
}

/// One schedule.
#[utoipa::path(get, path = "/api/schedules/{id}", tag = "schedules", params(("id" = i64, Path), In), security(("bearer" = [])),
    responses((status = 200, body = ScheduleView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn one(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Wanted(language): Wanted,
    Path(id): Path<i64>,
) -> Result<axum::Json<ScheduleView>, Fault> {
    Ok(axum::Json(app.schedules.one(id, language).await?.into()))
}

/// What is changed of a schedule; what is absent stays. The source can't be changed.
#[derive(Debug, Deserialize, ToSchema)]
struct ScheduleChangeBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    cron_expr: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false)]
    timezone: Option<String>,
    /// Null is until the source ends or a person stops it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    duration_s: Option<Option<i64>>,
    /// Null is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Micros>)]
    ends_at: Option<Option<Micros>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_active: Option<bool>,
}

/// Change a schedule. What it has started goes on.
#[utoipa::path(put, path = "/api/schedules/{id}", tag = "schedules", request_body = ScheduleChangeBody, params(("id" = i64, Path), In),
    security(("bearer" = [])),
    responses((status = 200, body = ScheduleView), (status = 400, response = Problem), (status = 401, response = Problem),
        (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Wanted(language): Wanted,
    Path(id): Path<i64>,
    Json(body): Json<ScheduleChangeBody>,
) -> Result<axum::Json<ScheduleView>, Fault> {
    let change = ScheduleChange {
        cron_expr: body.cron_expr,
        zone: body.timezone,
        duration_s: body.duration_s,
        ends_at: body.ends_at,
        is_active: body.is_active,
    };
    let changed = app.schedules.change(id, change, language).await?;
    Ok(axum::Json(changed.into()))
}

/// Remove a schedule. What it has started goes on, and its ledger stays.
#[utoipa::path(delete, path = "/api/schedules/{id}", tag = "schedules", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.schedules.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An expression to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
struct PreviewBody {
    /// Minute, hour, day of the month, month, weekday.
    cron_expr: String,
    /// An IANA zone; the server's when it is absent.
    timezone: Option<String>,
}

/// What an expression plans.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewView {
    /// The zone.
    timezone: String,
    /// The next five runs, with the zone's offset.
    next_runs: Vec<String>,
    /// The expression in words.
    description: String,
}

impl From<Preview> for PreviewView {
    fn from(preview: Preview) -> Self {
        Self {
            timezone: preview.zone,
            next_runs: preview.next_runs,
            description: preview.description,
        }
    }
}

/// What an expression would plan; 400 says why it is none.
#[utoipa::path(post, path = "/api/schedules/preview", tag = "schedules", request_body = PreviewBody, params(In), security(("bearer" = [])),
    responses((status = 200, body = PreviewView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn preview(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Wanted(language): Wanted,
    Json(body): Json<PreviewBody>,
) -> Result<axum::Json<PreviewView>, Fault> {
    let zone = body.timezone.as_deref();
    let preview = app.schedules.preview(&body.cron_expr, zone, language)?;
    Ok(axum::Json(preview.into()))
}

/// How a planned run ended.
#[derive(Debug, Serialize, ToSchema)]
struct RunView {
    id: i64,
    schedule_id: i64,
    source_id: i64,
    /// When it was to start.
    planned_at: Micros,
    /// When it was decided.
    decided_at: Micros,
    outcome: RunOutcome,
    /// Why it did not start.
    reason: Option<String>,
    /// The recording, while its row is there.
    task_id: Option<i64>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            schedule_id: run.schedule_id,
            source_id: run.source_id,
            planned_at: run.planned_at,
            decided_at: run.decided_at,
            outcome: run.outcome,
            reason: run.reason,
            task_id: run.task_id,
        }
    }
}

/// How the runs of a schedule ended, newest first; at most 1 000.
#[utoipa::path(get, path = "/api/schedules/{id}/runs", tag = "schedules", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Vec<RunView>), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn runs(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<RunView>>, Fault> {
    let runs = app.schedules.runs_of(id).await?;
    Ok(axum::Json(runs.into_iter().map(Into::into).collect()))
}

/// A span of time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Span {
    /// From then; 30 days before its end when it is absent.
    from: Option<Micros>,
    /// Before then; now when it is absent.
    to: Option<Micros>,
}

/// How all planned runs of a span of time ended, newest first; at most 1 000.
#[utoipa::path(get, path = "/api/schedules/runs", tag = "schedules", params(Span), security(("bearer" = [])),
    responses((status = 200, body = Vec<RunView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn ledger(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(span): Query<Span>,
) -> Result<axum::Json<Vec<RunView>>, Fault> {
    let runs = app.schedules.runs(span.from, span.to).await?;
    Ok(axum::Json(runs.into_iter().map(Into::into).collect()))
}

/// How far ahead is looked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Ahead {
    /// From then; from now when it is absent or past.
    from: Option<Micros>,
    /// 1 to 8784; a week when it is absent.
    hours: Option<u32>,
}

/// A run that is to come.
#[derive(Debug, Serialize, ToSchema)]
struct UpcomingView {
    schedule_id: i64,
    source_id: i64,
    source_name: String,
    /// With the schedule's offset.
    #[schema(format = DateTime)]
    starts_at: String,
    /// The same; null is when the source ends or a person stops it.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
}

impl From<Upcoming> for UpcomingView {
    fn from(run: Upcoming) -> Self {
        Self {
            schedule_id: run.schedule_id,
            source_id: run.source_id,
            source_name: run.source_name,
            starts_at: run.starts_at,
            ends_at: run.ends_at,
        }
    }
}

/// The runs of all schedules that are to come, earliest first; at most 1 000, and 400 of one schedule.
#[utoipa::path(get, path = "/api/schedules/upcoming", tag = "schedules", params(Ahead), security(("bearer" = [])),
    responses((status = 200, body = Vec<UpcomingView>), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn upcoming(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Query(ahead): Query<Ahead>,
) -> Result<axum::Json<Vec<UpcomingView>>, Fault> {
    let hours = ahead.hours.unwrap_or(168);
    if !(1..=8784).contains(&hours) {
        return Err(Fault::field("query.hours", "a number from 1 to 8784"));
    }
    let runs = app.schedules.upcoming(ahead.from, hours).await?;
    Ok(axum::Json(runs.into_iter().map(Into::into).collect()))
}
