//! `/api/webhooks`: who is told of what happens, and how that went.

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
use crate::domain::status::{DeliveryStatus, Topic};
use crate::domain::time::{Micros, present};
use crate::fault::Fault;
use crate::service::webhooks::{NewWebhook, Sent, Shown, WebhookChange};
use crate::store::webhooks::Delivery;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(retry))
        .routes(routes!(change, remove))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .routes(routes!(deliveries))
}

/// Who is told of what happens, by a signed POST.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookView {
    id: i64,
    /// Without user, password and the values of the query.
    url: String,
    description: String,
    events: Vec<Topic>,
    is_active: bool,
    created_at: Micros,
    updated_at: Micros,
    /// The latest attempt.
    last_delivery_at: Option<Micros>,
    /// How the newest message went.
    last_status: Option<DeliveryStatus>,
    /// Attempts that failed since the last one that went well.
    failures_in_row: i64,
}

impl From<Shown> for WebhookView {
    fn from(shown: Shown) -> Self {
        let row = shown.row;
        Self {
            id: row.id,
            url: shown.url,
            description: row.description,
            events: shown.events,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_delivery_at: row.last_delivery_at,
            last_status: row.last_status,
            failures_in_row: row.failures_in_row,
        }
    }
}

/// A new webhook with its secret.
#[derive(Debug, Serialize, ToSchema)]
struct WithSecret {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What its messages are signed with; shown this once.
    secret: String,
}

/// A message for a webhook.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveryView {
    id: i64,
    webhook_id: i64,
    /// The header `webhook-id`, the same at every attempt.
    message_id: String,
    event: String,
    created_at: Micros,
    attempts: i64,
    status: DeliveryStatus,
    /// The status of the latest answer.
    response_status: Option<i64>,
    /// Why the latest attempt failed.
    error: Option<String>,
    /// When the next attempt is; null when it is over.
    next_attempt_at: Option<Micros>,
    /// The body as it is sent.
    payload: String,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            webhook_id: delivery.webhook_id,
            message_id: delivery.message_id,
            event: delivery.event,
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            status: delivery.status,
            response_status: delivery.response_status,
            error: delivery.error,
            next_attempt_at: delivery.next_attempt_at,
            payload: delivery.payload,
        }
    }
}

/// All webhooks.
#[utoipa::path(get, path = "/api/webhooks", tag = "webhooks", security(("bearer" = [])),
    responses((status = 200, body = Vec<WebhookView>), (status = 401, response = Problem)))]
async fn list(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<Vec<WebhookView>>, Fault> {
    let all = app.webhooks.list().await?;
    Ok(axum::Json(all.into_iter().map(Into::into).collect()))
}

const fn yes() -> bool {
    true
}

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
struct NewWebhookBody {
    /// `http` or `https`; user and password are sent as `Basic` credentials.
    url: String,
    /// At most 500 characters.
    description: Option<String>,
    /// At least one.
    events: Vec<Topic>,
    #[serde(default = "yes")]
    is_active: bool,
}

/// Make a webhook. Its messages are `{type, timestamp, data}`, signed as <https://www.standardwebhooks.com> has it, and delivered at least
/// once: the same `webhook-id` again is the same message again. One that is not taken is tried for a day.
#[utoipa::path(post, path = "/api/webhooks", tag = "webhooks", request_body = NewWebhookBody, security(("bearer" = [])),
    responses((status = 201, body = WithSecret), (status = 401, response = Problem), (status = 409, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewWebhookBody>,
) -> Result<Response, Fault> {
    let new = NewWebhook {
        url: new.url,
        description: new.description.unwrap_or_default(),
        events: new.events,
        is_active: new.is_active,
    };
    let (shown, secret) = app.webhooks.add(new).await?;
    let body = WithSecret {
        webhook: shown.into(),
        secret,
    };
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

/// What is changed; what is absent stays. The address as it is shown changes nothing.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedWebhook {
    url: Option<String>,
    /// Null is none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    events: Option<Vec<Topic>>,
    is_active: Option<bool>,
}

/// Change a webhook.
#[utoipa::path(put, path = "/api/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)), request_body = ChangedWebhook, security(("bearer" = [])),
    responses((status = 200, body = WebhookView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ChangedWebhook>,
) -> Result<axum::Json<WebhookView>, Fault> {
    let change = WebhookChange {
        url: to.url,
        description: to.description.map(Option::unwrap_or_default),
        events: to.events,
        is_active: to.is_active,
    };
    Ok(axum::Json(app.webhooks.change(id, change).await?.into()))
}

/// Remove a webhook with its messages.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.webhooks.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    /// Shown this once.
    secret: String,
}

/// Give a webhook another secret; messages are signed with it from now on.
#[utoipa::path(post, path = "/api/webhooks/{id}/rotate-secret", tag = "webhooks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = SecretView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn rotate_secret(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<SecretView>, Fault> {
    let secret = app.webhooks.rotate(id).await?;
    Ok(axum::Json(SecretView { secret }))
}

/// How a message of the type `webhook.test` went.
#[derive(Debug, Serialize, ToSchema)]
struct Tested {
    delivered: bool,
    /// The status of the answer.
    status: Option<u16>,
    /// Why not, in words.
    error: Option<String>,
    duration_ms: u64,
}

impl From<Sent> for Tested {
    fn from(sent: Sent) -> Self {
        Self {
            delivered: sent.is_delivered,
            status: sent.status,
            error: sent.error,
            duration_ms: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Send a webhook a message of the type `webhook.test` now, and wait for the answer: at most 10 s.
#[utoipa::path(post, path = "/api/webhooks/{id}/test", tag = "webhooks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Tested), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn test(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Tested>, Fault> {
    Ok(axum::Json(app.webhooks.test(id).await?.into()))
}

/// The newest 100 messages for a webhook.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = Vec<DeliveryView>), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn deliveries(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<Vec<DeliveryView>>, Fault> {
    let all = app.webhooks.deliveries(id).await?;
    Ok(axum::Json(all.into_iter().map(Into::into).collect()))
}

/// Send a message again, now; also one that was delivered or given up.
#[utoipa::path(post, path = "/api/webhooks/deliveries/{id}/retry", tag = "webhooks", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 200, body = DeliveryView), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn retry(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<axum::Json<DeliveryView>, Fault> {
    Ok(axum::Json(app.webhooks.retry(id).await?.into()))
}
