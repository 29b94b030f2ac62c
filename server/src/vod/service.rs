//! [`Service`]: one request in, one response out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mediacore::hls::options::Method as Encryption;
use mediacore::hls::{self, Options, Packager, Reason, Refusal, Set};
use mediacore::layout::Layout;

use crate::listen::Respond;

use super::answer::{self, insert};
use super::body::Body;
use super::condition::{self, Validators};
use super::directives::{Headers, ModifiedTypes};
use super::files::Identity;
use super::library::{Library, Opening};
use super::mappings::Mappings;
use super::problem;
use super::responses::{self, Responses, Stored};
use super::target::Target;

/// Bytes of the longest request target.
const MAX_TARGET: usize = 8 * 1024;

/// Bytes of the largest response that is kept.
const MAX_KEPT: u64 = 4 << 20;

/// One packaging location.
pub(crate) struct Service {
    packager: Packager,
    /// What URLs start with; empty or with a leading and no trailing slash.
    location: String,
    library: Library,
    /// Where mappings come from, or the manifests of recordings.
    mappings: Mappings,
    /// Every path names a mapping; else only that of a manifest does.
    mapped: bool,
    responses: Responses,
    headers: Headers,
    cors: Option<Cors>,
    /// Stands for the options in entity tags.
    settings: String,
}

impl Respond for Service {
    type Body = Body;

    async fn respond(self: Arc<Self>, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        self.answer(&request).await
    }
}

/// Who may read answers from scripts of other sites.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Cors {
    /// Everybody.
    Any,
    /// Pages of one origin.
    Origin(HeaderValue),
}

/// What a path stands for, before preconditions and ranges.
#[derive(Debug)]
pub(crate) struct Found {
    content_type: HeaderValue,
    body: Layout,
    validators: Validators,
}

impl Found {
    /// Bytes that it takes to keep it.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.body.length())
            .unwrap_or(usize::MAX)
            .saturating_add(1024)
    }
}

impl Service {
    /// A service of these parts.
    pub(crate) fn new(
        options: Options,
        headers: Headers,
        location: String,
        library: Library,
        mappings: Mappings,
        mapped: bool,
        cors: Option<Cors>,
    ) -> Self {
        Self {
            settings: condition::tag(&(env!("CARGO_PKG_VERSION"), format!("{options:?}"))),
            packager: Packager::new(options),
            location,
            library,
            mappings,
            mapped,
            responses: responses::responses(),
            headers,
            cors,
        }
    }

    /// Lets go of files that were removed. It asks the disk.
    pub(crate) fn forget_removed(&self) {
        self.library.forget_removed();
    }

    /// Answers `request`; its body, if it has one, is left alone.
    pub(crate) async fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Response<Body> {
        let head = request.method() == Method::HEAD;
        let mut response = match *request.method() {
            Method::GET | Method::HEAD => match self.find(request).await {
                Ok(found) => self.present(&found, request.headers(), head),
                Err(refusal) => problem::refusal(&refusal),
            },
            Method::OPTIONS => empty(StatusCode::OK, "text/plain"),
            _ => problem::status(
                StatusCode::METHOD_NOT_ALLOWED,
                "media can be had by GET and HEAD only",
            ),
        };
        if head {
            *response.body_mut() = Body::empty();
        }
        if matches!(*request.method(), Method::OPTIONS) || response.status() == StatusCode::METHOD_NOT_ALLOWED
        {
            let allowed = HeaderValue::from_static("GET, HEAD, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        if let Some(cors) = &self.cors {
            cors.apply(request, response.headers_mut());
        }
        response
    }

    /// What the request's path stands for: from memory when nothing that it is made of has changed.
    async fn find<B>(self: &Arc<Self>, request: &Request<B>) -> Result<Arc<Found>, Refusal> {
        let path = request.uri().path();
        if path.len() > MAX_TARGET {
            return Err(Refusal::bad_request("the path is too long"));
        }
        let origin = origin(request.headers())?;
        let key = responses::key(&origin, path);
        if let Some(stored) = self.responses.get(&key)
            && self.is_fresh(&stored).await
        {
            return Ok(stored.found);
        }
        let target = Target::parse(path, &self.location, self.packager.options())?;
        let (set, mappings) = self.set(&target).await?;
        let request = Asking { target, set, origin };
        // The lengths of MPEG-TS with SAMPLE-AES depend on the media, which is read then.
        let reads = self.packager.options().encryption.method == Encryption::SampleAes;
        let at_once = if reads { None } else { self.make(&request, false) };
        let made = match at_once {
            Some(made) => made,
            None => {
                let service = Arc::clone(self);
                tokio::task::spawn_blocking(move || service.make(&request, true))
                    .await
                    .ok()
                    .flatten()
                    .unwrap_or_else(|| Err(Refusal::new(Reason::Internal, "a packaging thread ended")))
            }
        };
        let made = made?;
        let found = Arc::new(made.found);
        if made.keep && found.body.length() <= MAX_KEPT {
            let found = Arc::new(Found {
                body: found.body.to_bytes(MAX_KEPT).map_err(Refusal::from)?.into(),
                content_type: found.content_type.clone(),
                validators: found.validators.clone(),
            });
            let stored = Stored {
                found: Arc::clone(&found),
                files: made.files.into(),
                mappings: mappings.into(),
            };
            self.responses.insert(key, stored);
            return Ok(found);
        }
        Ok(found)
    }

    async fn is_fresh(&self, stored: &Stored) -> bool {
        for (path, tag) in &*stored.mappings {
            let now = self.mappings.get(path).await.ok().map(|mapping| mapping.tag());
            if now != Some(*tag) {
                return false;
            }
        }
        let same = |(path, identity): &(String, Identity)| self.library.identity(path) == Some(*identity);
        stored.files.iter().all(same)
    }

    /// The set of the target, and which mappings in which state it comes from.
    async fn set(&self, target: &Target) -> Result<(Set, Vec<(String, u64)>), Refusal> {
        if !self.mapped && !target.is_manifest() {
            return Ok((target.local(), Vec::new()));
        }
        let mut used = Vec::new();
        let mut texts = Vec::new();
        for path in target.mapping_paths() {
            let mapping = self.mappings.get(path).await?;
            used.push((path.to_owned(), mapping.tag()));
            texts.push(mapping);
        }
        Ok((target.mapped(&texts)?, used))
    }

    /// Packages; `None` when that would wait for a file and must not.
    fn make(&self, asking: &Asking, may_wait: bool) -> Option<Result<Made, Refusal>> {
        let opening = Opening::new(&self.library, may_wait);
        let request = hls::Request {
            name: &asking.target.name,
            directory: &asking.target.path.directory,
            origin: &asking.origin,
        };
        let answer = self.packager.answer(&request, &asking.set, &opening);
        if opening.is_cold() {
            return None;
        }
        Some(answer.map(|answer| {
            let files = opening.into_seen();
            let keep = !matches!(asking.target.name.what, hls::name::What::Segment { .. });
            let validators = self.validators(asking, &files, keep, answer.content_type);
            let found = Found {
                content_type: HeaderValue::from_static(answer.content_type),
                body: answer.body,
                validators,
            };
            Made { found, files, keep }
        }))
    }

    fn validators(
        &self,
        asking: &Asking,
        files: &[(String, Identity)],
        text: bool,
        content_type: &str,
    ) -> Validators {
        // Only texts have the host in them.
        let origin = if text { asking.origin.as_str() } else { "" };
        let identities: Vec<&Identity> = files.iter().map(|(_, identity)| identity).collect();
        let set = &asking.set;
        let of = (
            &self.settings,
            &asking.target.path.directory,
            &asking.target.path.name,
            origin,
            identities,
            format!("{set:?}"),
        );
        let newest = files.iter().map(|(_, identity)| identity.modified()).max();
        Validators {
            tag: condition::tag(&of),
            modified: self.headers.modified(content_type, newest),
        }
    }

    /// `found` to a client that sent `headers`.
    fn present(&self, found: &Found, headers: &HeaderMap, head: bool) -> Response<Body> {
        let mut response =
            answer::present(&found.body, &found.content_type, &found.validators, headers, head);
        if response.status().is_client_error() {
            return response;
        }
        let out = response.headers_mut();
        if let Some(seconds) = self.headers.expires {
            insert(out, header::CACHE_CONTROL, &format!("max-age={seconds}"));
            if let Some(at) = SystemTime::now().checked_add(Duration::from_secs(seconds)) {
                insert(out, header::EXPIRES, &httpdate::fmt_http_date(at));
            }
        }
        response
    }
}

/// One request as it is packaged.
struct Asking {
    target: Target,
    set: Set,
    origin: String,
}

/// A packaged answer.
struct Made {
    found: Found,
    files: Vec<(String, Identity)>,
    keep: bool,
}

impl Cors {
    fn apply<B>(&self, request: &Request<B>, out: &mut HeaderMap) {
        let allowed = match self {
            Self::Any => HeaderValue::from_static("*"),
            Self::Origin(origin) => {
                out.append(header::VARY, HeaderValue::from_static("Origin"));
                if request.headers().get(header::ORIGIN) != Some(origin) {
                    return;
                }
                origin.clone()
            }
        };
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let mut tell = |name, value| out.insert(name, HeaderValue::from_static(value));
        if request.method() == Method::OPTIONS {
            tell(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS");
            tell(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Range, If-Range, If-None-Match, If-Modified-Since",
            );
            tell(header::ACCESS_CONTROL_MAX_AGE, "86400");
        } else {
            tell(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                "Content-Length, Content-Range, ETag, Last-Modified",
            );
        }
    }
}

impl Headers {
    /// The `Last-Modified` of a body of this type whose newest file is of `newest`.
    fn modified(&self, content_type: &str, newest: Option<SystemTime>) -> Option<SystemTime> {
        let wanted = match &self.modified_types {
            ModifiedTypes::All => true,
            ModifiedTypes::These(types) => types.iter().any(|one| one.eq_ignore_ascii_case(content_type)),
        };
        let time = self
            .last_modified
            .or_else(|| newest.filter(|_| self.modified_of_file))?;
        wanted.then(|| condition::whole_seconds(time))
    }
}

/// `http://` and the host as the client wrote it; empty without one.
fn origin(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(host) = headers.get(header::HOST).filter(|host| !host.is_empty()) else {
        return Ok(String::new());
    };
    // Playlists print it.
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    match host.to_str() {
        Ok(host) if host.len() < 300 && host.as_bytes().iter().all(good) => Ok(format!("http://{host}")),
        _ => Err(Refusal::bad_request("the Host header is no host")),
    }
}

fn empty(status: StatusCode, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    response
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
