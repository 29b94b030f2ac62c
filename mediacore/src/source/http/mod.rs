//! A blocking HTTP/1.1 client for media: small, suspicious, and stopped by an [`Interrupt`] within 200 ms.
//!
//! ureq does the protocol and TLS. Ours are the name lookup and the connections (egress policy, deadlines), redirects
//! (each hop is checked like the first), credentials (to their own origin only) and the checks of what comes back.
//! Proxies from the environment are not used: they would reach what the policy forbids.

mod body;
mod connect;
mod post;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::unversioned::transport::{Connector, RustlsConnector};

pub(crate) use body::Body;
pub(super) use connect::{Control, POLL_SLICE, connect, in_slices, is_pause};
use connect::{PolicyConnector, PolicyResolver};
pub use post::{Post, Posted, post};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::source::{Egress, Interrupt, Scheme, SourceUrl};

/// Redirects that one request may follow; more are a loop or a game.
const MAX_REDIRECTS: usize = 5;
/// Bytes of a response before its body; ours fit into 1 KiB.
const MAX_HEADER: usize = 32 << 10;
/// Buffers of one connection, in bytes (a TLS connection has two pairs).
const INPUT_BUFFER: usize = 64 << 10;
const OUTPUT_BUFFER: usize = 16 << 10;

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Which addresses may be reached.
    pub(crate) egress: Egress,
    /// Longest time for one connection to be made, all addresses of the host together.
    pub(crate) connect_timeout: Duration,
    /// Longest silence on a connection.
    pub(crate) read_timeout: Duration,
    /// Whether a redirect may lead from `https` to `http`.
    pub(crate) allow_downgrade: bool,
}

/// Fetches one thing at a time; keeps connections alive between requests.
pub(crate) struct Client {
    agent: ureq::Agent,
    control: Arc<Control>,
    allow_downgrade: bool,
    /// The address whose user and password also go to other paths of its origin.
    source: SourceUrl,
}

/// What to fetch and how much of it is believable.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a SourceUrl,
    /// Bytes `start..end` of it; an `end` of `u64::MAX` means until its end.
    pub(crate) range: Option<Range<u64>>,
    /// How long all of it may take, redirects and body included; `None` for an endless stream.
    pub(crate) time: Option<Duration>,
    /// The largest body that is taken.
    pub(crate) limit: u64,
}

/// A 2xx answer whose head was checked.
#[derive(Debug)]
pub(crate) struct Response {
    /// Where it came from after redirects: what relative references in it mean.
    pub(crate) url: SourceUrl,
    /// The first byte of the body is this one of the whole; not 0 only for a range.
    pub(crate) start: u64,
    /// Bytes of the whole thing, where the server tells.
    pub(crate) total: Option<u64>,
    /// Whether ranges of it can be asked for.
    pub(crate) ranges: bool,
    /// The bytes.
    pub(crate) body: Body,
}

impl Client {
    pub(crate) fn new(
        policy: &Policy,
        source: &SourceUrl,
        interrupt: &Interrupt,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let control = Control::new(
            policy.egress.clone(),
            interrupt.clone(),
            clock.clone(),
            policy.connect_timeout,
            policy.read_timeout,
        );
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEADER)
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .max_idle_connections(2)
            .max_idle_connections_per_host(1)
            .user_agent(concat!("mediastack/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build();
        let connector = PolicyConnector(control.clone()).chain(RustlsConnector::default());
        let agent = ureq::Agent::with_parts(config, connector, PolicyResolver(control.clone()));
        Self {
            agent,
            control,
            allow_downgrade: policy.allow_downgrade,
            source: source.clone(),
        }
    }

    /// Sends the request and reads the head of the answer. Ends the body of the request before, if it still runs.
    ///
    /// Kinds of failure: `Refused` (401, 403, egress), `NotFound` (404, 410), `Unreachable` (5xx, 429, network),
    /// `TimedOut`, `Cancelled`, `LimitExceeded`, `Malformed`, `Unsupported` (any other status, compressed bodies).
    pub(crate) fn get(&self, request: &Request<'_>) -> Result<Response> {
        let deadline = request.time.map(|time| self.control.clock.now() + time);
        self.control.begin(deadline);
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self
                .send(&url, request)
                .map_err(|error| error.context(format!("fetching {url}")))?;
            let status = answer.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return self
                    .accept(url.clone(), request, answer)
                    .map_err(|e| e.context(format!("fetching {url}")));
            }
            url = self.next_hop(&url, answer.headers())?;
        }
        let message = format!("fetching {}: more than {MAX_REDIRECTS} redirects", request.url);
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }

    fn send(&self, url: &SourceUrl, request: &Request<'_>) -> Result<ureq::http::Response<ureq::Body>> {
        let bare = url.without_credentials();
        let uri: Uri = bare.expose().parse().map_err(|_| {
            Error::new(
                ErrorKind::InvalidInput,
                "the address has characters that HTTP forbids",
            )
        })?;
        let mut headers = Vec::new();
        let own = url.credentials();
        let credentials = own.or_else(|| {
            let same = self.source.same_origin(url);
            same.then(|| self.source.credentials()).flatten()
        });
        if let Some((user, password)) = credentials {
            headers.push(("Authorization", basic(&user, &password)));
        }
        match &request.range {
            Some(range) if range.end == u64::MAX => {
                headers.push(("Range", format!("bytes={}-", range.start)))
            }
            Some(range) if range.start < range.end => {
                headers.push(("Range", format!("bytes={}-{}", range.start, range.end - 1)));
            }
            Some(_) => return Err(Error::new(ErrorKind::InvalidInput, "an empty byte range")),
            None => {}
        }
        let ask = || {
            let get = self.agent.get(&uri);
            headers
                .iter()
                .fold(get, |get, (name, value)| get.header(*name, value))
                .call()
        };
        // A server may close a kept connection just when we use it again; a new one shows whether it is there.
        let answer = match ask() {
            Err(ureq::Error::Io(_)) if !self.control.has_failed() => ask(),
            answer => answer,
        };
        answer.map_err(|cause| self.explain(cause))
    }

    fn next_hop(&self, url: &SourceUrl, headers: &HeaderMap) -> Result<SourceUrl> {
        let location = headers.get("location").and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| {
            Error::new(
                ErrorKind::Malformed,
                format!("fetching {url}: a redirect without a readable Location"),
            )
        })?;
        let next = url.without_credentials().join(location)?;
        if url.scheme() == Scheme::Https && next.scheme() == Scheme::Http && !self.allow_downgrade {
            let message = format!("fetching {url}: a redirect from https to http is refused");
            return Err(Error::new(ErrorKind::Refused, message));
        }
        Ok(next)
    }

    fn accept(
        &self,
        url: SourceUrl,
        request: &Request<'_>,
        answer: ureq::http::Response<ureq::Body>,
    ) -> Result<Response> {
        let status = answer.status().as_u16();
        if !matches!(status, 200 | 206) {
            return Err(Error::new(
                kind_of_status(status),
                format!("HTTP status {status}"),
            ));
        }
        let headers = answer.headers();
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::trim)
        };
        if let Some(coding) =
            text("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            let message = format!(
                "the answer is compressed ({}) although we asked for plain bytes",
                short(coding)
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let length = text("content-length").and_then(|length| length.parse::<u64>().ok());
        let (start, total) = match (status, &request.range) {
            (206, None) => {
                return Err(Error::new(
                    ErrorKind::Malformed,
                    "a partial answer to a whole request",
                ));
            }
            (206, Some(asked)) => {
                let told = text("content-range").and_then(content_range);
                let (start, last, total) = told
                    .filter(|(start, last, _)| *start == asked.start && *last < asked.end)
                    .ok_or_else(|| {
                        Error::new(
                            ErrorKind::Malformed,
                            "the answer is another range than we asked for",
                        )
                    })?;
                if length.is_some_and(|length| Some(length) != (last - start).checked_add(1)) {
                    return Err(Error::new(
                        ErrorKind::Malformed,
                        "Content-Length and Content-Range disagree",
                    ));
                }
                (start, total)
            }
            _ => (0, length),
        };
        if let Some(length) = length.filter(|length| *length > request.limit) {
            let message = format!("{length} bytes, more than the {} we take", request.limit);
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let ranges =
            status == 206 || text("accept-ranges").is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
        let body = Body::new(answer.into_body(), self.control.clone(), length, request);
        Ok(Response {
            url,
            start,
            total,
            ranges,
            body,
        })
    }

    fn explain(&self, cause: ureq::Error) -> Error {
        match self.control.take_failure() {
            Some(failure) => failure,
            None => explain(cause),
        }
    }
}

/// What a protocol error means; its text holds no address.
fn explain(cause: ureq::Error) -> Error {
    let (kind, text) = match &cause {
        ureq::Error::Timeout(_) => (ErrorKind::TimedOut, "no answer in time"),
        ureq::Error::HostNotFound => (ErrorKind::Unreachable, "the name can't be resolved"),
        ureq::Error::Protocol(_) => (ErrorKind::Malformed, "the answer is not HTTP/1.1"),
        ureq::Error::LargeResponseHeader(..) => {
            (ErrorKind::LimitExceeded, "the answer's header is too large")
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => (ErrorKind::Refused, "TLS"),
        ureq::Error::Io(_) => (ErrorKind::Unreachable, "the connection failed"),
        _ => (ErrorKind::Unreachable, "the request failed"),
    };
    Error::new(kind, text).with_source(cause)
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 | 403 | 407 | 451 => ErrorKind::Refused,
        404 | 410 => ErrorKind::NotFound,
        408 | 425 | 429 | 500..=599 => ErrorKind::Unreachable,
        _ => ErrorKind::Unsupported,
    }
}

/// `bytes 0-99/1234` or `bytes 0-99/*`: first byte, last byte, total.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, last) = (start.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let total = match total {
        "*" => None,
        total => Some(total.parse::<u64>().ok().filter(|total| last < *total)?),
    };
    (start <= last).then_some((start, last, total))
}

/// `Basic` credentials (RFC 7617).
fn basic(user: &[u8], password: &[u8]) -> String {
    let mut bytes = user.to_vec();
    bytes.push(b':');
    bytes.extend_from_slice(password);
    format!("Basic {}", base64(&bytes))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        for index in 0..4 {
            let letter = LETTERS[((bits >> (18 - 6 * index)) & 63) as usize];
            out.push(if index <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

fn short(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
