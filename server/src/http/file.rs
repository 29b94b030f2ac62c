//! [`send`]: a file of the storage folder as an answer, with conditions, ranges and HEAD.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, header};
use mediacore::hls::Reason;
use mediacore::layout::{FileSource, Layout, Source};

use crate::fault::Fault;
use crate::vod::answer::present;
use crate::vod::condition::{self, Validators};
use crate::vod::files::Folder;

/// What a browser does with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Disposition<'a> {
    /// It shows it.
    Inline,
    /// It saves it under a name.
    Attachment(&'a str),
}

/// What a file that is opened as a page may do: show itself.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
);

/// The file `name` of `folder` to a client that sent `method` (GET or HEAD) and `headers`: ETag, Last-Modified, If-Range, one
/// or several ranges. A caller that wants `Cache-Control` puts it into the answer.
///
/// # Errors
/// `NotFound` when there is no such file in the folder; a path can't leave it.
pub(crate) async fn send(
    folder: &Arc<Folder>,
    name: &str,
    content_type: &'static str,
    disposition: Disposition<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let (folder, path) = (Arc::clone(folder), name.to_owned());
    let opened = tokio::task::spawn_blocking(move || folder.file(&path)).await?;
    let (file, identity) = opened.map_err(|refusal| match refusal.reason {
        Reason::Internal => Fault::internal(refusal),
        _ => Fault::missing("File not found"),
    })?;
    let source: Arc<dyn Source> = Arc::new(FileSource::new(file, identity.size()));
    let mut body = Layout::new();
    body.push_file(&source, 0..identity.size());
    let validators = Validators {
        tag: condition::tag(&identity),
        modified: Some(condition::whole_seconds(identity.modified())),
    };
    let content_type = HeaderValue::from_static(content_type);
    let answer = present(&body, &content_type, &validators, headers, method == Method::HEAD);
    let mut answer = answer.map(Body::new);
    let out = answer.headers_mut();
    out.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    out.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    if let Disposition::Attachment(name) = disposition {
        out.insert(header::CONTENT_DISPOSITION, attachment(name));
    }
    Ok(answer)
}

/// `attachment` with a file name: as ASCII for old clients, and as it is (RFC 6266, RFC 8187).
pub(crate) fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| match c {
            ' '..='~' if !matches!(c, '"' | '\\' | '/' | '%') => c,
            _ => '_',
        })
        .collect();
    let mut exact = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            exact.push_str(&format!("%{byte:02X}"));
        }
    }
    let value = format!("attachment; filename=\"{plain}\"; filename*=utf-8''{exact}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// The MIME type of a media file by its extension, which the server itself gave it.
pub(crate) fn media_type(name: &str) -> &'static str {
    let (_, extension) = name.rsplit_once('.').unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "ts" => "video/mp2t",
        "flv" => "video/x-flv",
        "avi" => "video/x-msvideo",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "opus" => "audio/ogg",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text(answer: Response) -> Vec<u8> {
        answer.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn a_file_is_sent_whole_in_parts_and_not_at_all_when_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.mp3"), "0123456789").unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        let ask = async |method: Method, pairs: &[(header::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, value.parse().unwrap());
            }
            let name = Disposition::Attachment("a b.mp3");
            send(&folder, "a.mp3", media_type("a.mp3"), name, &method, &headers)
                .await
                .unwrap()
        };
        let whole = ask(Method::GET, &[]).await;
        assert_eq!(whole.status(), 200);
        assert_eq!(whole.headers()[header::CONTENT_TYPE], "audio/mpeg");
        let tag = whole.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(text(whole).await, b"0123456789");
        let part = ask(
            Method::GET,
            &[(header::RANGE, "bytes=2-3"), (header::IF_RANGE, &tag)],
        )
        .await;
        assert_eq!(
            (part.status().as_u16(), &part.headers()[header::CONTENT_RANGE]),
            (206, &HeaderValue::from_static("bytes 2-3/10"))
        );
        assert_eq!(text(part).await, b"23");
        let other = ask(
            Method::GET,
            &[(header::RANGE, "bytes=2-3"), (header::IF_RANGE, "\"x\"")],
        )
        .await;
        assert_eq!(other.status(), 200);
        assert_eq!(
            ask(Method::GET, &[(header::IF_NONE_MATCH, &tag)]).await.status(),
            304
        );
        assert_eq!(
            ask(Method::GET, &[(header::RANGE, "bytes=10-")]).await.status(),
            416
        );
        let head = ask(Method::HEAD, &[]).await;
        assert_eq!(head.headers()[header::CONTENT_LENGTH], "10");
        assert_eq!(text(head).await, b"");
        let several = ask(Method::GET, &[(header::RANGE, "bytes=0-0,9-9")]).await;
        assert_eq!(several.status(), 206);
        for path in ["none", "../a.mp3", "."] {
            let refused = send(
                &folder,
                path,
                "audio/mpeg",
                Disposition::Inline,
                &Method::GET,
                &HeaderMap::new(),
            )
            .await;
            assert!(matches!(refused, Err(Fault::NotFound(_))), "{path}");
        }
    }

    #[test]
    fn names_of_saved_files_are_exact_and_can_not_break_the_header() {
        assert_eq!(
            attachment("第1讲 \"a\"/\n.mp3"),
            "attachment; filename=\"_1_ _a___.mp3\"; filename*=utf-8''%E7%AC%AC1%E8%AE%B2%20%22a%22%2F%0A.mp3"
        );
    }
}
