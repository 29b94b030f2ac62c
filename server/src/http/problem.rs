//! Refusals as RFC 9457 problems. `detail` is a text that a person can be shown, on 422 too.

use std::any::Any;
use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::REQUEST_ID;
use crate::fault::Fault;

/// The MIME type of a problem.
const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Seconds after which a part that is away is asked again.
const SOON: HeaderValue = HeaderValue::from_static("5");

/// Why a request was refused (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema, utoipa::ToResponse)]
#[response(
    description = "Refused, with the reason",
    content_type = "application/problem+json"
)]
pub(crate) struct Problem {
    /// `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// Why, for people.
    detail: String,
    /// Wrong fields, on 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    /// The name of the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// One wrong field.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Wrong {
    /// The path to it: `["body", "name"]`.
    loc: Vec<String>,
    /// What is wrong.
    msg: String,
}

/// What went wrong inside, for the log alone.
#[derive(Clone, Debug)]
pub(crate) struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The problem of an answer, until its request's name is put in.
#[derive(Clone, Debug)]
struct Unnamed(std::sync::Arc<Problem>);

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSpace(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let errors = match &self {
            Self::Invalid(fields) => fields.iter().map(Wrong::of).collect(),
            _ => Vec::new(),
        };
        let mut response = answer(status, self.to_string(), errors);
        match &self {
            Self::Internal(cause) => {
                response.extensions_mut().insert(Cause(format!("{cause:#}")));
            }
            Self::Unauthorized(_) => {
                let value = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            Self::TooMany(wait) => {
                let value = HeaderValue::from(wait.as_secs().max(1));
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            Self::Unavailable(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, SOON);
            }
            _ => {}
        }
        response
    }
}

impl Wrong {
    fn of(field: &crate::fault::Field) -> Self {
        Self {
            loc: field.place.split('.').map(str::to_owned).collect(),
            msg: field.message.clone(),
        }
    }
}

/// A status with a text.
pub(crate) fn plain(status: StatusCode, detail: &str) -> Response {
    answer(status, detail.to_owned(), Vec::new())
}

fn answer(status: StatusCode, detail: String, errors: Vec<Wrong>) -> Response {
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail,
        errors,
        request_id: None,
    };
    let mut response = (status, [(header::CONTENT_TYPE, TYPE)], text(&problem)).into_response();
    response.extensions_mut().insert(Unnamed(problem.into()));
    response
}

fn text(problem: &Problem) -> Bytes {
    serde_json::to_vec(problem).unwrap_or_default().into()
}

/// Puts the request's name into an answer, and into its problem if it is one.
pub(super) async fn name(mut response: Response, id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(Unnamed(problem)) = response.extensions_mut().remove::<Unnamed>() {
        let named = Problem {
            request_id: Some(id.to_owned()),
            title: problem.title.clone(),
            detail: problem.detail.clone(),
            errors: problem
                .errors
                .iter()
                .map(|wrong| Wrong {
                    loc: wrong.loc.clone(),
                    msg: wrong.msg.clone(),
                })
                .collect(),
            ..*problem
        };
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(text(&named));
    }
    response
}

/// What a client is told about a panic, which is a defect.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!("a handler panicked: {said}");
    Fault::internal(said).into_response()
}
