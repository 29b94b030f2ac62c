//! Requests and responses of a service, and bodies on a real connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http_body::Body as _;
use mediacore::layout::{Filled, Make, Producer, Wait};
use mediacore::{Error, ErrorKind};
use tokio::sync::watch;

use super::*;
use crate::listen::{self, Limits};

const MODIFIED: &str = "Sun, 19 Nov 2000 08:52:00 GMT";

/// Bytes that are never in memory, and end in an error after some of them when `good` says so.
#[derive(Debug)]
struct Slow {
    length: u64,
    good: u64,
}

struct Slowly(Range<u64>, u64);

/// Bytes that slow bodies made, in all tests together.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Make for Slow {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer> {
        Box::new(Slowly(range, self.good))
    }
}

impl Producer for Slowly {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, wait: Wait) -> mediacore::Result<Filled> {
        if self.0.is_empty() {
            return Ok(Filled::End);
        }
        if wait == Wait::No {
            return Ok(Filled::Cold);
        }
        if self.0.start >= self.1 {
            return Err(Error::new(ErrorKind::Storage, "the disk is gone"));
        }
        let count = (self.0.end - self.0.start).min(room as u64).min(5000);
        out.extend((0..count).map(|at| (self.0.start + at) as u8));
        self.0.start += count;
        MADE.fetch_add(count, Ordering::Relaxed);
        Ok(Filled::More)
    }
}

/// A service that has `body` under `/a.mp4/index.m3u8`.
fn service(body: Layout, headers: Headers, cors: Option<Cors>) -> Arc<Service> {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::of_location(dir.path(), "").unwrap();
    let mappings = Mappings::of_files(std::path::Path::new("/"), 1).unwrap();
    let service = Service::new(
        Options::nginx_vod(),
        headers,
        String::new(),
        library,
        mappings,
        false,
        cors,
    );
    let found = Found {
        content_type: HeaderValue::from_static("video/MP2T"),
        body,
        validators: Validators {
            tag: "\"tag\"".to_owned(),
            modified: httpdate::parse_http_date(MODIFIED).ok(),
        },
    };
    let stored = Stored {
        found: Arc::new(found),
        files: Vec::new().into(),
        mappings: Vec::new().into(),
    };
    service
        .responses
        .insert(responses::key("http://h", "/a.mp4/index.m3u8"), stored);
    Arc::new(service)
}

fn plain() -> Arc<Service> {
    let headers = super::super::directives::Settings::nginx_vod().headers;
    service(Bytes::from_static(b"0123456789").into(), headers, None)
}

/// Status, headers and body of an answer.
fn ask(service: &Arc<Service>, method: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
    let mut request = Request::builder()
        .method(method)
        .uri("/a.mp4/index.m3u8")
        .header("host", "h");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let response = service.answer(&request.body(()).unwrap()).await;
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
        {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        (parts.status.as_u16(), parts.headers, bytes)
    })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn a_whole_answer_says_all_about_itself() {
    let (status, headers, body) = ask(&plain(), "GET", &[]);
    assert_eq!((status, body.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(header(&headers, "content-type"), Some("video/MP2T"));
    assert_eq!(header(&headers, "content-length"), Some("10"));
    assert_eq!(header(&headers, "accept-ranges"), Some("bytes"));
    assert_eq!(header(&headers, "etag"), Some("\"tag\""));
    assert_eq!(header(&headers, "last-modified"), Some(MODIFIED));
    assert_eq!(header(&headers, "cache-control"), None);
    let (status, heads, body) = ask(&plain(), "HEAD", &[("range", "bytes=0-1")]);
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(heads, headers);
}

#[test]
fn other_methods_are_told_what_there_is() {
    let (status, headers, body) = ask(&plain(), "OPTIONS", &[]);
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(header(&headers, "content-type"), Some("text/plain"));
    let (status, headers, _) = ask(&plain(), "POST", &[]);
    assert_eq!(status, 405);
    assert_eq!(header(&headers, "allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(header(&headers, "content-type"), Some("application/problem+json"));
}

#[test]
fn ranges_are_parts_of_the_whole() {
    let (status, headers, body) = ask(&plain(), "GET", &[("range", "bytes=2-4")]);
    assert_eq!((status, body.as_slice()), (206, &b"234"[..]));
    assert_eq!(header(&headers, "content-range"), Some("bytes 2-4/10"));
    assert_eq!(header(&headers, "content-length"), Some("3"));

    let (status, headers, body) = ask(&plain(), "GET", &[("range", "bytes=10-")]);
    assert_eq!(
        (status, header(&headers, "content-range")),
        (416, Some("bytes */10"))
    );
    assert!(String::from_utf8(body).unwrap().contains("\"status\":416"));

    let (status, headers, body) = ask(&plain(), "GET", &[("range", "bytes=0-1,-2")]);
    assert_eq!(status, 206);
    let kind = header(&headers, "content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let text = String::from_utf8(body.clone()).unwrap();
    assert_eq!(text.matches(boundary).count(), 3, "{text}");
    assert_eq!(
        header(&headers, "content-length"),
        Some(body.len().to_string().as_str())
    );

    let held = [("range", "bytes=2-4"), ("if-range", "\"tag\"")];
    assert_eq!(ask(&plain(), "GET", &held).0, 206);
    let other = [("range", "bytes=2-4"), ("if-range", "\"other\"")];
    assert_eq!(ask(&plain(), "GET", &other).0, 200);
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    for (name, value) in [("if-none-match", "\"tag\""), ("if-modified-since", MODIFIED)] {
        let (status, headers, body) = ask(&plain(), "GET", &[(name, value), ("range", "bytes=0-1")]);
        assert_eq!((status, body.len()), (304, 0), "{name}");
        assert_eq!(header(&headers, "etag"), Some("\"tag\""));
    }
    assert_eq!(ask(&plain(), "GET", &[("if-match", "\"other\"")]).0, 412);
}

#[test]
fn caches_and_scripts_of_other_sites_are_told_what_was_configured() {
    let mut settings = super::super::directives::Settings::nginx_vod();
    settings.set("vod_expires=1h").unwrap();
    let cors = Some(Cors::Origin(HeaderValue::from_static("https://a.example")));
    let service = service(Bytes::from_static(b"x").into(), settings.headers, cors);
    let (_, headers, _) = ask(&service, "GET", &[("origin", "https://a.example")]);
    assert_eq!(header(&headers, "cache-control"), Some("max-age=3600"));
    assert!(header(&headers, "expires").is_some());
    assert_eq!(
        header(&headers, "access-control-allow-origin"),
        Some("https://a.example")
    );
    let (_, headers, _) = ask(&service, "GET", &[("origin", "https://b.example")]);
    assert_eq!(header(&headers, "access-control-allow-origin"), None);
    assert_eq!(header(&headers, "vary"), Some("Origin"));
}

#[test]
fn a_host_that_could_break_a_playlist_is_refused() {
    for host in ["a b", "a\"b", "a/b", "a,b"] {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        assert!(origin(&headers).is_err(), "{host}");
    }
    assert_eq!(origin(&HeaderMap::new()), Ok(String::new()));
}

/// Serves `service` on a thread of its own until the sender is dropped.
fn serve(
    service: Arc<Service>,
    limits: Limits,
) -> (SocketAddr, watch::Sender<bool>, std::thread::JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            listen::serve(listener, service, limits, stopped).await;
        });
    });
    (address, stop, thread)
}

const GET: &[u8] = b"GET /a.mp4/index.m3u8 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn read_all(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(GET).unwrap();
    let mut answer = Vec::new();
    // A reset is how a connection can end as well.
    let _ = stream.read_to_end(&mut answer);
    let head = answer.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

fn slow(length: u64, good: u64) -> Arc<Service> {
    let mut body = Layout::new();
    body.push_bytes(Bytes::from_static(b"head"));
    body.push_made(Arc::new(Slow { length, good }));
    service(
        body,
        super::super::directives::Settings::nginx_vod().headers,
        None,
    )
}

#[test]
fn bytes_that_must_be_waited_for_come_whole() {
    let (address, stop, thread) = serve(slow(1_000_000, u64::MAX), Limits::default());
    let body = read_all(address);
    assert_eq!(body.len(), 1_000_004);
    assert!(body[4..].iter().enumerate().all(|(at, byte)| *byte == at as u8));
    stop.send_replace(true);
    thread.join().unwrap();
}

#[test]
fn a_failure_in_the_middle_is_no_whole_answer() {
    let (address, stop, thread) = serve(slow(1_000_000, 500_000), Limits::default());
    let body = read_all(address);
    assert!(body.len() < 1_000_004, "{}", body.len());
    stop.send_replace(true);
    thread.join().unwrap();
}

#[test]
fn silent_and_stuck_clients_lose_their_connection() {
    let limits = Limits {
        headers: Duration::from_millis(200),
        stalled: Duration::from_millis(200),
        ..Limits::default()
    };
    let (address, stop, thread) = serve(slow(1 << 30, u64::MAX), limits);
    let begun = Instant::now();
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(b"GET / HT").unwrap();
    let _ = silent.read_to_end(&mut Vec::new());
    assert!(begun.elapsed() >= Duration::from_millis(150));

    let mut stuck = TcpStream::connect(address).unwrap();
    stuck.write_all(GET).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let mut got = Vec::new();
    let _ = stuck.read_to_end(&mut got);
    // No more was made than the sockets took in, and a little ahead.
    assert!(got.len() < 32 << 20, "{}", got.len());
    let made = MADE.load(Ordering::Relaxed);
    assert!(made < 48 << 20, "{made}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    stop.send_replace(true);
    thread.join().unwrap();
}

#[test]
fn headers_have_a_limit() {
    let (address, stop, thread) = serve(plain(), Limits::default());
    let mut stream = TcpStream::connect(address).unwrap();
    let long = format!("GET /a HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let _ = stream.write_all(long.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
        "{}",
        answer.escape_ascii()
    );
    stop.send_replace(true);
    thread.join().unwrap();
}
