//! `/api/view-codes`: viewing codes, and entering one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{is_secure, set_cookie};
use super::extract::{Admin, Client, Json, Path, cookie};
use super::problem::Problem;
use super::viewing::VIEWER_COOKIE;
use crate::app::App;
use crate::domain::time::{Micros, given, present};
use crate::fault::Fault;
use crate::service::codes::{NewCode, Shown};
use crate::store::codes::CodeChange;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, remove))
        .routes(routes!(verify))
}

/// A viewing code.
#[derive(Debug, Serialize, ToSchema)]
struct CodeView {
    id: i64,
    code: String,
    is_active: bool,
    created_at: Micros,
    expires_at: Option<Micros>,
    category_ids: Vec<i64>,
    /// In the order of `category_ids`.
    category_names: Vec<String>,
    /// How often it was entered.
    use_count: i64,
    last_used_at: Option<Micros>,
}

impl From<Shown> for CodeView {
    fn from(shown: Shown) -> Self {
        let row = shown.row;
        Self {
            id: row.id,
            code: shown.text,
            is_active: row.is_active,
            created_at: row.created_at,
            expires_at: row.expires_at,
            category_ids: row.category_ids,
            category_names: row.category_names,
            use_count: row.use_count,
            last_used_at: row.last_used_at,
        }
    }
}

const fn yes() -> bool {
    true
}

/// A new viewing code.
#[derive(Debug, Deserialize, ToSchema)]
struct NewCodeBody {
    /// 6 to 12 letters and digits.
    code: String,
    #[serde(default = "yes")]
    is_active: bool,
    #[serde(default)]
    expires_at: Option<Micros>,
    #[serde(default)]
    category_ids: Vec<i64>,
}

/// All viewing codes, newest first.
#[utoipa::path(get, path = "/api/view-codes", tag = "codes", security(("bearer" = [])),
    responses((status = 200, body = Vec<CodeView>), (status = 401, response = Problem)))]
async fn list(State(app): State<Arc<App>>, _admin: Admin) -> Result<axum::Json<Vec<CodeView>>, Fault> {
    Ok(axum::Json(
        app.codes.list().await?.into_iter().map(Into::into).collect(),
    ))
}

/// Make a viewing code.
#[utoipa::path(post, path = "/api/view-codes", tag = "codes", request_body = NewCodeBody, security(("bearer" = [])),
    responses((status = 201, body = CodeView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewCodeBody>,
) -> Result<Response, Fault> {
    let new = NewCode {
        text: new.code,
        is_active: new.is_active,
        expires_at: new.expires_at,
        category_ids: new.category_ids,
    };
    let code = app.codes.add(new).await?;
    Ok((StatusCode::CREATED, axum::Json(CodeView::from(code))).into_response())
}

/// What is changed; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
struct ChangedCode {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_active: Option<bool>,
    /// Null is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Micros>)]
    expires_at: Option<Option<Micros>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<i64>>, nullable = false)]
    category_ids: Option<Vec<i64>>,
}

/// Change a viewing code; what it does not open any more is shut at once.
#[utoipa::path(put, path = "/api/view-codes/{id}", tag = "codes", params(("id" = i64, Path)), request_body = ChangedCode, security(("bearer" = [])),
    responses((status = 200, body = CodeView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn change(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(to): Json<ChangedCode>,
) -> Result<axum::Json<CodeView>, Fault> {
    let change = CodeChange {
        is_active: to.is_active,
        expires_at: to.expires_at,
        category_ids: to.category_ids,
    };
    Ok(axum::Json(app.codes.change(id, change).await?.into()))
}

/// Remove a viewing code; what it opened is shut at once.
#[utoipa::path(delete, path = "/api/view-codes/{id}", tag = "codes", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.codes.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A code that somebody enters.
#[derive(Debug, Deserialize, ToSchema)]
struct Entered {
    code: String,
}

/// Whether a code opens anything.
#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    valid: bool,
    category_ids: Vec<i64>,
    expires_at: Option<Micros>,
    /// For clients without cookies: sent as `X-View-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Enter a viewing code. A right one unlocks by a cookie, and by a token for clients without cookies. A wrong, an inactive and an expired
/// one look the same.
#[utoipa::path(post, path = "/api/view-codes/verify", tag = "codes", request_body = Entered,
    responses((status = 200, body = Verdict), (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn verify(
    State(app): State<Arc<App>>,
    client: Client,
    headers: HeaderMap,
    Json(entered): Json<Entered>,
) -> Result<Response, Fault> {
    let had = cookie(&headers, VIEWER_COOKIE);
    let Some(unlock) = app.access.enter(&entered.code, had, client.0).await? else {
        let body = Verdict {
            valid: false,
            category_ids: Vec::new(),
            expires_at: None,
            token: None,
        };
        return Ok(axum::Json(body).into_response());
    };
    let cookie = set_cookie(
        VIEWER_COOKIE,
        &unlock.token,
        unlock.life.as_secs(),
        is_secure(&headers),
    );
    let body = Verdict {
        valid: true,
        category_ids: unlock.right.category_ids,
        expires_at: unlock.right.expires_at,
        token: Some(unlock.token),
    };
    Ok(([(header::SET_COOKIE, cookie)], axum::Json(body)).into_response())
}
