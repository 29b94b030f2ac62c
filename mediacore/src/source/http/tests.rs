use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;
use crate::clock::SystemClock;

/// One answer of the scripted origin, byte for byte; the connection closes after it unless it has a length.
type Handler = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: Vec<String>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An HTTP origin on a port of its own that answers what a closure says.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    accepts: Option<std::thread::JoinHandle<()>>,
}

impl Origin {
    pub(crate) fn new(handler: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let accepts = std::thread::spawn({
            let (asked, stop) = (asked.clone(), stop.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let (asked, handler) = (asked.clone(), handler.clone());
                    std::thread::spawn(move || serve(stream.expect("accepted"), &asked, &*handler));
                }
            }
        });
        Self {
            address,
            asked,
            stop,
            accepts: Some(accepts),
        }
    }

    pub(crate) fn url(&self, path: &str) -> SourceUrl {
        SourceUrl::parse(&format!("http://{}{path}", self.address)).expect("valid")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(accepts) = self.accepts.take() {
            let _ = accepts.join();
        }
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, handler: &Handler) {
    let mut reader = BufReader::new(stream.try_clone().expect("clones"));
    let mut stream = stream;
    loop {
        let mut lines = VecDeque::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push_back(line.to_owned()),
            }
        }
        let first = lines.pop_front().unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let request = Asked {
            path,
            headers: lines.into(),
        };
        // A connection that is closed with a body unread is reset, and the answer is lost.
        let length = request
            .header("content-length")
            .and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if std::io::Read::read_exact(&mut reader, &mut body).is_err() {
            return;
        }
        asked.lock().expect("no panic").push(request.clone());
        let answer = handler(&request);
        let keep =
            answer.starts_with(b"HTTP/1.1 2") && !answer.windows(17).any(|w| w == b"Connection: close");
        if stream.write_all(&answer).is_err() || !keep {
            return;
        }
    }
}

/// A 200 with this body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Any head without a body.
pub(crate) fn head(status: &str, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{more}\r\n").into_bytes()
}

pub(crate) fn policy() -> Policy {
    Policy {
        egress: Egress::default(),
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(2),
        allow_downgrade: false,
    }
}

fn client(source: &SourceUrl, policy: &Policy) -> Client {
    Client::new(policy, source, &Interrupt::new(), &SystemClock::shared())
}

fn fetch(url: &SourceUrl) -> Result<Vec<u8>> {
    fetch_as(url, &policy(), None)
}

fn fetch_as(url: &SourceUrl, policy: &Policy, range: Option<Range<u64>>) -> Result<Vec<u8>> {
    let request = Request {
        url,
        range,
        time: Some(Duration::from_secs(5)),
        limit: 1000,
    };
    client(url, policy).get(&request)?.body.read_all()
}

#[test]
fn a_body_arrives_and_the_connection_is_kept() {
    let origin = Origin::new(|asked| ok(asked.path.as_bytes()));
    let url = origin.url("/a?b=c");
    let client = client(&url, &policy());
    for _ in 0..2 {
        let request = Request {
            url: &url,
            range: None,
            time: None,
            limit: 100,
        };
        assert_eq!(
            client
                .get(&request)
                .expect("answers")
                .body
                .read_all()
                .expect("body"),
            b"/a?b=c"
        );
    }
    let asked = &origin.asked()[0];
    assert!(
        asked
            .header("user-agent")
            .expect("sent")
            .starts_with("mediastack/")
    );
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
}

#[test]
fn a_short_a_large_and_a_compressed_body_are_errors() {
    let origin = Origin::new(|asked| match asked.path.as_str() {
        "/short" => b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50\r\n\r\nabc".to_vec(),
        "/chunk" => {
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabc".to_vec()
        }
        "/large" => ok(&[0; 1001]),
        "/endless" => [
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(),
            vec![0; 5000],
        ]
        .concat(),
        _ => head("200 OK", "Content-Encoding: gzip\r\n"),
    });
    for path in ["/short", "/chunk"] {
        let error = fetch(&origin.url(path)).expect_err(path);
        assert!(error.report().contains("truncated"), "{path}: {}", error.report());
    }
    for path in ["/large", "/endless"] {
        assert_eq!(
            fetch(&origin.url(path)).expect_err(path).kind(),
            ErrorKind::LimitExceeded
        );
    }
    assert_eq!(
        fetch(&origin.url("/gzip")).expect_err("gzip").kind(),
        ErrorKind::Unsupported
    );
}

#[test]
fn five_redirects_are_followed_and_a_sixth_is_not() {
    let origin = Origin::new(|asked| {
        let left: u32 = asked.path.trim_start_matches('/').parse().unwrap_or(0);
        match left {
            0 => ok(b"here"),
            left => head("302 Found", &format!("Location: /{}\r\n", left - 1)),
        }
    });
    assert_eq!(fetch(&origin.url("/5")).expect("five hops"), b"here");
    for path in ["/6", "/20"] {
        assert_eq!(
            fetch(&origin.url(path)).expect_err(path).kind(),
            ErrorKind::LimitExceeded
        );
    }
    assert_eq!(origin.asked().len(), 6 + 6 + 6);
}

#[test]
fn a_redirect_meets_the_same_checks_as_the_first_address() {
    let targets = [
        "file:///etc/passwd",
        "gopher://h/",
        "rtsp://h/",
        "http://169.254.169.254/latest",
        "http://[::ffff:a9fe:a9fe]/",
        "http://2852039166/",
    ];
    let origin = Origin::new(move |asked| {
        let index: usize = asked.path.trim_start_matches('/').parse().expect("a number");
        head("301 Moved", &format!("Location: {}\r\n", targets[index]))
    });
    for (index, target) in targets.iter().enumerate() {
        let error = fetch(&origin.url(&format!("/{index}"))).expect_err(target);
        assert_eq!(error.kind(), ErrorKind::Refused, "{target}: {}", error.report());
    }
}

#[test]
fn https_is_not_left_for_http() {
    let url = SourceUrl::parse("https://h/a").expect("valid");
    let mut headers = HeaderMap::new();
    headers.insert("location", "http://h/b".parse().expect("value"));
    let error = client(&url, &policy())
        .next_hop(&url, &headers)
        .expect_err("downgrade");
    assert_eq!(error.kind(), ErrorKind::Refused);
    let lenient = Policy {
        allow_downgrade: true,
        ..policy()
    };
    assert!(client(&url, &lenient).next_hop(&url, &headers).is_ok());
}

#[test]
fn closed_egress_refuses_loopback_in_every_notation() {
    let origin = Origin::new(|_| ok(b"secret"));
    let closed = Policy {
        egress: Egress {
            private: false,
            allow: Vec::new(),
        },
        ..policy()
    };
    let port = origin.address.port();
    for host in [
        "127.0.0.1",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0177.1",
    ] {
        let url = SourceUrl::parse(&format!("http://{host}:{port}/")).expect(host);
        assert_eq!(
            fetch_as(&url, &closed, None).expect_err(host).kind(),
            ErrorKind::Refused,
            "{host}"
        );
    }
    assert!(origin.asked().is_empty());
}

#[test]
fn credentials_go_to_their_own_origin_only() {
    let other = Origin::new(|_| ok(b""));
    let location = format!("Location: {}\r\n", other.url("/x").expose());
    let origin = Origin::new(move |asked| match asked.path.as_str() {
        "/out" => head("302 Found", &location),
        _ => ok(b""),
    });
    let source = SourceUrl::parse(&format!("http://us%40er:pa%3Ass@{}/in", origin.address)).expect("valid");
    let client = client(&source, &policy());
    for url in [&source, &origin.url("/bare"), &origin.url("/out")] {
        let request = Request {
            url,
            range: None,
            time: None,
            limit: 100,
        };
        client
            .get(&request)
            .expect("answers")
            .body
            .read_all()
            .expect("body");
    }
    let expected = format!("Basic {}", base64(b"us@er:pa:ss"));
    for asked in origin.asked() {
        assert_eq!(
            asked.header("authorization"),
            Some(expected.as_str()),
            "{}",
            asked.path
        );
        assert!(!asked.path.contains('@'));
    }
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn a_range_must_be_the_one_asked_for() {
    let origin = Origin::new(|asked| {
        let (start, total) = if asked.path == "/good" {
            (5, "/10")
        } else {
            (0, "/10")
        };
        format!(
            "HTTP/1.1 206 Partial\r\nContent-Length: 3\r\nContent-Range: bytes {start}-{}{total}\r\n\r\nfgh",
            start + 2
        )
        .into_bytes()
    });
    assert_eq!(
        fetch_as(&origin.url("/good"), &policy(), Some(5..8)).expect("range"),
        b"fgh"
    );
    assert_eq!(origin.asked()[0].header("range"), Some("bytes=5-7"));
    let error = fetch_as(&origin.url("/bad"), &policy(), Some(5..8)).expect_err("other range");
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn a_status_becomes_a_kind() {
    let origin = Origin::new(|asked| head(asked.path.trim_start_matches('/'), ""));
    for (status, kind) in [
        ("403", ErrorKind::Refused),
        ("404", ErrorKind::NotFound),
        ("503", ErrorKind::Unreachable),
        ("204", ErrorKind::Unsupported),
    ] {
        assert_eq!(
            fetch(&origin.url(&format!("/{status}")))
                .expect_err(status)
                .kind(),
            kind
        );
    }
}

#[test]
fn a_stop_ends_a_request_that_nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = SourceUrl::parse(&format!("http://{}/", silent.local_addr().expect("bound"))).expect("valid");
    let interrupt = Interrupt::new();
    let client = Client::new(&policy(), &url, &interrupt, &SystemClock::shared());
    let stopper = std::thread::spawn(move || {
        let accepted = silent.accept().expect("connected");
        interrupt.cancel();
        (accepted, Instant::now())
    });
    let request = Request {
        url: &url,
        range: None,
        time: None,
        limit: 100,
    };
    let error = client.get(&request).expect_err("stopped");
    let ended = Instant::now();
    let (_, stopped) = stopper.join().expect("no panic");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(ended.duration_since(stopped) < Duration::from_millis(600));
}

#[test]
fn base64_pads() {
    let texts = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
    ];
    for (plain, coded) in texts {
        assert_eq!(base64(plain.as_bytes()), coded);
    }
}
