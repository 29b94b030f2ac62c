//! The pages: the built `server/ui`, embedded in the binary. A name with a hash is kept by browsers for good; the page itself is asked
//! for each time. Without them, which is a build without Node, a page says how to get them.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem;
use crate::fault::Fault;

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[allow_missing = true]
struct Built;

/// What a page may load and run: nothing of another host, and no script or style within the page. `blob:` is what the player feeds the
/// browser's decoder with.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
                      media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// First parts of the paths of programs: what isn't there is a problem in JSON, whatever is accepted.
const PROGRAMS: [&str; 10] = [
    "api",
    "vod",
    "play",
    "videos",
    "audio",
    "thumbnails",
    "ws",
    "docs",
    "metrics",
    "assets",
];

/// First parts of the paths of pages, as the router of the pages has them; the empty one is the start. The last three are those of the UI
/// that came before, which lead to ours.
const PAGES: [&str; 8] = [
    "", "sign-in", "admin", "watch", "unlock", "login", "verify", "video",
];

/// Says how to get the pages.
const WITHOUT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>MediaStack</title>\
<h1>This build has no pages</h1><p>The server runs, and its API is at <a href=/docs>/docs</a>. The pages are built with Node 20 or newer: \
run <code>make build</code> in the source tree with <code>npm</code> installed, and start the new binary.</p>\
<p lang=zh-CN>此程序未包含网页界面，但服务和 API（<a href=/docs>/docs</a>）均可使用。请安装 Node 20 或更新版本后执行 <code>make build</code>，再启动新的程序。</p></html>";

/// What no route is for: a file of the pages, a page, or a problem.
pub(super) async fn fallback(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    if path == "/ws" || path.starts_with("/ws/") {
        // What existing pages know: a handshake at any other path is refused.
        return problem::plain(StatusCode::FORBIDDEN, "There is one socket, /ws/sources");
    }
    if method != Method::GET && method != Method::HEAD {
        return missing();
    }
    let name = path.trim_start_matches('/');
    let named = !matches!(name, "" | "index.html") && !name.ends_with(".br");
    if named && let Some(file) = Built::get(name) {
        return self::file(name, file, request.headers(), method == Method::HEAD);
    }
    let first = name.split('/').next().unwrap_or_default();
    let program = PROGRAMS.contains(&first) || !accepts_pages(request.headers());
    match PAGES.contains(&first) {
        // Somebody who types the address accepts anything, and so does a program that only wants to know whether it is there.
        true => page(StatusCode::OK, request.headers(), method == Method::HEAD),
        false if program => missing(),
        false => page(StatusCode::NOT_FOUND, request.headers(), method == Method::HEAD),
    }
}

fn missing() -> Response {
    Fault::missing("Not Found").into_response()
}

fn accepts_pages(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accepted| accepted.contains("text/html"))
}

/// Whether a client takes brotli. A weight of zero says that it doesn't.
fn takes_brotli(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let refused = |weight: &str| {
                weight
                    .strip_prefix("q=")
                    .and_then(|weight| weight.parse::<f32>().ok())
                    .is_some_and(|weight| weight <= 0.0)
            };
            parts.next() == Some("br") && !parts.any(refused)
        })
}

/// The page that all paths of pages show; its script looks at the path.
fn page(status: StatusCode, headers: &HeaderMap, head: bool) -> Response {
    let mut response = match Built::get("index.html") {
        Some(index) => file("index.html", index, headers, head),
        None => {
            let body = if head { Body::empty() } else { Body::from(WITHOUT) };
            let mut response = Response::new(body);
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            guard(&mut response);
            response
        }
    };
    if status != StatusCode::OK && response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// As a page of ours, for pages that others made.
pub(super) async fn guarded(mut response: Response) -> Response {
    guard(&mut response);
    response
}

fn guard(response: &mut Response) {
    let out = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        out.insert(name, HeaderValue::from_static(value));
    }
}

fn file(name: &str, raw: EmbeddedFile, headers: &HeaderMap, head: bool) -> Response {
    let packed = takes_brotli(headers)
        .then(|| Built::get(&format!("{name}.br")))
        .flatten();
    let coded = packed.is_some();
    let file = packed.unwrap_or(raw);
    let hash = file.metadata.sha256_hash();
    let tag = format!(
        "\"{:016x}\"",
        hash.iter()
            .take(8)
            .fold(0u64, |all, byte| all << 8 | u64::from(*byte))
    );
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|one| one.trim().trim_start_matches("W/") == tag)
        });
    let length = file.data.len();
    let body = match (known || head, file.data) {
        (true, _) => Body::empty(),
        (false, Cow::Borrowed(bytes)) => Body::from(bytes),
        (false, Cow::Owned(bytes)) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    guard(&mut response);
    let out = response.headers_mut();
    if !known {
        out.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
        out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if coded {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // The build puts a hash of the content into each name below assets.
    let keep = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// The type of a file of the pages by its name.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        fallback(request.body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn pages_are_shown_and_programs_are_told_what_is_not_there() {
        let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for path in [
            "/",
            "/admin",
            "/admin/library/7",
            "/watch/3?t=1m",
            "/sign-in",
            "/unlock",
            "/login",
            "/video/3",
        ] {
            let response = ask(path, &[browser]).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(
                response.headers()["content-type"],
                "text/html; charset=utf-8",
                "{path}"
            );
            let policy = response.headers()["content-security-policy"].to_str().unwrap();
            assert!(
                policy.contains("script-src 'self';") && !policy.contains("http"),
                "{policy}"
            );
        }
        let lost = ask("/no/such/page", &[browser]).await;
        assert_eq!(lost.status(), 404);
        assert_eq!(lost.headers()["content-type"], "text/html; charset=utf-8");
        for (path, headers) in [
            ("/api/nothing", vec![browser]),
            ("/assets/old-12345678.js", vec![browser]),
            ("/nothing", vec![("accept", "application/json")]),
            ("/nothing", vec![]),
        ] {
            let response = ask(path, &headers).await;
            assert_eq!(response.status(), 404, "{path}");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json",
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn files_of_a_build_are_compressed_and_known_again() {
        let Some(name) = Built::iter().find(|name| name.starts_with("assets/") && name.ends_with(".js.br"))
        else {
            // A build without Node: there is nothing but the page that says so, and the other test asks for it.
            return;
        };
        let path = format!("/{}", name.trim_end_matches(".br"));
        let packed = ask(&path, &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(packed.headers()["content-encoding"], "br");
        assert!(
            packed.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let tag = packed.headers()["etag"].to_str().unwrap().to_owned();
        let plain = ask(&path, &[("accept-encoding", "gzip, br;q=0")]).await;
        assert!(plain.headers().get("content-encoding").is_none());
        assert_ne!(plain.headers()["etag"], tag.as_str(), "other bytes, another tag");
        let again = ask(&path, &[("accept-encoding", "br"), ("if-none-match", &tag)]).await;
        assert_eq!(again.status(), 304);
        let bytes = axum::body::to_bytes(again.into_body(), 10).await.unwrap();
        assert!(bytes.is_empty());
        assert_eq!(ask(&format!("{path}.br"), &[]).await.status(), 404);
    }
}
