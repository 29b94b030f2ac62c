//! A resource with its validators as the answer to a GET or HEAD: conditions, ranges, headers (RFC 9110, 13 and 14).

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use mediacore::layout::{Layout, Piece};

use super::body::Body;
use super::condition::{Validators, Verdict};
use super::problem;
use super::range::{self, Asked};

/// `body` to a client that sent `headers`; without the bytes when it sent HEAD.
pub(crate) fn present(
    body: &Layout,
    content_type: &HeaderValue,
    validators: &Validators,
    headers: &HeaderMap,
    head: bool,
) -> Response<Body> {
    let length = body.length();
    let verdict = validators.judge(headers);
    let asked = match headers.get(header::RANGE) {
        Some(value) if !head && verdict == Verdict::Go && validators.allow_range(headers) => value
            .to_str()
            .map_or(Asked::Nothing, |value| range::parse(value, length)),
        _ => Asked::Whole,
    };
    let mut content_type = content_type.clone();
    let (status, body) = match (verdict, &asked) {
        (Verdict::NotModified, _) => (StatusCode::NOT_MODIFIED, Layout::new()),
        (Verdict::Failed, _) => {
            return problem::status(
                StatusCode::PRECONDITION_FAILED,
                "the resource is in another state",
            );
        }
        (Verdict::Go, Asked::Nothing) => return unsatisfiable(length),
        (Verdict::Go, Asked::Whole) => (StatusCode::OK, body.clone()),
        (Verdict::Go, Asked::One(part)) => (StatusCode::PARTIAL_CONTENT, body.slice(part.clone())),
        (Verdict::Go, Asked::Several(parts)) => {
            let boundary = boundary(&validators.tag);
            let kind = content_type.to_str().unwrap_or_default();
            let body = range::multipart(body, parts, kind, &boundary);
            let value = format!("multipart/byteranges; boundary={boundary}");
            content_type = HeaderValue::from_str(&value).unwrap_or(content_type);
            (StatusCode::PARTIAL_CONTENT, body)
        }
    };
    let mut response = Response::new(match body.pieces() {
        _ if head => Body::empty(),
        [Piece::Bytes(bytes)] => Body::from(bytes.clone()),
        _ => Body::new(&body),
    });
    *response.status_mut() = status;
    let out = response.headers_mut();
    if status != StatusCode::NOT_MODIFIED {
        out.insert(header::CONTENT_TYPE, content_type);
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(body.length()));
        out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if let (Verdict::Go, Asked::One(part)) = (verdict, &asked) {
        insert(out, header::CONTENT_RANGE, &range::content_range(part, length));
    }
    insert(out, header::ETAG, &validators.tag);
    if let Some(modified) = validators.modified {
        insert(out, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    response
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let mut response = problem::status(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "there are no such bytes in the resource",
    );
    let value = format!("bytes */{length}");
    insert(response.headers_mut(), header::CONTENT_RANGE, &value);
    response
}

/// A boundary that is in no media: the entity tag's digits.
fn boundary(tag: &str) -> String {
    let digits = tag.trim_matches('"');
    format!("mediastack-{digits}")
}

/// Sets a header to digits, a date or a tag of our own making.
pub(super) fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
