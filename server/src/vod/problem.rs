//! Refusals as HTTP answers (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use mediacore::hls::{Reason, Refusal};
use serde::Serialize;

use super::body::Body;

/// The MIME type of a problem.
const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// A refusal. What is our own defect is told to the log and not to the client.
pub(crate) fn refusal(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let internal = refusal.reason == Reason::Internal;
    if internal {
        tracing::error!("{refusal}");
    } else {
        tracing::debug!("{refusal}");
    }
    let detail = (!internal).then_some(refusal.detail.as_str());
    answer(status, Some(refusal.reason.as_str()), detail)
}

/// A status that is not about media.
pub(crate) fn status(status: StatusCode, detail: &str) -> Response<Body> {
    answer(status, None, Some(detail))
}

fn answer(status: StatusCode, code: Option<&str>, detail: Option<&str>) -> Response<Body> {
    let problem = Problem {
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        code,
        detail,
    };
    let text = serde_json::to_vec(&problem).unwrap_or_default();
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, TYPE);
    headers.insert(header::CONTENT_LENGTH, length);
    response
}
