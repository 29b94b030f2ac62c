//! `/api/auth`, `/api/admins`: sign-in, sign-out, passwords, administrators.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{Admin, Client, Json, MaybeAdmin, Path, SESSION_COOKIE};
use super::problem::Problem;
use crate::app::App;
use crate::domain::time::Micros;
use crate::fault::{Fault, Field};
use crate::service::auth::{Device, Token};
use crate::store::admins;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(change_password))
        .routes(routes!(sessions))
        .routes(routes!(end_others))
        .routes(routes!(end_session))
        .routes(routes!(list, create))
        .routes(routes!(set_password))
        .routes(routes!(remove))
}

/// A sign-in.
#[derive(Debug, Serialize, ToSchema)]
struct TokenResponse {
    /// The JWT, for `Authorization: Bearer`.
    access_token: String,
    /// `bearer`.
    token_type: &'static str,
}

/// A sentence.
#[derive(Debug, Serialize, ToSchema)]
struct Message {
    /// The sentence.
    message: &'static str,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The account.
    id: i64,
    /// Its name.
    username: String,
}

/// The form of a sign-in.
#[derive(Debug, Default, ToSchema)]
struct LoginForm {
    /// The account's name.
    username: Option<String>,
    /// Its password.
    password: Option<String>,
    /// Absent or `password`.
    grant_type: Option<String>,
}

impl LoginForm {
    fn set(&mut self, name: &str, value: String) {
        match name {
            "username" => self.username = Some(value),
            "password" => self.password = Some(value),
            "grant_type" => self.grant_type = Some(value),
            _ => {}
        }
    }

    async fn read(request: Request, app: &Arc<App>) -> Result<Self, Fault> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let mut form = Self::default();
        let too_large = || Fault::TooLarge(format!("the body is larger than {} bytes", super::MAX_BODY));
        let no_form = |status| match status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => Fault::field("body", "a form"),
        };
        if kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let wrong = |error: MultipartError| no_form(error.status());
            let mut parts = Multipart::from_request(request, app)
                .await
                .map_err(|_| Fault::field("body", "a form"))?;
            while let Some(part) = parts.next_field().await.map_err(wrong)? {
                let name = part.name().unwrap_or_default().to_owned();
                form.set(&name, part.text().await.map_err(wrong)?);
            }
        } else {
            let body = Bytes::from_request(request, app)
                .await
                .map_err(|rejected| no_form(rejected.status()))?;
            for (name, value) in form_urlencoded::parse(&body) {
                form.set(&name, value.into_owned());
            }
        }
        Ok(form)
    }
}

/// Sign in.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    request_body(content = LoginForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = TokenResponse),
        (status = 401, response = Problem),
        (status = 413, response = Problem),
        (status = 422, response = Problem),
        (status = 429, response = Problem),
    )
)]
async fn login(State(app): State<Arc<App>>, client: Client, request: Request) -> Result<Response, Fault> {
    let secure = is_secure(request.headers());
    let device = device(client, request.headers());
    let form = LoginForm::read(request, &app).await?;
    let missing = |name: &str| Field {
        place: format!("body.{name}"),
        message: "Field required".to_owned(),
    };
    let mut wrong = Vec::new();
    if form
        .grant_type
        .as_deref()
        .is_some_and(|kind| kind != "password" && !kind.is_empty())
    {
        wrong.push(Field {
            place: "body.grant_type".to_owned(),
            message: "only password is known".to_owned(),
        });
    }
    let (Some(username), Some(password), true) = (&form.username, &form.password, wrong.is_empty()) else {
        wrong.extend(form.username.is_none().then(|| missing("username")));
        wrong.extend(form.password.is_none().then(|| missing("password")));
        return Err(Fault::Invalid(wrong));
    };
    let token = app.auth.sign_in(username, password, &device).await?;
    Ok(signed_in(token, secure))
}

fn device(client: Client, headers: &HeaderMap) -> Device {
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    Device::new(client.0, agent.map(String::from_utf8_lossy).as_deref())
}

fn signed_in(token: Token, secure: bool) -> Response {
    let cookie = set_cookie(SESSION_COOKIE, &token.text, token.life.as_secs(), secure);
    let body = TokenResponse {
        access_token: token.text,
        token_type: "bearer",
    };
    ([(header::SET_COOKIE, cookie)], axum::Json(body)).into_response()
}

/// A cookie that scripts can't read and other sites' requests don't carry.
pub(super) fn set_cookie(name: &str, value: &str, seconds: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Whether the client came by TLS, as the proxy in front says. A lie costs the liar a cookie.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Sign out: the token is void from now on.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", responses((status = 200, body = Message)))]
async fn logout(State(app): State<Arc<App>>, MaybeAdmin(session): MaybeAdmin) -> Result<Response, Fault> {
    if let Some(session) = session {
        app.auth.sign_out(&session).await?;
    }
    let cookie = set_cookie(SESSION_COOKIE, "", 0, false);
    let body = Message {
        message: "Logged out successfully",
    };
    Ok(([(header::SET_COOKIE, cookie)], axum::Json(body)).into_response())
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/auth/me", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Me), (status = 401, response = Problem)))]
async fn me(Admin(session): Admin) -> axum::Json<Me> {
    axum::Json(Me {
        id: session.admin_id,
        username: session.username,
    })
}

/// A change of one's own password.
#[derive(Debug, Deserialize, ToSchema)]
struct PasswordChange {
    /// What it is.
    current_password: String,
    /// What it is to be: 8 characters at least.
    new_password: String,
}

/// Change one's own password. All sessions of the account end; the answer is a new one.
#[utoipa::path(post, path = "/api/auth/password", tag = "auth", request_body = PasswordChange, security(("bearer" = [])),
    responses((status = 200, body = TokenResponse), (status = 400, response = Problem), (status = 401, response = Problem),
        (status = 422, response = Problem), (status = 429, response = Problem)))]
async fn change_password(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    client: Client,
    headers: HeaderMap,
    Json(change): Json<PasswordChange>,
) -> Result<Response, Fault> {
    let token = app
        .auth
        .change_password(
            &session,
            &change.current_password,
            &change.new_password,
            &device(client, &headers),
        )
        .await?;
    Ok(signed_in(token, is_secure(&headers)))
}

/// A sign-in that lasts.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    id: String,
    created_at: Micros,
    /// Its token is void from then on.
    expires_at: Micros,
    last_seen_at: Micros,
    /// Where it was signed in from.
    address: String,
    /// What its browser or program called itself.
    user_agent: String,
    /// It is that of this request.
    is_current: bool,
}

/// The sessions of one's own account, newest first.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Vec<SessionView>), (status = 401, response = Problem)))]
async fn sessions(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
) -> Result<axum::Json<Vec<SessionView>>, Fault> {
    let shown = |other: crate::store::sessions::Session| SessionView {
        is_current: session.is(&other.id),
        id: other.id,
        created_at: other.created_at,
        expires_at: other.expires_at,
        last_seen_at: other.last_seen_at,
        address: other.address,
        user_agent: other.user_agent,
    };
    let all = app.auth.sessions(&session).await?;
    Ok(axum::Json(all.into_iter().map(shown).collect()))
}

/// End one of one's own sessions: its token is void from now on.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "auth", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn end_session(
    State(app): State<Arc<App>>,
    Admin(session): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Fault> {
    app.auth.end_session(&session, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all of one's own sessions but this one.
#[utoipa::path(post, path = "/api/auth/sessions/end-others", tag = "auth", security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem)))]
async fn end_others(State(app): State<Arc<App>>, Admin(session): Admin) -> Result<StatusCode, Fault> {
    app.auth.end_others(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An administrator.
#[derive(Debug, Serialize, ToSchema)]
struct AdminView {
    /// Its number.
    id: i64,
    /// The name to sign in with.
    username: String,
    /// When it was made.
    created_at: Micros,
    /// When it last signed in.
    last_login_at: Option<Micros>,
}

impl From<admins::Admin> for AdminView {
    fn from(admin: admins::Admin) -> Self {
        let admins::Admin {
            id,
            username,
            created_at,
            last_login_at,
            ..
        } = admin;
        Self {
            id,
            username,
            created_at,
            last_login_at,
        }
    }
}

/// All administrators.
#[utoipa::path(get, path = "/api/admins", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Vec<AdminView>), (status = 401, response = Problem)))]
async fn list(State(app): State<Arc<App>>, _admin: Admin) -> axum::Json<Vec<AdminView>> {
    axum::Json(app.auth.admins().into_iter().map(Into::into).collect())
}

/// A new administrator.
#[derive(Debug, Deserialize, ToSchema)]
struct NewAdmin {
    /// 1 to 32 characters.
    username: String,
    /// 8 characters at least.
    password: String,
}

/// Make an administrator.
#[utoipa::path(post, path = "/api/admins", tag = "auth", request_body = NewAdmin, security(("bearer" = [])),
    responses((status = 201, body = AdminView), (status = 400, response = Problem), (status = 401, response = Problem), (status = 422, response = Problem)))]
async fn create(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Json(new): Json<NewAdmin>,
) -> Result<Response, Fault> {
    let admin = app.auth.add(&new.username, &new.password).await?;
    Ok((StatusCode::CREATED, axum::Json(AdminView::from(admin))).into_response())
}

/// A new password of another administrator.
#[derive(Debug, Deserialize, ToSchema)]
struct NewPassword {
    /// 8 characters at least.
    password: String,
}

/// Set the password of an administrator; all sessions of the account end.
#[utoipa::path(put, path = "/api/admins/{id}/password", tag = "auth", request_body = NewPassword, params(("id" = i64, Path)),
    security(("bearer" = [])),
    responses((status = 204), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn set_password(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
    Json(new): Json<NewPassword>,
) -> Result<StatusCode, Fault> {
    app.auth.set_password(id, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove an administrator; all sessions of the account end. The last one stays.
#[utoipa::path(delete, path = "/api/admins/{id}", tag = "auth", params(("id" = i64, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 400, response = Problem), (status = 401, response = Problem), (status = 404, response = Problem), (status = 422, response = Problem)))]
async fn remove(
    State(app): State<Arc<App>>,
    _admin: Admin,
    Path(id): Path<i64>,
) -> Result<StatusCode, Fault> {
    app.auth.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
